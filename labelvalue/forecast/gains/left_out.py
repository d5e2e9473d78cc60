"""What is expected of one slice, suite or project from all the others alone: scored beside scores in sample."""

import json
import zlib
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.forecast.backtesting.holdout import CURVE, frame_of
from labelvalue.forecast.backtesting.scores import score_rows
from labelvalue.forecast.gains.curves import SIZE, curve_dims, error_draws
from labelvalue.model.curve.observations import KNOTS_PER_DOUBLING
from labelvalue.model.fitting.derived import new_slice
from labelvalue.model.fitting.fitting import fit as fit_runs
from labelvalue.model.fitting.result import Fit
from labelvalue.problems import input_error

PROJECT, HOW = "project", "how"
FIRST, LAST = "first", "last"
OVER = (names.SLICE, names.SUITE, PROJECT)
LEAST_SLICES, MOST_SLICES = 2, 12  # slices of which a backtest leaves out one at a time by itself
IN_SAMPLE, LEFT_OUT = "in sample", "left out"
FALL = "fall"
REACH = 3  # doublings of labels over which a fall of the error is looked at, at most
LEAST_ERROR = 1e-9  # what stands for no error at all, where its logarithm is taken
ENOUGH = 3  # replicates from which their scatter says how well a fall is known
SCORES = (names.CRPS, names.COVERS_50, names.COVERS_90, names.WIDTH)


def leave_one_out(
    fit: Fit,
    over: Literal["slice", "suite", "project"] = "slice",
    *,
    related: Fit | None = None,
    draws: int = 1000,
    tune: int = 300,
    chains: int = 4,
    progress: bool = True,
) -> xr.Dataset:
    """Score what is expected of each slice or suite from the others alone, beside what the fit says that has seen it.

    What is scored is the *fall* of the error, the share of it that is gone, from the smallest to the largest size of a
    curve over at most three doublings: the height of an unseen curve nobody can know.

    Parameters
    ----------
    fit : Fit
        Fit of all runs: what is said in sample.
    over : {"slice", "suite", "project"}
        What is left out, one at a time. A slice is then forecast as another one of the population of the others, a
        suite as an unknown one of the others; each costs one fit of the rest. Of a project nothing is fitted: every
        slice is forecast as another one of the population of the ``related`` project.
    related : Fit, optional
        Fit of a related project, for ``over="project"``.
    draws, tune, chains, progress : optional
        As for :func:`labelvalue.fit`; model, priors, weights of old runs and seed are those of ``fit``.

    Returns
    -------
    xarray.Dataset
        Dims ``how`` (``in sample``, ``left out``), slice (and learner, suite): ``crps``, ``covers_50``, ``covers_90``,
        ``width``, ``bias`` (forecast minus measured fall) and ``point``, all in shares of the error, of which a rise
        counts at most as one; with dims chain and draw as well ``fall``, what was forecast; without ``how`` the
        measured fall ``truth`` and its ``truth_stderr``. NaN where a curve has one size only or its re-fit was
        refused. Attributes: ``over``, ``sentence``, and ``refits`` (JSON: the verdict of each).

    Raises
    ------
    InputError
        If there are fewer than two of what is to be left out.
    ValueError
        If ``over`` is none of these, there is no ``related`` fit where one is needed, a fit was refused, or it takes
        wrong evaluation labels off the error, which what was measured does not.

    References
    ----------
    Roberts et al. (2017), "Cross-validation strategies for data with temporal, spatial, hierarchical, or phylogenetic
    structure", Ecography 40, for leaving out whole groups.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> here, there = fake_fit(seed=1), fake_fit(seed=2, slices=("a", "b", "c"))
    >>> found = leave_one_out(here, "project", related=there)
    >>> sorted(found["how"].values.tolist())
    ['in sample', 'left out']
    """
    _check(fit, over, related)
    ends = _ends(fit)
    if related is not None:
        outside, refits = _other_project(fit, related, ends), {PROJECT: str(related.diagnostics.verdict)}
    else:
        settings = {"draws": draws, "tune": tune, "chains": chains, "progress": progress}
        outside, refits = _rest(fit, over, ends, settings)
    falls = xr.concat([_falls(fit, ends), outside], dim=pd.Index([IN_SAMPLE, LEFT_OUT], name=HOW))
    made = _scored(fit, falls, ends)
    return made.assign_attrs(over=over, sentence=_sentence(made, over), refits=json.dumps(refits))


def _check(fit: Fit, over: str, related: Fit | None) -> None:
    for one in (fit, related):
        if one is not None and one.diagnostics.verdict == "refused":
            raise ValueError("the fit was refused: its draws mean nothing. Fix: mend it first")
    if names.EVALUATION_NOISE in fit.posterior:
        raise ValueError(
            "the fit takes wrong evaluation labels off the error, and the runs that it is scored on do not"
        )
    if over not in OVER:
        raise ValueError(f"over must be one of {', '.join(OVER)}, got {over!r}")
    if (over == PROJECT) != (related is not None):
        raise ValueError("over='project' and related=, a fit of the related project, go together")
    if related is not None:
        if any(curve_dims(one) != (names.SLICE,) for one in (fit, related)):
            raise ValueError("projects are compared with one learner and one suite each. Fix: fit the runs of one")
    elif fit.position.sizes.get(over, 1) < 2:
        fix = f"add runs of another {over}, or leave out something else"
        raise input_error(f"there is one {over}: without it nothing remains", fix, column=over)


def _ends(fit: Fit) -> xr.Dataset:
    """Where each curve begins and ends: mean labels there, and the log of the error's fall with its standard error."""
    frame = frame_of(fit.runs, SIZE)
    frame = frame[frame["plain"] & (frame[names.LABELS] > 0) & (frame["bin"] <= REACH * KNOTS_PER_DOUBLING)]
    like = fit.position[names.LABELS_NOW]
    keys = [d for d in CURVE if d in like.dims]
    bins = frame.groupby(keys)["bin"]
    place = {FIRST: frame["bin"] == bins.transform("max"), LAST: frame["bin"] == bins.transform("min")}
    several = bins.transform("max") > bins.transform("min")
    parts = {end: frame[mine & several] for end, mine in place.items()}
    found = {
        f"{column}_{end}": part.groupby(keys)[column].mean()
        for end, part in parts.items()
        for column in (names.LABELS, names.OTHER_LABELS)
    }
    found |= _measured(parts[FIRST], parts[LAST], keys)
    table = xr.Dataset({name: xr.DataArray.from_series(values) for name, values in found.items()})
    return table.reindex({d: like[d].values for d in like.dims})


def _measured(first: pd.DataFrame, last: pd.DataFrame, keys: list[str]) -> dict[str, pd.Series]:
    """Log of the last error over the first, and its standard error: by replicates where there are enough."""
    means = [part.groupby(keys)[names.ERROR].mean().clip(lower=LEAST_ERROR) for part in (first, last)]
    level = pd.Series(np.log(means[1] / means[0]))
    ends = [
        part.groupby([*keys, names.REPLICATE])[names.ERROR].mean().clip(lower=LEAST_ERROR) for part in (first, last)
    ]
    each = pd.Series(np.log(ends[1] / ends[0])).dropna().groupby(level=keys)
    scatter: pd.Series = each.std() / np.sqrt(each.size())
    parts = ((part.groupby(keys)["variance"], mean) for part, mean in zip((first, last), means, strict=True))
    sampling = sum(variance.mean() / variance.size() / mean**2 for variance, mean in parts) ** 0.5
    enough = each.size().reindex(level.index, fill_value=0) >= ENOUGH
    return {names.TRUTH: level, names.TRUTH_STDERR: scatter.reindex(level.index).where(enough, sampling)}


def _fall(made: Fit, posterior: xr.Dataset, ends: xr.Dataset) -> xr.DataArray:
    """Log of the last error over the first, in every draw, at the sizes that the runs had."""
    labels, other = (
        xr.concat([ends[f"{what}_{end}"] for end in (FIRST, LAST)], dim=SIZE).transpose(..., SIZE).fillna(1.0)
        for what in (names.LABELS, names.OTHER_LABELS)
    )
    error = error_draws(posterior, made, labels, other)
    ratio = xr.apply_ufunc(np.log, error.isel({SIZE: 1}) / error.isel({SIZE: 0}))
    return ratio.where(ends[names.TRUTH].notnull())  # noqa: PD004


def _falls(made: Fit, ends: xr.Dataset) -> xr.DataArray:
    """The same of the slices that a fit has seen."""
    here = ends.sel({names.SLICE: made.slices})
    return _fall(made, made.posterior, here).transpose(*names.SAMPLE, *curve_dims(made))


def _unseen(made: Fit, name: str, ends: xr.Dataset) -> xr.DataArray:
    """The fall of a slice that a fit has not seen, as another one of the population of those that it has."""
    own = ends.sel({names.SLICE: [name]})
    called = name if name not in {str(one) for one in made.slices} else f"{name}, unseen"
    most = float(own[f"{names.LABELS}_{LAST}"].max())
    wider = new_slice(made, called, labels_now=int(most) if most >= 1 else 1)
    at = {names.SLICE: [called]}
    return _fall(wider, wider.posterior.sel(at), own.assign_coords(at)).assign_coords({names.SLICE: [name]})


def _unknown_suite(made: Fit, name: str, ends: xr.Dataset) -> xr.DataArray:
    """The fall on a suite that a fit has not seen, as that on one of those it has, picked in every draw."""
    own = ends.sel({names.SUITE: name}, drop=True)
    if names.SUITE not in curve_dims(made):
        return _falls(made, own).expand_dims({names.SUITE: [name]})
    suites = made.position[names.SUITE].values
    everywhere = own.expand_dims({names.SUITE: suites}).transpose(*curve_dims(made))
    rng = np.random.default_rng([made.settings["random_seed"], zlib.crc32(name.encode())])
    shape = [made.posterior.sizes[d] for d in names.SAMPLE]
    pick = xr.DataArray(rng.integers(suites.size, size=shape), dims=names.SAMPLE)
    picked = _falls(made, everywhere).isel({names.SUITE: pick}).drop_vars(names.SUITE)
    return picked.expand_dims({names.SUITE: [name]})


def _other_project(fit: Fit, related: Fit, ends: xr.Dataset) -> xr.DataArray:
    found = [_unseen(related, str(name), ends) for name in fit.slices]
    return _as_many_draws(xr.concat(found, dim=names.SLICE), fit)


def _rest(fit: Fit, over: str, ends: xr.Dataset, settings: Mapping[str, Any]) -> tuple[xr.DataArray, dict[str, str]]:
    """Forecasts of each one by a fit of all the others."""
    found, refits = [], {}
    every = fit.runs[over].values.astype(str)
    for name in map(str, fit.position[over].values):
        made = fit_runs(
            fit.runs.isel({names.RUN: np.flatnonzero(every != name)}),
            fit.model,
            random_seed=fit.settings["random_seed"],
            classes=fit.settings[names.CLASSES],
            **settings,
        )
        refits[name] = str(made.diagnostics.verdict)
        fall = (_unseen if over == names.SLICE else _unknown_suite)(made, name, ends)
        found.append(_as_many_draws(fall if refits[name] != "refused" else fall * np.nan, fit))
    return xr.concat(found, dim=over), refits


def _as_many_draws(values: xr.DataArray, fit: Fit) -> xr.DataArray:
    """As many draws as the fit has, under its coordinates: the draws of two fits are not paired."""
    rest = curve_dims(fit)
    ordered = values.transpose(*names.SAMPLE, *rest)
    flat = ordered.values.reshape(-1, *ordered.shape[2:])
    shape = tuple(fit.posterior.sizes[d] for d in names.SAMPLE)
    picked = np.linspace(0, len(flat) - 1, shape[0] * shape[1]).astype(int)
    coords = {d: fit.posterior[d].values for d in names.SAMPLE} | {d: ordered[d].values for d in rest}
    return xr.DataArray(flat[picked].reshape(*shape, *flat.shape[1:]), dims=(*names.SAMPLE, *rest), coords=coords)


def _scored(fit: Fit, falls: xr.DataArray, ends: xr.Dataset) -> xr.Dataset:
    """Scores of shares of the error that are gone; what was measured has noise of its own, the same for both."""
    curve = curve_dims(fit)
    falls = falls.transpose(HOW, *curve, *names.SAMPLE)
    level, stderr = (ends[name].transpose(*curve).values for name in (names.TRUTH, names.TRUTH_STDERR))
    noise = np.random.default_rng([fit.settings["random_seed"], 17]).standard_normal(falls.shape[1:])
    shown = _gone(falls.values + stderr[..., None, None] * noise)
    truth = np.broadcast_to(_gone(level), falls.shape[:-2])
    rows = score_rows(shown.reshape(truth.size, 1, -1), truth.reshape(-1, 1), np.zeros(truth.size))
    known = np.isfinite(shown).all(axis=(-2, -1)) & np.isfinite(truth)
    dims = (HOW, *curve)
    made = {name: (dims, np.where(known, rows[name].reshape(truth.shape), np.nan)) for name in SCORES}
    share = falls.copy(data=_gone(falls.values))
    point = share.mean(names.SAMPLE)
    found = xr.Dataset(made, coords={d: falls[d] for d in dims}).assign({names.POINT: point, names.BIAS: point - truth})
    found[FALL] = share.transpose(HOW, *names.SAMPLE, *curve)
    found[names.TRUTH], found[names.TRUTH_STDERR] = (curve, truth[0]), (curve, (1.0 - truth[0]) * stderr)
    return found


def _gone(fall: np.ndarray) -> np.ndarray:
    """Share of the error that is gone; a rise counts up to twice the error, or one wild draw would be the mean."""
    return 1.0 - np.exp(np.minimum(fall, np.log(2.0)))


def _sentence(made: xr.Dataset, over: str) -> str:
    def said(how: str) -> str:
        own = made.sel({HOW: how})
        held, count = (float(values.sum()) for values in (own[names.COVERS_90], np.isfinite(own[names.COVERS_90])))
        return f"{how}, 90 % intervals held {held:.0f} of {count:.0f} falls, CRPS {float(own[names.CRPS].mean()):.2g}"

    whom = "all slices of another project" if over == PROJECT else f"the other {over}s"
    return f"What {whom} lead to expect: {said(LEFT_OUT)}; {said(IN_SAMPLE)}."
