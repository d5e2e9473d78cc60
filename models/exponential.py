"""An exponential with a floor: what learners do whose error falls fast and then stands still."""

from __future__ import annotations

from importlib.resources import files

from labelvalue.model.curve.families import exponential
from labelvalue.model.hierarchy.anchored import anchored_model
from labelvalue.model.prior.priors import read_priors

MODEL = anchored_model(
    name="exponential",
    description="Exponential with a floor: most of what labels can do is done soon.",
    priors=read_priors(files("labelvalue_models") / "priors" / "exponential.toml"),
    reducible=exponential,
)
