"""Turns documents into chunks: connectors, parsing, chunking, sync runs."""
