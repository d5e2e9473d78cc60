"""Models by name, through the entry points of the group ``labelvalue.models``.

The shipped models and a user's own come in through this one door; nothing is registered by side effect.
"""

from __future__ import annotations

import hashlib
import sys
from importlib.metadata import entry_points
from pathlib import Path

from labelvalue.model.hierarchy.specification import Model
from labelvalue.problems import did_you_mean

GROUP = "labelvalue.models"


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
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


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
    for point in entry_points(group=GROUP):
        if point.name == model:
            found = point.load()
            if not isinstance(found, Model):
                raise TypeError(f"entry point {model!r} of {GROUP} names a {type(found).__name__}, not a Model")
            return found
    known = model_names()
    raise ValueError(f"unknown model {model!r}{did_you_mean(model, known)} Installed models: {', '.join(known)}")


def model_source(model: Model) -> dict[str, str]:
    """Say where the code of a model comes from, for whoever audits a fit."""
    module, entry, package = model.build.__module__, "", ""
    for point in entry_points(group=GROUP):
        if point.name == model.name and getattr(point.load(), "build", None) is model.build:
            module, entry = point.module, point.value
            package = f"{point.dist.name} {point.dist.version}" if point.dist else ""
    file = getattr(sys.modules.get(module), "__file__", None)
    digest = hashlib.sha256(Path(file).read_bytes()).hexdigest() if file and Path(file).is_file() else ""
    return {"entry_point": entry, "package": package, "file_sha256": digest}
