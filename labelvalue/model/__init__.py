"""From runs to a posterior: curves, priors, the catalogue of models, fitting and the convergence verdict."""

from labelvalue.model.annotators import LabelNoise, estimate_label_noise
from labelvalue.model.arviz_groups import arviz_tree
from labelvalue.model.catalogue import get_model, model_names
from labelvalue.model.diagnostics import Diagnostics
from labelvalue.model.elicitation import Elicited, elicit_priors
from labelvalue.model.fitting import fit
from labelvalue.model.model_noise import noise_from_probabilities
from labelvalue.model.population import draw_prior_curves
from labelvalue.model.priors import Prior, Priors
from labelvalue.model.result import Fit, attach_backtest, load_fit
from labelvalue.model.specification import Model
from labelvalue.model.unseen_slice import new_slice
from labelvalue.model.work import Work, estimate_work

__all__ = [
    "arviz_tree",
    "Diagnostics",
    "Elicited",
    "Fit",
    "LabelNoise",
    "Model",
    "Prior",
    "Priors",
    "Work",
    "attach_backtest",
    "draw_prior_curves",
    "elicit_priors",
    "estimate_label_noise",
    "estimate_work",
    "fit",
    "get_model",
    "load_fit",
    "model_names",
    "new_slice",
    "noise_from_probabilities",
]
