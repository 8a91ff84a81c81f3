"""PDF: its text in reading order, its pages and its headings."""
