"""Priors: the bank, elicited ones, those of related projects, and the curves they imply."""
