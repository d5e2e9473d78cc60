from .annotators.label_noise import LabelNoise as LabelNoise, estimate_label_noise as estimate_label_noise
from .annotators.model_noise import noise_from_probabilities as noise_from_probabilities
from .annotators.work import Work as Work, estimate_work as estimate_work
from .fitting.arviz_tree import arviz_tree as arviz_tree
from .fitting.fitting import fit as fit
from .fitting.new_slice import new_slice as new_slice
from .fitting.pooling import carry_over as carry_over, pooling as pooling
from .fitting.result import Fit as Fit, load_fit as load_fit, on_items as on_items
from .hierarchy.catalogue import get_model as get_model, model_names as model_names
from .hierarchy.model_check import check_model as check_model
from .hierarchy.specification import Model as Model
from .prior.elicitation import Elicited as Elicited, elicit_priors as elicit_priors
from .prior.prior_curves import draw_prior_curves as draw_prior_curves
from .prior.priors import Prior as Prior, Priors as Priors
from .prior.related import related_priors as related_priors
from .sampling.diagnostics import Diagnostics as Diagnostics
