"""The result of fitting: frozen, complete, one file."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import html
import json
import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.discrepancy import BETWEEN_LEARNERS, BETWEEN_SLICES, Below, Walks, entropy_of, futures
from labelvalue.model.curve.observations import CURVE_KEYS, LARGE, lay_out, shows_fall, without_synthetic
from labelvalue.model.curve.posterior import at_now, by_slice
from labelvalue.model.hierarchy.specification import Model, get_model, level_from, log_error_from
from labelvalue.model.prior.priors import priors_of
from labelvalue.model.sampling.diagnostics import Diagnostics, diagnostics_of
from labelvalue.numerals import TAILS, counted
from labelvalue.printing import shown
from labelvalue.problems import StorageError
from labelvalue.reading import parse_json
from labelvalue.storage import read_sealed, write_sealed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA = 1  # version of the file layout; a newer one is refused

POSITION = "constant_data"  # group of the tree that holds where each slice stands: labels now, reference labels, sizes
STRETCH = "stretch"  # attribute of the tree: how much farther than fitted its draws were spread, where they were
FALLING = 4.0  # doublings below the largest size over which runs may show that their curve falls; a fit sees fewer

WORKING_COPIES = 3  # how often a posterior is held in memory at once while a fit is judged and saved
VARIABLES = 40  # numbers that a draw holds a curve, those kept beside the curve's own included
BASE_BYTES = 700 * 1024**2  # what Python, PyMC and the compiled model take


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

    @functools.cached_property
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
    def _kept(self) -> dict[tuple[Hashable, ...], Any]:
        return {}

    @functools.cached_property
    def below(self) -> Below:
        """How far each curve strays from its family below its reference size, given the runs."""
        settings, stretch = self.settings, float(self.tree.attrs.get(STRETCH, 1.0))
        seed, classes = int(settings["random_seed"]), int(settings.get(names.CLASSES, 2))
        return Below(self.model, self.posterior, self.runs, classes, seed, stretch)

    @functools.cached_property
    def falls(self) -> xr.DataArray:
        """Whether a curve's own runs show that its error falls with labels; dims slice (and learner)."""
        seen = lay_out(self.runs, int(self.settings[names.CLASSES]), FALLING)
        return by_slice(shows_fall(seen).to_dataset(name=names.GAIN), seen)[names.GAIN]

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
        seen = futures(self.runs, stretch) if beyond.by_shape else None
        return Walks(settings["random_seed"], alone, self.below.strays, float(settings[names.UPPER]), beyond, seen)

    def __repr__(self) -> str:
        return (
            f"<labelvalue.Fit of model {self.model.name!r}: {counted(self.slices.size, 'slice')}, "
            f"{self.runs.sizes[names.RUN]} runs, verdict {self.diagnostics.verdict!r}>"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict, and where every slice stands, none left out."""
        head = html.escape(f"{self.model.name}, {self.runs.sizes[names.RUN]:,} runs")
        reasons = "".join(f"<li>{html.escape(reason)}</li>" for reason in self.diagnostics.reasons)
        said = f"<p>Fit ({head}): verdict <strong>{html.escape(self.diagnostics.verdict)}</strong></p>"

        notes = "".join(f"<p>Note: {html.escape(note)}</p>" for note in items_notes(self))
        return f"{said}<ul>{reasons}</ul>{self._standing().to_html(index=False, escape=True, border=0)}{notes}"

    def plot(self) -> Figure:
        """Plot the learning curves; :func:`labelvalue.plot_curves` takes slices, budgets and bands.

        Returns
        -------
        matplotlib.figure.Figure
            Not known to pyplot.
        """
        return shown("plot_curves", self)

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
        items = few_items(self).transpose(*labels.dims).values.ravel()
        if np.isnan(items).all():
            return {}
        return {"known from": ["" if np.isnan(count) else f"{count:,.0f} items" for count in items]}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the fit to one netCDF file, with its SHA-256 in a file beside it.

        The path holds the old fit or the new one, never half of one.

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
            "diagnostics": json.dumps(dataclasses.asdict(self.diagnostics)),
        }
        write_sealed(path, bytes(tree.to_netcdf(None, engine="netcdf4")))
        return path


def once[Made](fit: Fit, key: tuple[Hashable, ...], make: Callable[[], Made]) -> Made:
    """Return what a fit alone determines, made when it is first asked for and kept for whoever asks again."""
    kept = fit._kept
    if key not in kept:
        kept[key] = make()
    return kept[key]


def altered(fit: Fit, groups: Mapping[str, xr.Dataset], **attrs: Any) -> Fit:
    """Return a fit with other groups, and attributes, of its tree."""
    tree = fit.tree.copy()
    for name, group in groups.items():
        tree[name] = xr.DataTree(group)
    tree.attrs = tree.attrs | attrs
    return dataclasses.replace(fit, tree=tree)


def noted(fit: Fit, note: str) -> Fit:
    """Return a fit with one more note among its settings."""
    notes = [*fit.settings.get(names.NOTES, []), note]
    return altered(fit, {}, settings=json.dumps(fit.settings | {names.NOTES: notes}))


def kind_of_fit(model: Model, classes: int) -> dict[str, Any]:
    """Return what two fits to the same runs must share for one to say something of the other."""
    told = json.dumps(model.priors.as_dict(), sort_keys=True)
    return {"priors_sha256": hashlib.sha256(told.encode()).hexdigest(), names.CLASSES: int(classes)}


def fit_bytes(runs: xr.Dataset, draws: int) -> int:
    """Return the memory that a fit will need, roughly: what is held while it is judged and saved."""
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
        model = dataclasses.replace(model, priors=priors_of(parse_json(attrs.pop("priors"))))
        diagnostics = diagnostics_of(str(attrs.pop("diagnostics")))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise StorageError(f"{path}: sealed, and yet no fit ({type(error).__name__}: {error}). {again}") from error
    tree.attrs = attrs
    return Fit(tree=tree, model=model, diagnostics=diagnostics)


def draws_digest(fit: Fit) -> str:
    """Return a digest of the draws themselves: two fits with the same one are the same fit."""
    posterior = fit.posterior
    sums = {str(n): hashlib.sha256(np.ascontiguousarray(posterior[n].values).tobytes()).hexdigest() for n in posterior}
    return hashlib.sha256(json.dumps(sums, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


NAMED = 3  # curves that a note names, those with the fewest items; tables have all
FEW = 200  # evaluation items below which whoever reads an error now is told how many it is known from


def luck_of_items(posterior: xr.Dataset, position: xr.Dataset, walks: Walks, typical: float = 1.0) -> xr.DataArray:
    """Draw the population's error at the reference size given that on the evaluation items, as a log ratio.

    Both levels are normal, so the population's given both is too, nearer to the group's mean the fewer items there are.
    Learners and suites of a slice share its items and their luck.
    """
    on_items = posterior[names.ERROR_REFERENCE]
    items = position[names.ITEMS_VARIANCE] * (1.0 - posterior.get("churn", 0.0))
    level = level_from(on_items, walks.upper, typical)
    kept: xr.DataArray | float = 1.0
    middle: xr.DataArray | float = 0.0
    if {"error_mean", "error_spread"} <= set(posterior):
        between = posterior["error_spread"] ** 2
        kept, middle = between / (between + items), posterior["error_mean"]
    drawn = middle + kept * (level - middle) + np.sqrt(kept * items) * _normal(posterior, walks.random_seed)
    luck = log_error_from(drawn, walks.upper, typical) - np.log(on_items)
    return luck.where(items > 0, 0.0).transpose(*on_items.dims)


def _normal(posterior: xr.Dataset, random_seed: int) -> xr.DataArray:
    """Standard normals by slice, that depend on its name alone."""
    shape = tuple(posterior.sizes[d] for d in names.SAMPLE)
    slices = posterior[names.SLICE].values
    entropies = [entropy_of(random_seed, names.LUCK, str(name)) for name in slices]
    values = np.stack([np.random.default_rng(entropy).standard_normal(shape) for entropy in entropies], axis=-1)
    coords = {d: posterior[d].values for d in names.SAMPLE} | {names.SLICE: slices}
    return xr.DataArray(values, dims=(*names.SAMPLE, names.SLICE), coords=coords)


def on_items(fit: Fit) -> Fit:
    """Ask a fit about the error on the very items that its runs were evaluated on.

    That is what another run on the same items measures. By default a fit speaks of the error over items *like* them,
    whose intervals are wider where evaluation sets are small.

    Parameters
    ----------
    fit : Fit
        Fit.

    Returns
    -------
    Fit
        The same draws without the luck of the items; every forecast can be made from it. The same fit where every run
        had items of its own.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> on_items(fit) is fit
    True
    """
    if names.LUCK not in fit.posterior:
        return fit
    without = fit.posterior.drop_vars(names.LUCK)
    now = at_now(without, fit.position, fit.model, fit.walks).data_vars
    return altered(fit, {names.POSTERIOR: without.assign(now)})


def few_items(fit: Fit) -> xr.DataArray:
    """Count the items, each once, that each error now is known from, where they are few or most of its uncertainty."""
    items = _items(fit)
    return items.where((items < FEW) | _mostly_luck(fit))


def items_notes(fit: Fit) -> list[str]:
    """Say which errors now are known from few evaluation items, and where these are most of what is not known."""
    if fit.diagnostics.verdict == "refused":
        return []
    items, luck = few_items(fit).stack(curve=(...,)), _mostly_luck(fit).stack(curve=(...,))  # noqa: PD013  of xarray
    lucky, few = (
        sorted(zip(items.values[which], items["curve"].values[which], strict=True), key=lambda pair: pair[0])
        for which in (luck.values, ~luck.values & items.notnull().values)  # noqa: PD004  of xarray
    )
    ends = (
        ": most of its uncertainty is which items these are; more evaluation labels would narrow it, more runs would "
        "not",
        "",
    )
    return [_known_from(found) + end for found, end in zip((lucky, few), ends, strict=True) if found]


def _known_from(found: Sequence[tuple[float, Sequence[object]]]) -> str:
    """Name the curves whose error now is known from the fewest items, and count the others."""
    (least, first), *others = [(_count(float(n)), name_of_curve(at)) for n, at in found]
    said = [f"error now of {first} is known from {least}", *(f"of {name} from {n}" for n, name in others[: NAMED - 1])]
    return ", ".join([*said, *([f"and of {len(others) - NAMED + 1} more"] if len(others) >= NAMED else [])])


def name_of_curve(key: Sequence[object]) -> str:
    """Name a curve by its slice and, where there are several, its learner and suite."""
    first, *others = map(str, key)
    return f"{first} ({', '.join(others)})" if others else first


def _count(items: float) -> str:
    return "the same items in all runs" if np.isnan(items) else f"{items:,.0f} items"


def _items(fit: Fit) -> xr.DataArray:
    """Distinct items that the largest runs of each curve were evaluated on."""
    like = fit.position[names.LABELS_NOW]
    runs = without_synthetic(fit.runs)
    if names.TRIALS not in runs:
        return xr.full_like(like, np.nan, dtype=float).rename(names.EVALUATION_LABELS)
    kept = [*CURVE_KEYS, names.LABELS, names.EVALUATION_SET, names.TRIALS]
    frame = runs[kept].to_dataframe().reset_index(drop=True)
    near = frame[frame[names.LABELS] >= LARGE * frame.groupby(CURVE_KEYS)[names.LABELS].transform("max")]
    alone = near.index.to_series().where(near[names.EVALUATION_SET] == "", -1)  # a run without a name has its own set
    dims = [str(d) for d in like.dims]
    of_sets = near.groupby([*dims, names.EVALUATION_SET, alone.rename("alone")])[names.TRIALS].max()
    found = of_sets.groupby(level=dims).sum().astype(float).to_xarray()
    return found.reindex_like(like).transpose(*dims).rename(names.EVALUATION_LABELS)


def _mostly_luck(fit: Fit) -> xr.DataArray:
    """Whether without the luck of the items the interval of an error now would be less than half as wide."""
    if names.LUCK not in fit.posterior:
        return xr.zeros_like(fit.position[names.LABELS_NOW], dtype=bool)
    drawn = (one.posterior[names.ERROR_NOW].quantile(TAILS, names.SAMPLE) for one in (fit, on_items(fit)))
    wide, rest = (ends[1] - ends[0] for ends in drawn)
    return (rest < 0.5 * wide).transpose(*fit.position[names.LABELS_NOW].dims)
