"""An exponential with a floor: what learners do whose error falls fast and then stands still."""

from typing import Any

from labelvalue_models import learned_of_learners

from labelvalue.model.curve.families import namespace
from labelvalue.model.hierarchy.anchored import anchored_model


def exponential(log_ratio: Any, rate: Any) -> Any:
    r"""Log of an exponential's part above the floor, relative to the reference: :math:`-E (r - 1)`.

    References
    ----------
    Viering and Loog (2022), "The shape of learning curves: a review", IEEE TPAMI, table 1 (EXP3).
    """
    xp = namespace(log_ratio, rate)
    return -rate * xp.expm1(log_ratio)


MODEL = anchored_model(
    name="exponential",
    description="Exponential with a floor: most of what labels can do is done soon.",
    priors=learned_of_learners("exponential"),
    reducible=exponential,
)
