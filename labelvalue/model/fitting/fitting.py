"""Fitting: runs in, a complete and judged :class:`~labelvalue.model.fitting.result.Fit` out."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import types
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.families import set_evaluation_noise, useless_share
from labelvalue.model.curve.observations import CURVE, discounted, observe
from labelvalue.model.curve.posterior import at_now, by_slice
from labelvalue.model.fitting import data_checks
from labelvalue.model.fitting.derived import blend
from labelvalue.model.fitting.result import POSITION, Fit, fit_bytes, luck_of_items, noted
from labelvalue.model.hierarchy.specification import JOIN, Model, get_model, model_source
from labelvalue.model.prior.priors import Prior, suited
from labelvalue.model.sampling import sampling
from labelvalue.model.sampling.chains import ChainFolder
from labelvalue.model.sampling.diagnostics import Diagnostics, SamplerSettings, flagged
from labelvalue.numerals import MAX_COUNT
from labelvalue.printing import doing, told
from labelvalue.problems import did_you_mean, quote
from labelvalue.reading import WHOLE_LIMIT
from labelvalue.settings import is_number, is_whole

ASKED = "asked"  # in a fit's settings: arguments of :func:`fit` that are seen nowhere else in it, in plain values
LIBRARIES = ("labelvalue", "pymc", "pytensor", "nutpie", "numpy", "arviz-stats", "xarray")


def fit(
    runs: xr.Dataset,
    model: str | Model = "power_law",
    *,
    priors: Mapping[str, Prior] | None = None,
    labels_now: Mapping[str, int] | None = None,
    classes: int = 2,
    evaluation_noise: float | Prior | Mapping[str, float | Prior] | None = None,
    discount: Mapping[str, float] | None = None,
    random_seed: int = 0,
    draws: int = 1000,
    tune: int = 300,
    chains: int = 4,
    progress: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Fit:
    """Fit a learning-curve model to runs.

    Parameters
    ----------
    runs : xarray.Dataset
        Runs table with dim ``run``, from :func:`labelvalue.read_runs` or :func:`labelvalue.simulate_runs`. Several
        learners or suites are dims of the fit; strategies get an efficiency against random; ``label_noise`` of
        training sets costs effective labels.
    model : str or Model
        Name of an installed model, or the object; ``"power_law+exponential"`` fits both and blends the fits by
        stacking (:func:`labelvalue.diagnostics.blend`), in which case ``priors`` are those that all share.
    priors : mapping of str to Prior, optional
        Priors that replace the model's, by name.
    labels_now : mapping of str to int, optional
        Current labels of slices (≥ 0), where they are neither those that the runs name in ``labels_now``, as those of
        :func:`labelvalue.simulate_runs` do, nor the largest observed.
    classes : int
        Number of classes that labels tell apart, ≥ 2; matters only where labels are noisy.
    evaluation_noise : float, Prior, mapping of str to either, optional
        Share of wrong labels in the evaluation sets, for all slices or by slice; a ``logitnormal`` prior where it is
        not known exactly. All errors of the fit are then those against true labels.
    discount : mapping of str to float, optional
        Share of their likelihood that the runs of a batch count for, above 0 and at most 1 (a power prior); by the
        text in column ``batch``. For old data that no longer tell all of today's; those not named count in full.
    random_seed : int
        Seed of everything random, here and in forecasts from the fit.
    draws : int
        Posterior draws a chain, ≥ 100. Where R-hat or effective sample size fall short, the chains go on, up to four
        times as many are kept.
    tune : int
        Adaptation draws a chain, ≥ 100; more are made where the chains have not found to each other.
    chains : int
        Chains, ≥ 2.
    progress : bool
        Whether to say on stderr what is being done.
    checkpoint : path, optional
        Folder in which finished draws are kept. A fit that is stopped, by whatever, goes on from there when it is asked
        for again, to the same draws; those of other runs, priors, models, settings or versions are not looked at. A
        model that cannot be whitened by curve begins anew.

    Returns
    -------
    Fit
        With verdict ``ok``, ``flagged`` or ``refused`` in ``.diagnostics``: by convergence, and by whether the model
        fits. Whether forecasts come true is not looked at; :func:`labelvalue.backtest` and
        :func:`labelvalue.diagnostics.attach_backtest` do that, and may flag the fit.

    Raises
    ------
    ValueError
        If a name is unknown, a number is out of range, or labels are so noisy that they carry no information.
    TypeError
        If ``runs`` is not a runs table.
    StorageError
        If there can be no folder where ``checkpoint`` says.

    References
    ----------
    Viering and Loog (2022), "The shape of learning curves: a review", IEEE TPAMI; Ibrahim and Chen (2000), "Power prior
    distributions for regression models", Statistical Science 15, for the discount.

    Examples
    --------
    >>> import labelvalue as lv
    >>> fit = lv.fit(lv.testing.fake_runs(seed=1), random_seed=1)  # doctest: +SKIP
    """
    _check_runs(runs)
    if JOIN in (chosen := get_model(model)).name:
        of_all: dict[str, Any] = {names.LABELS_NOW: labels_now, names.CLASSES: classes, "discount": discount}
        of_all |= {names.EVALUATION_NOISE: evaluation_noise, "random_seed": random_seed}
        of_all |= {"draws": draws, "tune": tune, "chains": chains}
        return _blended(runs, chosen, priors or {}, progress=progress, checkpoint=checkpoint, **of_all)
    kept = None if checkpoint is None else ChainFolder(Path(checkpoint), functools.partial(told, show=progress))
    runs = discounted(runs, discount or {})
    settings = _settings(draws, tune, chains, random_seed)
    observations = observe(runs, _classes(classes, runs))
    several = [len(set(observations[key].values)) for key in (names.SLICE, names.LEARNER)]
    chosen = dataclasses.replace(chosen, priors=suited(chosen.priors, *several).replace(priors or {}))
    observations = set_evaluation_noise(observations, evaluation_noise)
    now = _labels_now(labels_now, observations, _recorded(runs))
    room = f"about {fit_bytes(runs, settings.draws * settings.chains) / 1024**3:.1f} GB"
    counted = f"{runs.sizes[names.RUN]} runs, {observations.sizes[CURVE]} curves"
    doing(f"fitting {chosen.name}: {counted}, {room}; compiling", show=progress)
    built = chosen.build(observations, chosen.priors)
    doing(f"sampling {chains} chains of {tune} + {draws} draws", show=progress)
    compiled = sampling.compile_model(built)
    tree, diagnostics = sampling.sample(compiled, settings, progress=progress, checkpoint=kept)
    posterior = tree["posterior"].to_dataset()
    posterior = posterior[[v for v in posterior.data_vars if not str(v).endswith(names.INNER)]]
    flags = data_checks.flag_curves(chosen, posterior, observations, random_seed)
    notes = _notes(runs, observations)
    diagnostics = dataclasses.replace(diagnostics, flags=data_checks.flags_by_slice(flags, observations))
    judged = _judge_flags(diagnostics, flags, data_checks.misfit_reason(flags, observations))
    doing(f"verdict: {judged.verdict}", still="judging what came", show=progress)
    stats = tree["sample_stats"].to_dataset()
    asked = {
        names.LABELS_NOW: None if labels_now is None else {name: int(count) for name, count in labels_now.items()},
        names.EVALUATION_NOISE: _plain(evaluation_noise),
        **{name: getattr(settings, name) for name in ("draws", "tune", "chains")},
    }
    return assemble(runs, observations, now, posterior, stats, chosen, judged, settings, notes, asked)


def _blended(runs: xr.Dataset, model: Model, priors: Mapping[str, Prior], **asked: Any) -> Fit:
    """Fit every model of a blend; where one fit is refused, that one is what came."""
    several = [len(set(runs[key].values.astype(str))) for key in (names.SLICE, names.LEARNER)]
    shared = suited(model.priors, *several).replace(priors)
    fits: dict[str, Fit] = {}
    for name in model.name.split(JOIN):
        fits[name] = fit(runs, name, priors=shared, **asked)
        if fits[name].diagnostics.verdict == "refused":
            return noted(fits[name], f"of the blend {model.name} this model was refused; the others are not shown")
    made = blend(fits)
    return dataclasses.replace(made, model=dataclasses.replace(model, priors=shared))


def _plain(value: object) -> object:
    """Numbers and priors as JSON has them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    return dataclasses.asdict(value) if isinstance(value, Prior) else value if value is None else float(value)  # type: ignore[arg-type]


def _settings(draws: int, tune: int, chains: int, random_seed: int) -> SamplerSettings:
    for name, value, least, most in (
        ("draws", draws, 100, 10**6),
        ("tune", tune, 100, 10**6),
        ("chains", chains, 2, 1000),
        ("random_seed", random_seed, 0, WHOLE_LIMIT - 1),
    ):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise TypeError(f"{name} must be a whole number, got {value!r}")
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
        if value > most:
            raise ValueError(f"{name} must be at most {most}, got {quote(value)}")
    return SamplerSettings(draws=int(draws), tune=int(tune), chains=int(chains), random_seed=int(random_seed))


def _check_runs(runs: xr.Dataset) -> None:
    if not isinstance(runs, xr.Dataset) or names.RUN not in runs.dims:
        raise TypeError(
            f"runs must be a runs table (xarray.Dataset with dim 'run'), got {type(runs).__name__}; "
            "make one with labelvalue.read_runs or labelvalue.simulate_runs"
        )


def _classes(classes: int, runs: xr.Dataset) -> int:
    if not is_whole(classes, 2):
        raise ValueError(f"classes must be a whole number ≥ 2, got {classes!r}")
    worst = float(runs[names.LABEL_NOISE].fillna(0.0).max())
    if worst >= useless_share(classes):
        raise ValueError(
            f"label_noise {worst:g}: with {classes} classes, labels carry no information from "
            f"{useless_share(classes):g} on. Fix: give the number of classes, such as fit(runs, classes=10)"
        )
    return int(classes)


def _recorded(runs: xr.Dataset) -> dict[str, int]:
    """Labels that there are of each slice, by what the runs say; without the slices of which they say nothing."""
    if names.LABELS_NOW not in runs:
        return {}
    most = runs[[names.SLICE, names.LABELS_NOW]].to_dataframe().groupby(names.SLICE)[names.LABELS_NOW].max()
    return {str(name): int(count) for name, count in most.items() if count > 0}


def _labels_now(
    given: Mapping[str, int] | None, observations: xr.Dataset, recorded: Mapping[str, int] = types.MappingProxyType({})
) -> xr.DataArray:
    """Current labels by curve: those of its slice that are recorded, or that a learner saw at most."""
    slices = observations[names.SLICE].values
    now = _largest(observations).groupby(slices).transform("max").to_numpy(copy=True)
    now = np.maximum(now, [recorded.get(str(name), 0) for name in slices])
    for name, labels in (given or {}).items():
        if name not in set(slices):
            raise ValueError(f"labels_now: unknown slice {name!r}{did_you_mean(str(name), set(slices))}")
        if not is_number(labels) or not float(labels).is_integer() or not 0 <= labels <= MAX_COUNT:
            why = f"must be a whole number ≥ 0, at most {MAX_COUNT:,}, got {quote(labels)}"
            raise ValueError(f"labels_now of slice {name!r} {why}")
        now[slices == name] = float(labels)
    return xr.DataArray(now, dims=CURVE)


def _largest(observations: xr.Dataset) -> pd.Series:
    """Largest labels observed by curve; 0 where there is none."""
    observed = observations[names.LABELS].where(observations["used"] > 0)
    return pd.Series(observed.max(("knot", "slot")).fillna(0.0).values)


def _other_labels_now(observations: xr.Dataset, now: xr.DataArray, recorded: Mapping[str, int]) -> xr.DataArray:
    """Other slices' labels by curve that go with its labels now: all, or those of its largest runs; none if apart."""
    slices = observations[names.SLICE].values
    most = _largest(observations).groupby(slices).transform("idxmax")
    beside = observations[names.REFERENCE_OTHER_LABELS].values[most]
    if {*slices.astype(str)} <= {*recorded}:
        total = pd.Series(now.values).groupby(slices).max().sum()
        beside = np.where(beside > 0, total - now.values, 0.0)
    return xr.DataArray(beside, dims=CURVE)


def _judge_flags(diagnostics: Diagnostics, flags: Sequence[tuple[str, ...]], misfit: str = "") -> Diagnostics:
    """Slices that do not fit, more than by chance, are a reason; so is a flag of every curve, whatever its slice."""
    if misfit:
        diagnostics = flagged(diagnostics, misfit)
    for flag in (names.MOSTLY_ASSUMPTION, names.BORROWED):
        if flags and all(flag in f for f in flags):
            diagnostics = flagged(diagnostics, f"every slice is flagged: {flag}")
    return diagnostics


def _notes(runs: xr.Dataset, observations: xr.Dataset) -> list[str]:
    notes = runs.attrs.get(names.NOTES, "").splitlines()
    if observations.sizes[CURVE] == 1:
        notes.append("no pooling possible: there is one curve, so the group level is the prior's")
    return [
        *notes,
        *filter(None, [data_checks.composition_note(observations), data_checks.strategy_note(observations)]),
    ]


def assemble(
    runs: xr.Dataset,
    observations: xr.Dataset,
    now: xr.DataArray,
    posterior: xr.Dataset,
    stats: xr.Dataset,
    model: Model,
    diagnostics: Diagnostics,
    settings: SamplerSettings,
    notes: list[str],
    asked: Mapping[str, object] | None = None,
) -> Fit:
    """Put a fit together from its parts; the one place where a :class:`Fit` is made from draws.

    Shapes: ``now`` (curve).
    """
    used = observations["used"] > 0
    one_run = (observations["sampling_variance"] * observations["runs"]).where(used).isel(knot=0).mean("slot")
    usual = float(one_run.mean()) if bool(np.isfinite(one_run).any()) else 0.01
    last = diagnostics.attempts[-1] if diagnostics.attempts else {}
    plainly = last.get("coordinates") == sampling.PLAIN
    position = observations[[names.REFERENCE_LABELS, names.REFERENCE_OTHER_LABELS, names.SIZES]].assign(
        {
            names.LABELS_NOW: now,
            names.OTHER_LABELS_NOW: _other_labels_now(observations, now, _recorded(runs)),
            names.ONE_RUN_VARIANCE: one_run.fillna(usual),
            names.ITEMS_VARIANCE: observations[names.ITEMS_VARIANCE],
            names.SHARED: 1.0 - observations["set_weight"].where(used).min(("knot", "slot")).fillna(1.0),
        }
    )
    position = by_slice(position, observations)
    named = by_slice(posterior, observations)
    created = {
        "sampler": "nutpie" if plainly else f"Hamiltonian Monte Carlo, {sampling.WHITENED}",
        "random_seed": settings.random_seed,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in LIBRARIES},
        "model_source": model_source(model),
        "runs_sha256": runs_digest(runs),
        "source": runs.attrs.get(names.SOURCE, ""),
        "metric": runs.attrs.get(names.METRIC, ""),
        "upper": str(runs.attrs.get(names.UPPER, 1.0)),
        "learners": list(dict.fromkeys(observations[names.LEARNER].values.astype(str).tolist())),
        "suites": list(dict.fromkeys(observations[names.SUITE].values.astype(str).tolist())),
        names.STRATEGIES: observations.attrs[names.STRATEGIES],
        names.CLASSES: observations.attrs[names.CLASSES],
        "notes": notes,
        ASKED: dict(asked or {}),
    }
    named.attrs = {}
    tree = xr.DataTree.from_dict({names.POSTERIOR: named, "sample_stats": stats, POSITION: position, names.RUNS: runs})
    tree.attrs = {"settings": json.dumps(created)}
    made = Fit(tree=tree, model=model, diagnostics=diagnostics)
    if bool((position[names.ITEMS_VARIANCE] > 0).any()):
        luck = luck_of_items(named, position, made.walks, float(observations["typical_error"]))
        named = named.assign({names.LUCK: luck})
    tree[names.POSTERIOR] = xr.DataTree(named.assign(at_now(named, position, model, made.walks).data_vars))
    return made


def runs_digest(runs: xr.Dataset) -> str:
    """Digest of the content of a runs table, whatever file it came from."""
    text = runs.to_dataframe().to_csv(index=False)
    return hashlib.sha256(text.encode()).hexdigest()


LEFT_OUT = 1e-6  # share of their likelihood that runs which are left out count for: of their slice all else stays known


def fit_again(
    made: Fit,
    *,
    counts: np.ndarray | None = None,
    priors: Mapping[str, Prior] | None = None,
    most_draws: int | None = None,
) -> Fit:
    """Fit the runs of a fit once more, each counting as ``counts`` (run,) says, with all else as it was asked for."""
    runs = made.runs
    if counts is not None:
        before = runs[names.WEIGHT].values if names.WEIGHT in runs else 1.0
        runs = runs.assign({names.WEIGHT: (names.RUN, before * np.asarray(counts))})
    known = made.settings
    asked: dict[str, Any] = {k: _with_priors(value) for k, value in known.get(ASKED, {}).items() if value is not None}
    if most_draws is not None and "draws" in asked:
        asked["draws"] = min(asked["draws"], most_draws)
    seed, classes = known["random_seed"], known[names.CLASSES]
    return fit(runs, made.model, priors=priors, classes=classes, random_seed=seed, progress=False, **asked)


def _with_priors(value: Any) -> Any:
    """A setting as it was asked for: priors out of their plain values."""
    if not isinstance(value, Mapping):
        return value
    return Prior(**value) if "distribution" in value else {key: _with_priors(one) for key, one in value.items()}
