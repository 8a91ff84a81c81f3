"""How well the difficulty foretells wrong answers, beside other routers; `--train` fits it."""

from bench.routing.benchmark import run

__all__ = ["run"]
