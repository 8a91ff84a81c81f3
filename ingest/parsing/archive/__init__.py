"""Archives: what may be unpacked, and a zip of documents as one document."""
