"""Generations of the index: one answers searches while the next one is built beside it.

A generation is an index with the encoder and the way of chunking that it was made with. The database says
which one is current; every process looks there, so that index and encoder change over together.
"""

from retrieval.generations.live import LiveIndex, Pair
from retrieval.generations.registry import Generation, Generations, Recipe

__all__ = ["Generation", "Generations", "LiveIndex", "Pair", "Recipe"]
