from .annotators import LabelNoise as LabelNoise, estimate_label_noise as estimate_label_noise
from .arviz_groups import arviz_tree as arviz_tree
from .borrowing import carry_over as carry_over, pooling as pooling
from .catalogue import get_model as get_model, model_names as model_names
from .diagnostics import Diagnostics as Diagnostics
from .elicitation import Elicited as Elicited, elicit_priors as elicit_priors
from .fitting import fit as fit
from .items import on_items as on_items
from .model_check import check_model as check_model
from .model_noise import noise_from_probabilities as noise_from_probabilities
from .population import draw_prior_curves as draw_prior_curves
from .priors import Prior as Prior, Priors as Priors
from .related import related_priors as related_priors
from .result import Fit as Fit, load_fit as load_fit
from .specification import Model as Model
from .unseen_slice import new_slice as new_slice
from .work import Work as Work, estimate_work as estimate_work
