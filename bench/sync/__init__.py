"""The benchmark of syncing: how fast, how much memory, and what searching feels of it."""

from bench.sync.benchmark import run

__all__ = ["run"]
