"""Trials: a prompt beside the one in service, on its test set and on past questions, before anybody sees it.

They cost what they cost, at the company's own expense; answers go to nobody, and nothing of them is learned
from.
"""
