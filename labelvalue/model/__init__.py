"""From runs to a posterior: curves, priors, the catalogue of models, fitting and the convergence verdict."""

from labelvalue.model.catalogue import get_model, model_names
from labelvalue.model.diagnostics import Diagnostics
from labelvalue.model.elicitation import Elicited, elicit_priors
from labelvalue.model.fitting import fit
from labelvalue.model.population import draw_prior_curves
from labelvalue.model.priors import Prior, Priors
from labelvalue.model.result import Fit, attach_backtest, load_fit
from labelvalue.model.specification import Model
from labelvalue.model.unseen_slice import new_slice

__all__ = [
    "Diagnostics",
    "Elicited",
    "Fit",
    "Model",
    "Prior",
    "Priors",
    "attach_backtest",
    "draw_prior_curves",
    "elicit_priors",
    "fit",
    "get_model",
    "load_fit",
    "model_names",
    "new_slice",
]
