"""Sampling: compiled densities, whitened coordinates, chains, the convergence gate."""
