"""The power law with a floor, anchored at each slice's largest observed size. The default model.

Log error falls as a power of effective labels towards a floor. Its elasticity at the reference size, and with it
the per-label impact, is a random variable with a group-level prior over slices and learners.
"""

from __future__ import annotations

from importlib.resources import files

from labelvalue.model.curve.families import power_law
from labelvalue.model.hierarchy.anchored import anchored_model
from labelvalue.model.prior.priors import read_priors

MODEL = anchored_model(
    name="power_law",
    description="Power law with a floor, anchored at the largest observed size; hierarchical over slices and learners.",
    priors=read_priors(files("labelvalue_models") / "priors" / "power_law.toml"),
    reducible=power_law,
)
