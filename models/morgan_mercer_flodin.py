"""The curve of Morgan, Mercer and Flodin: a plateau where labels are few, a power law after it, a floor at the end."""

from typing import Any

from labelvalue_models import learned_of_learners

from labelvalue import names
from labelvalue.model.curve.families import exp, namespace, softplus
from labelvalue.model.hierarchy.anchored import anchored_model
from labelvalue.model.hierarchy.specification import ShapeParameter


def morgan_mercer_flodin(log_ratio: Any, rate: Any, headroom: Any) -> Any:
    r"""Log of a Morgan-Mercer-Flodin curve's part above the floor, relative to the reference.

    A plateau where labels are few, then a power law: :math:`(1+h) / (1 + h\,r^{d})` with
    :math:`d = E (1+h)/h`, so that the slope at the reference is -E whatever the headroom h.

    References
    ----------
    Morgan, Mercer and Flodin (1975), "General model for nutritional responses of higher organisms", PNAS 72;
    Gu, Hu and Liu (2001), "Modelling classification performance for large data sets", WAIM.
    """
    xp = namespace(log_ratio, rate, headroom)
    log_headroom = xp.log(headroom)
    power = rate * (1.0 + headroom) / headroom
    return softplus(log_headroom) - softplus(log_headroom + power * log_ratio)


MODEL = anchored_model(
    name="morgan_mercer_flodin",
    description="Morgan-Mercer-Flodin curve: a plateau where labels are few, then a power law towards a floor.",
    priors=learned_of_learners("morgan_mercer_flodin"),
    reducible=morgan_mercer_flodin,
    shape=(ShapeParameter("headroom", names.HEADROOM, exp),),
)
