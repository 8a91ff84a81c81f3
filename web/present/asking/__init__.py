"""Questions, their answers and how these came about, as the pages show them."""
