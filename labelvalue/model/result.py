"""The result of fitting: frozen, complete, one file."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import html
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.model.catalogue import get_model
from labelvalue.model.diagnostics import Diagnostics
from labelvalue.model.priors import Priors
from labelvalue.model.specification import Model
from labelvalue.model.walk import BETWEEN_LEARNERS, BETWEEN_SLICES, Walks
from labelvalue.model.walk_below import Below
from labelvalue.problems import StorageError
from labelvalue.reading import parse_json
from labelvalue.storage import read_sealed, write_sealed

SCHEMA = 1
"""Version of the file layout; a newer one is refused."""

POSITION = "constant_data"
"""Group of the tree that holds where each slice stands: labels now, reference labels, sizes."""
STRETCH = "stretch"
"""Attribute of the tree: how much farther than fitted its draws were spread, where they were."""

WORKING_COPIES = 3
"""How often a posterior is held in memory at once while a fit is judged and saved."""
VARIABLES = 40
"""Numbers that a draw holds a curve, those kept beside the curve's own included."""
BASE_BYTES = 700 * 1024**2
"""What Python, PyMC and the compiled model take."""


@dataclasses.dataclass(frozen=True)
class Fit:
    """Posterior of a model given runs, with everything needed to forecast from it, judge it and audit it.

    Parameters
    ----------
    tree : xarray.DataTree
        ArviZ layout: ``posterior`` (dims chain, draw, slice and, where the runs hold several, learner; always
        ``error_now``, ``elasticity``, ``impact``, ``floor`` and the group-level parameters), ``sample_stats``,
        ``constant_data`` (where each slice stands), ``runs`` (the runs table) and, where it was attached,
        ``backtest``.
        Attributes of the tree: settings, versions, digest of the runs.
    model : Model
        The specification, with the priors that were used.
    diagnostics : Diagnostics
        Convergence verdict with reasons, and data flags by slice.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> fit.posterior["impact"].dims
    ('chain', 'draw', 'slice')
    """

    tree: xr.DataTree
    model: Model
    diagnostics: Diagnostics

    @property
    def posterior(self) -> xr.Dataset:
        """Draws; dims chain, draw, slice (and learner)."""
        return self.tree[names.POSTERIOR].to_dataset()

    @property
    def position(self) -> xr.Dataset:
        """Where each slice stands: labels now, reference labels, sizes; dims slice (and learner)."""
        return self.tree[POSITION].to_dataset()

    @property
    def runs(self) -> xr.Dataset:
        """The runs the fit was made from; dim run."""
        return self.tree[names.RUNS].to_dataset()

    @property
    def slices(self) -> np.ndarray:
        """Names of the slices, sorted."""
        return self.position[names.SLICE].values

    @property
    def backtest(self) -> xr.Dataset | None:
        """Scores of forecasts made from part of the runs, as attached; ``None`` where there are none."""
        return self.tree[names.BACKTEST].to_dataset() if names.BACKTEST in self.tree.children else None

    @property
    def settings(self) -> dict[str, Any]:
        """How the fit was made: sampler, seed, versions, digests, notes."""
        return json.loads(self.tree.attrs["settings"])

    @functools.cached_property
    def below(self) -> Below:
        """How far each curve strays from its family below its reference size, given the runs."""
        settings, stretch = self.settings, float(self.tree.attrs.get(STRETCH, 1.0))
        seed, classes = int(settings["random_seed"]), int(settings.get(names.CLASSES, 2))
        return Below(self.model, self.posterior, self.runs, classes, seed, stretch)

    @functools.cached_property
    def walks(self) -> Walks:
        """How far curves stray from their family, on either side of the reference size."""
        settings = self.settings
        learners = settings["learners"]
        alone = learners[0] if len(learners) == 1 else ""
        several = len(set(self.runs[names.SLICE].values)) > 1
        beyond = BETWEEN_SLICES if alone and several else BETWEEN_LEARNERS
        stretch = self.below.stretch  # of the discrepancy, which the mean of the walks does not follow
        beyond = dataclasses.replace(beyond, typical=beyond.typical / stretch, by_scatter=beyond.by_scatter / stretch)
        return Walks(settings["random_seed"], alone, self.below.strays, float(settings[names.UPPER]), beyond)

    def __repr__(self) -> str:
        count = self.slices.size
        return (
            f"<labelvalue.Fit of model {self.model.name!r}: {count} slice{'s' if count != 1 else ''}, "
            f"{self.runs.sizes[names.RUN]} runs, verdict {self.diagnostics.verdict!r}>"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict, and where every slice stands, none left out."""
        head = html.escape(f"{self.model.name}, {self.runs.sizes[names.RUN]:,} runs")
        reasons = "".join(f"<li>{html.escape(reason)}</li>" for reason in self.diagnostics.reasons)
        said = f"<p>Fit ({head}): verdict <strong>{html.escape(self.diagnostics.verdict)}</strong></p>"
        from labelvalue.model.items import items_notes  # they are about a Fit

        notes = "".join(f"<p>Note: {html.escape(note)}</p>" for note in items_notes(self))
        return f"{said}<ul>{reasons}</ul>{self._standing().to_html(index=False, escape=True, border=0)}{notes}"

    def _standing(self) -> pd.DataFrame:
        """Labels now and error now of every curve; no error where the fit is refused."""
        labels = self.position[names.LABELS_NOW]
        table = labels.to_dataframe().reset_index()[[*labels.dims]]
        table[names.LABELS_NOW] = [f"{count:,.0f}" for count in labels.values.ravel()]
        if self.diagnostics.verdict != "refused":
            now = self.posterior[names.ERROR_NOW].transpose(names.CHAIN, names.DRAW, *labels.dims).values
            draws = now.reshape(now.shape[0] * now.shape[1], -1)
            table[names.ERROR_NOW] = [f"{mean:.4f}" for mean in draws.mean(axis=0)]
            ends = np.quantile(draws, [0.05, 0.95], axis=0).T
            table["90 % equal-tailed"] = [f"{low:.4f} to {high:.4f}" for low, high in ends]
            table = table.assign(**self._known_from(labels))
        flags = self.diagnostics.flags
        return table.assign(**{names.FLAGS: ["; ".join(flags.get(str(s), ())) for s in table[names.SLICE]]})

    def _known_from(self, labels: xr.DataArray) -> dict[str, list[str]]:
        """A column of how many evaluation items an error is known from, where some are few."""
        from labelvalue.model.items import few_items

        items = few_items(self).transpose(*labels.dims).values.ravel()
        if np.isnan(items).all():
            return {}
        return {"known from": ["" if np.isnan(count) else f"{count:,.0f} items" for count in items]}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the fit to one netCDF file, with its SHA-256 in a file beside it.

        Bytes are made in memory, written to a temporary file, synced and renamed, so that the path holds
        the old or the new fit, never half of one.

        Parameters
        ----------
        path : path-like
            Where to; ``.nc`` is customary.

        Returns
        -------
        pathlib.Path
            The path.

        Raises
        ------
        StorageError
            If the file cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> from labelvalue.testing import fake_fit
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     fake_fit(seed=1).save(f"{folder}/fit.nc").name
        'fit.nc'
        """
        path = Path(path)
        tree = self.tree.copy()
        tree.attrs = {
            **tree.attrs,
            "schema": SCHEMA,
            "model": self.model.name,
            "priors": json.dumps(self.model.priors.as_dict()),
            "diagnostics": self.diagnostics.to_json(),
        }
        write_sealed(path, bytes(tree.to_netcdf(None, engine="netcdf4")))
        return path


def kind_of_fit(model: Model, classes: int) -> dict[str, Any]:
    """Return what two fits to the same runs must share for one to say something of the other, beside the model's name.

    Parameters
    ----------
    model : Model
        With the priors that were used.
    classes : int
        Number of classes.

    Returns
    -------
    dict
        ``priors_sha256`` and ``classes``.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> sorted(kind_of_fit(fake_fit(seed=1).model, 2))
    ['classes', 'priors_sha256']
    """
    told = json.dumps(model.priors.as_dict(), sort_keys=True)
    return {"priors_sha256": hashlib.sha256(told.encode()).hexdigest(), names.CLASSES: int(classes)}


def fit_bytes(runs: xr.Dataset, draws: int) -> int:
    """Return the memory that a fit will need, roughly: what is held while it is judged and saved.

    Parameters
    ----------
    runs : xarray.Dataset
        Runs table.
    draws : int
        Draws of all chains together.

    Returns
    -------
    int
        Bytes.

    Examples
    --------
    >>> from labelvalue.testing import fake_runs
    >>> fit_bytes(fake_runs(seed=1), 8000) > fit_bytes(fake_runs(seed=1), 4000) > BASE_BYTES
    True
    """
    keys = [name for name in (names.SLICE, names.LEARNER, names.SUITE) if name in runs]
    curves = runs[keys].to_dataframe()[keys].drop_duplicates().shape[0]
    return BASE_BYTES + 8 * WORKING_COPIES * VARIABLES * draws * curves


def load_fit(path: str | os.PathLike[str]) -> Fit:
    """Load a fit that :meth:`Fit.save` wrote.

    Parameters
    ----------
    path : path-like
        The netCDF file; its digest is expected beside it as ``<path>.sha256``.

    Returns
    -------
    Fit
        Equal to the one saved.

    Raises
    ------
    ValueError
        If there is no such file.
    StorageError
        If the file was altered or cut, its digest is missing, or a newer labelvalue wrote it.

    Examples
    --------
    >>> import tempfile
    >>> from labelvalue.testing import fake_fit
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     load_fit(fake_fit(seed=1).save(f"{folder}/fit.nc")).model.name
    'power_law'
    """
    path = Path(path)
    again = "Fix: make the fit again with 'labelvalue fit', or restore both files from a backup"
    if not os.path.lexists(path):
        raise ValueError(f"{path}: no such file. Fix: give the path of a fit that 'labelvalue fit' wrote.")
    content = read_sealed(path, again)
    try:
        with xr.open_datatree(content, engine="netcdf4") as opened:
            tree = opened.load()
        attrs = dict(tree.attrs)
        schema, called = int(attrs.pop("schema")), str(attrs.pop("model"))
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise StorageError(f"{path}: sealed, and yet no fit ({type(error).__name__}: {error}). {again}") from error
    if schema > SCHEMA:
        raise StorageError(
            f"{path}: needs labelvalue ≥ the version that wrote schema {schema}; this one reads {SCHEMA}"
        )
    model = get_model(called)
    try:
        model = dataclasses.replace(model, priors=Priors.from_dict(parse_json(attrs.pop("priors"))))
        diagnostics = Diagnostics.from_json(str(attrs.pop("diagnostics")))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise StorageError(f"{path}: sealed, and yet no fit ({type(error).__name__}: {error}). {again}") from error
    tree.attrs = attrs
    return Fit(tree=tree, model=model, diagnostics=diagnostics)


def draws_digest(fit: Fit) -> str:
    """Return a digest of the draws themselves: two fits with the same one are the same fit.

    Parameters
    ----------
    fit : Fit
        Fit.

    Returns
    -------
    str
        SHA-256.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> draws_digest(fake_fit(seed=1, draws=25)) == draws_digest(fake_fit(seed=1, draws=25))
    True
    """
    posterior = fit.posterior
    sums = {str(n): hashlib.sha256(np.ascontiguousarray(posterior[n].values).tobytes()).hexdigest() for n in posterior}
    return hashlib.sha256(json.dumps(sums, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
