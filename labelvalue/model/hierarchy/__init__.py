"""From a curve family to a PyMC model, and the catalogue of models."""
