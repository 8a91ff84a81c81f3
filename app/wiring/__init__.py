"""Builds the objects of one installation: the only place that names concrete classes.

One class a floor, each standing on the one before: `Records`, `Indexing`, `Documents`, `Answers`, `House`.
"""

from app.wiring.house import House, house

__all__ = ["House", "house"]
