"""Runs made by training on subsets of a user's data."""
