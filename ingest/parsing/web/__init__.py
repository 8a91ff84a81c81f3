"""What is written in HTML: pages and books."""
