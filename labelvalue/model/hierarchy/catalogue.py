"""Models by name, through entry points that name a model, or a package that holds one in each of its files.

The shipped models and a user's own come in through this one door; nothing is registered by side effect.
"""

from __future__ import annotations

import hashlib
import pkgutil
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from labelvalue.model.hierarchy.specification import LabelModel, Model
from labelvalue.problems import did_you_mean

GROUP = "labelvalue.models"
LABEL_GROUP = "labelvalue.label_models"
"""Entry points of models of annotators; a model of learning curves has a curve, which these have not."""


def _points(group: str) -> Iterator[tuple[EntryPoint, str]]:
    """Entry points of models, a package's files one by one, with the distribution that each comes from."""
    for point in entry_points(group=group):
        package = f"{point.dist.name} {point.dist.version}" if point.dist else ""
        spec = None if ":" in point.value else find_spec(point.value)
        if spec is None:
            yield point, package
            continue
        for file in pkgutil.iter_modules(spec.submodule_search_locations):
            if not file.ispkg:
                yield EntryPoint(file.name, f"{point.value}.{file.name}:MODEL", group), package


def _load[Kind: (Model, LabelModel)](name: str, group: str, kind: type[Kind]) -> Kind | None:
    for point, _ in _points(group):
        if point.name == name:
            found = point.load()
            if not isinstance(found, kind):
                kinds = f"a {type(found).__name__}, not a {kind.__name__}"
                raise TypeError(f"entry point {name!r} of {group} names {kinds}")
            return found
    return None


def model_names() -> tuple[str, ...]:
    """Return the names of all installed models, sorted.

    Returns
    -------
    tuple of str
        Names that ``fit(model=...)`` accepts.

    Examples
    --------
    >>> "power_law" in model_names()
    True
    """
    return tuple(sorted({point.name for point, _ in _points(GROUP)}))


def get_model(model: str | Model) -> Model:
    """Return the model of a name; a :class:`Model` is returned as it is.

    Parameters
    ----------
    model : str or Model
        Name of an entry point, or the object itself.

    Returns
    -------
    Model
        The specification.

    Raises
    ------
    ValueError
        If no installed package offers a model of that name.
    TypeError
        If ``model``, or what the entry point names, is not a :class:`Model`.

    Examples
    --------
    >>> get_model("power_law").name
    'power_law'
    """
    if isinstance(model, Model):
        return model
    if not isinstance(model, str):
        raise TypeError(f"model must be a name or a labelvalue.Model, got {type(model).__name__}")
    if (found := _load(model, GROUP, Model)) is not None:
        return found
    known = model_names()
    raise ValueError(f"unknown model {model!r}{did_you_mean(model, known)} Installed models: {', '.join(known)}")


def get_label_model(name: str) -> LabelModel:
    """Return a model of annotators by name."""
    found = _load(name, LABEL_GROUP, LabelModel)
    if found is None:
        known = [point.name for point, _ in _points(LABEL_GROUP)]
        raise ValueError(f"unknown label model {name!r}{did_you_mean(name, known)}")
    return found


def model_source(model: Model) -> dict[str, str]:
    """Say where the code of a model comes from, for whoever audits a fit."""
    module, entry, package = model.build.__module__, "", ""
    for point, of in _points(GROUP):
        if point.name == model.name and getattr(point.load(), "build", None) is model.build:
            module, entry, package = point.module, point.value, of
    file = getattr(sys.modules.get(module), "__file__", None)
    digest = hashlib.sha256(Path(file).read_bytes()).hexdigest() if file and Path(file).is_file() else ""
    return {"entry_point": entry, "package": package, "file_sha256": digest}
