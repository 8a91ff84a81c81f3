"""From what a connector yields to what the index and the database hold, and back from a kill."""
