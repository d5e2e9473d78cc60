"""Curves, gains and what follows from them."""
