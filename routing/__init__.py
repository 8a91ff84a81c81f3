"""Answers a question on the cheapest rung that answers it well."""
