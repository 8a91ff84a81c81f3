"""Reading: a question and a passage in, the answering span and how far to trust it out."""
