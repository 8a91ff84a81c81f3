"""The vector index, behind one protocol: Qdrant's engine on this machine, or a Qdrant server.

This folder alone imports Qdrant. Nothing here decides who may read: filters come ready from
`retrieval.access`, and a search without one does not type-check.
"""

from retrieval.index.protocol import AccessFilter, Hit, Index, IndexQuery, IndexStats, OwnIndex, Point

__all__ = ["AccessFilter", "Hit", "Index", "IndexQuery", "IndexStats", "OwnIndex", "Point"]
