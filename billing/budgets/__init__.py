"""Budgets of the workspace, its teams and its people: what they are, who set them, and how they hold."""
