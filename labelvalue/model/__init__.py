"""From runs to a posterior: curves, priors, the catalogue of models, fitting and the convergence verdict."""

from labelvalue.model.catalogue import get_model, model_names
from labelvalue.model.diagnostics import Diagnostics
from labelvalue.model.fitting import fit
from labelvalue.model.priors import Prior, Priors
from labelvalue.model.result import Fit, attach_backtest, load_fit
from labelvalue.model.specification import Model

__all__ = [
    "Diagnostics",
    "Fit",
    "Model",
    "Prior",
    "Priors",
    "attach_backtest",
    "fit",
    "get_model",
    "load_fit",
    "model_names",
]
