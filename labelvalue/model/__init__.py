"""From runs to a posterior: curves, priors, the catalogue of models, fitting and the convergence verdict."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
