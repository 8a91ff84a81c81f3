"""Meters, prices and proves what each answer cost. Imports `app.core` alone."""
