"""Prices, figures and prompts as the pages show them."""
