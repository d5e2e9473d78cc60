"""Two power laws with a smooth turn between them, below the largest observed size, and a floor."""

from typing import Any

import numpy as np
from labelvalue_models import learned_of_learners

from labelvalue import names
from labelvalue.model.curve.families import exp, namespace, softplus
from labelvalue.model.hierarchy.anchored import anchored_model
from labelvalue.model.hierarchy.specification import ShapeParameter

BREAK_WIDTH = 0.5  # doublings over which it turns from one slope to the other


def broken_power_law(log_ratio: Any, rate: Any, break_distance: Any, early_share: Any) -> Any:
    r"""Log of a broken power law's part above the floor, relative to the reference.

    Two power laws with a smooth turn between them, below the reference: a break beyond the data is invisible.

    References
    ----------
    Caballero, Gupta, Rish and Krueger (2023), "Broken neural scaling laws", ICLR; here with one break.
    """
    xp = namespace(log_ratio, rate, break_distance, early_share)
    width = BREAK_WIDTH * np.log(2.0)
    turn = break_distance / BREAK_WIDTH
    change = rate * (1.0 - early_share) * (1.0 + xp.exp(-turn))
    return -rate * early_share * log_ratio - width * change * (softplus(log_ratio / width + turn) - softplus(turn))


MODEL = anchored_model(
    name="broken_power_law",
    description="Broken power law: two slopes with a smooth turn between them, and a floor.",
    priors=learned_of_learners("broken_power_law"),
    reducible=broken_power_law,
    shape=(ShapeParameter("break", names.BREAK_DISTANCE, softplus), ShapeParameter("early", names.EARLY_SHARE, exp)),
)
