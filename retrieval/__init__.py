"""Turns questions into passages: embed, index, filter, fuse."""
