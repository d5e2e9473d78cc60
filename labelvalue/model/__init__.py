"""From runs to a posterior: curves, priors, the catalogue of models, fitting and the convergence verdict."""
