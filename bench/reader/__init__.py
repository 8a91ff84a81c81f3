"""How well and how fast the reader reads what it was not trained on."""

from bench.reader.benchmark import run

__all__ = ["run"]
