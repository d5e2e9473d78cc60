"""The curve of Morgan, Mercer and Flodin: a plateau where labels are few, a power law after it, a floor at the end."""

from __future__ import annotations

from importlib.resources import files

from labelvalue import names
from labelvalue.model.curve.families import morgan_mercer_flodin, namespace
from labelvalue.model.hierarchy.anchored import ShapeParameter, anchored_model
from labelvalue.model.prior.priors import read_priors


def _headroom(level: object) -> object:
    return namespace(level).exp(level)


MODEL = anchored_model(
    name="morgan_mercer_flodin",
    description="Morgan-Mercer-Flodin curve: a plateau where labels are few, then a power law towards a floor.",
    priors=read_priors(files("labelvalue_models") / "priors" / "morgan_mercer_flodin.toml"),
    reducible=morgan_mercer_flodin,
    shape=(ShapeParameter("headroom", names.HEADROOM, _headroom),),
)
