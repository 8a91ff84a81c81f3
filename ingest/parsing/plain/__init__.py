"""Files that are text already: markdown, reStructuredText, CSV, JSON, source code."""
