"""The power law with a floor, anchored at each slice's largest observed size. The default model.

Log error falls as a power of effective labels towards a floor. Its elasticity at the reference size, and with it
the per-label impact, is a random variable with a group-level prior over slices and learners.
"""

from typing import Any

from labelvalue_models import SHARED

from labelvalue.model.hierarchy.anchored import anchored_model


def power_law(log_ratio: Any, rate: Any) -> Any:
    r"""Log of a power law's part above the floor, relative to the reference: :math:`-E \log r`.

    References
    ----------
    Cortes, Jackel, Solla, Vapnik and Denker (1993), "Learning curves: asymptotic values and rate of
    convergence", NeurIPS 6.
    """
    return -rate * log_ratio


MODEL = anchored_model(
    name="power_law",
    description="Power law with a floor, anchored at the largest observed size; hierarchical over slices and learners.",
    priors=SHARED,
    reducible=power_law,
)
