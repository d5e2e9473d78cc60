"""Two power laws with a smooth turn between them, below the largest observed size, and a floor."""

from __future__ import annotations

from importlib.resources import files

from labelvalue import names
from labelvalue.model.curve.families import broken_power_law, namespace, softplus
from labelvalue.model.hierarchy.anchored import ShapeParameter, anchored_model
from labelvalue.model.prior.priors import read_priors


def _early_share(level: object) -> object:
    return namespace(level).exp(level)


MODEL = anchored_model(
    name="broken_power_law",
    description="Broken power law: two slopes with a smooth turn between them, and a floor.",
    priors=read_priors(files("labelvalue_models") / "priors" / "broken_power_law.toml"),
    reducible=broken_power_law,
    shape=(
        ShapeParameter("break", names.BREAK_DISTANCE, softplus),
        ShapeParameter("early", names.EARLY_SHARE, _early_share),
    ),
)
