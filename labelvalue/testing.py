"""Runs and fits without training or sampling: for tests of one's own code and for trying the API.

The runs are simulated from curves with known parameters (:func:`fake_truth`); the fit holds draws scattered around
those parameters, not a posterior.
"""

import dataclasses
import functools
import zlib

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.forecast.backtesting.backtesting import SAMPLES, Forecast, score
from labelvalue.forecast.backtesting.holdout import Origin
from labelvalue.model.curve.families import log_effective_labels
from labelvalue.model.curve.observations import CURVE, crossed_dims, observe
from labelvalue.model.fitting.data_checks import BETWEEN
from labelvalue.model.fitting.fitting import assemble
from labelvalue.model.fitting.result import Fit
from labelvalue.model.hierarchy.specification import get_model
from labelvalue.model.prior.priors import draw_prior, suited
from labelvalue.model.sampling.diagnostics import Diagnostics, figures_of
from labelvalue.model.sampling.sampling import SamplerSettings
from labelvalue.observe.exports.annotations import settled
from labelvalue.observe.exports.judgements import CHOICE
from labelvalue.observe.table.runs import read_runs

SLICES = ("east", "north", "south", "west")


def fake_truth(
    seed: int = 0, *, slices: tuple[str, ...] = SLICES, learners: tuple[str, ...] = ("default",)
) -> xr.Dataset:
    """Draw the parameters that :func:`fake_runs` simulates from.

    Parameters
    ----------
    seed : int
        Seed.
    slices : tuple of str
        Names of the slices.
    learners : tuple of str
        Names of the learners.

    Returns
    -------
    xarray.Dataset, dims slice and learner
        ``error_reference``, ``curve_elasticity``, ``floor_share``, ``training_sd`` and scalar ``transfer``; the
        reference is the largest size.

    Examples
    --------
    >>> fake_truth(seed=1)["curve_elasticity"].dims
    ('slice', 'learner')
    """
    rng = np.random.default_rng([seed, 1])
    shape = (len(slices), len(learners))
    dims = (names.SLICE, names.LEARNER)
    return xr.Dataset(
        {
            names.ERROR_REFERENCE: (dims, np.exp(rng.normal(-1.8, 0.4, shape))),
            names.CURVE_ELASTICITY: (dims, np.exp(rng.normal(-1.5, 0.3, shape))),
            names.FLOOR_SHARE: (dims, rng.uniform(0.2, 0.6, shape)),
            names.TRAINING_SD: (dims, np.exp(rng.normal(-3.3, 0.3, shape))),
            names.TRANSFER: 0.1,
        },
        coords={names.SLICE: list(slices), names.LEARNER: list(learners)},
    )


def fake_runs(
    seed: int = 0,
    *,
    slices: tuple[str, ...] = SLICES,
    learners: tuple[str, ...] = ("default",),
    sizes: tuple[int, ...] = (125, 250, 500, 1000, 2000, 4000, 8000),
    replicates: int = 4,
    trials: int = 2000,
) -> xr.Dataset:
    """Simulate a runs table from known curves, with evaluation and training noise.

    Parameters
    ----------
    seed : int
        Seed.
    slices : tuple of str
        Names of the slices.
    learners : tuple of str
        Names of the learners.
    sizes : tuple of int
        Labels of all slices together in a training set; how they fall on slices varies between replicates.
    replicates : int
        Training sets of each size.
    trials : int
        Size of each run's evaluation set.

    Returns
    -------
    xarray.Dataset
        Runs table with dim run, as :func:`labelvalue.read_runs` returns it.

    Examples
    --------
    >>> fake_runs(seed=1).sizes["run"]
    112
    """
    truth = fake_truth(seed, slices=slices, learners=learners)
    curve = get_model("power_law").curve
    rng = np.random.default_rng([seed, 2])
    rows = []
    largest = max(sizes)
    for replicate in range(replicates):
        weights = rng.dirichlet(np.full(len(slices), 6.0))
        for size in sizes:
            labels = np.maximum(np.round(size * weights).astype(int), 1)
            for i, name in enumerate(slices):
                own, other = int(labels[i]), int(labels.sum() - labels[i])
                for learner in learners:
                    at = truth.sel({names.SLICE: name, names.LEARNER: learner})
                    share = largest / len(slices)
                    worth = float(at[names.TRANSFER])
                    ratio = log_effective_labels(own, other, worth) - log_effective_labels(
                        share, largest - share, worth
                    )
                    shape = curve(ratio, {str(parameter): float(value) for parameter, value in at.items()})
                    noise = float(at[names.TRAINING_SD]) * np.sqrt(largest / size) * rng.normal()
                    error = float(at[names.ERROR_REFERENCE]) * np.exp(shape + noise)
                    wrong = rng.binomial(trials, min(error, 0.95))
                    rows.append((name, own, other, wrong, trials, replicate, learner))
    columns = (
        names.SLICE, names.LABELS, names.OTHER_LABELS, names.ERRORS, names.TRIALS, names.REPLICATE, names.LEARNER,
    )  # fmt: skip
    return read_runs(pd.DataFrame(rows, columns=list(columns)))


def fake_fit(
    seed: int = 0,
    *,
    slices: tuple[str, ...] = SLICES,
    learners: tuple[str, ...] = ("default",),
    chains: int = 4,
    draws: int = 250,
    verdict: str = "ok",
) -> Fit:
    """Make a fit without sampling: draws scattered around the truth that the runs were simulated from.

    Parameters
    ----------
    seed : int
        Seed.
    slices : tuple of str
        Names of the slices.
    learners : tuple of str
        Names of the learners.
    chains, draws : int
        Size of the pretended posterior.
    verdict : {"ok", "flagged", "refused"}
        Verdict that the fit shall carry.

    Returns
    -------
    Fit
        With everything a real one has.

    Examples
    --------
    >>> fake_fit(seed=1, learners=("a", "b")).posterior["impact"].dims
    ('chain', 'draw', 'slice', 'learner')
    """
    made = _fit(seed, tuple(slices), tuple(learners), chains, draws, verdict)
    return dataclasses.replace(made, tree=made.tree.copy(deep=True))


@functools.lru_cache(maxsize=16)  # tests and examples ask for the same few again and again
def _fit(seed: int, slices: tuple[str, ...], learners: tuple[str, ...], chains: int, draws: int, verdict: str) -> Fit:
    runs = fake_runs(seed, slices=slices, learners=learners)
    observations = observe(runs)
    model = get_model("power_law")
    model = dataclasses.replace(model, priors=suited(model.priors, len(slices), len(learners)))
    truth = fake_truth(seed, slices=slices, learners=learners)
    posterior = _scattered(truth, observations, seed, chains, draws)
    unused = (names.EFFICIENCY, names.NOISE_COST, names.DIVERSITY_POWER)
    for name, prior in model.priors.items():
        if name.startswith(unused):
            continue
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        called = [f"{name}_{dim}s" for dim in crossed_dims(observations)] if name == BETWEEN else [name]
        for one in called:
            posterior[one] = names.SAMPLE, draw_prior(prior, chains * draws, rng).reshape(chains, draws)
    now = observations[names.LABELS].where(observations["used"] > 0).max(("knot", "slot"))
    rng = np.random.default_rng([seed, 4])
    stats = xr.Dataset(
        {
            "diverging": (names.SAMPLE, np.zeros((chains, draws), dtype=bool)),
            "energy": (names.SAMPLE, rng.normal(size=(chains, draws))),
        }
    )
    made = assemble(
        runs, observations, now.rename(None), posterior, stats, model, Diagnostics("ok", (), {}), SamplerSettings(), []
    )
    reasons = () if verdict == "ok" else ("a verdict given by hand, for tests",)
    attempt = {"remedy": "first attempt", "verdict": verdict, "reasons": list(reasons), "random_seed": seed}
    diagnostics = Diagnostics(
        verdict,  # type: ignore[arg-type]
        reasons,
        figures_of(made.tree),
        attempts=(attempt,),
        flags={name: () for name in sorted(slices)},
    )
    return Fit(tree=made.tree, model=made.model, diagnostics=diagnostics)


def fake_annotation_truth(
    seed: int = 0,
    *,
    slices: tuple[str, ...] = SLICES,
    annotators: int = 8,
    classes: int = 3,
    ability: float = 1.8,
    spread: float = 0.6,
) -> xr.Dataset:
    """Draw the annotators that :func:`fake_annotations` simulates.

    Parameters
    ----------
    seed : int
        Seed.
    slices : tuple of str
        Names of the slices.
    annotators, classes : int
        How many.
    ability : float
        Logit of the typical annotator's probability of being right.
    spread : float
        How much annotators differ in it; slices and classes differ half as much.

    Returns
    -------
    xarray.Dataset
        ``confusion`` (slice, annotator, true_class, given_class), ``prevalence`` (slice, true_class),
        ``annotator_noise`` (annotator; over slices and classes alike) and ``label_noise`` (slice; over annotators
        alike).

    Examples
    --------
    >>> fake_annotation_truth(seed=1)["label_noise"].dims
    ('slice',)
    """
    rng = np.random.default_rng([seed, 11])
    own = rng.normal(ability, spread, annotators)
    leaning = 0.5 * spread * rng.normal(size=(annotators, classes))
    of_slice = 0.5 * spread * rng.normal(size=len(slices))
    logit = own[:, None] + leaning + of_slice[:, None, None]
    right = 1.0 / (1.0 + np.exp(-logit))
    shares = rng.dirichlet(np.full(max(classes - 1, 1), 4.0), size=(annotators, classes))
    confusion = np.zeros((len(slices), annotators, classes, classes))
    for k in range(classes):
        confusion[..., k, k] = right[..., k]
        others = [c for c in range(classes) if c != k]
        confusion[..., k, others] = (1.0 - right[..., k])[..., None] * shares[None, :, k]
    prevalence = rng.dirichlet(np.full(classes, 5.0), size=len(slices))
    dims = (names.SLICE, names.ANNOTATOR, names.TRUE_CLASS, names.GIVEN_CLASS)
    made = xr.Dataset(
        {names.CONFUSION: (dims, confusion), names.PREVALENCE: ((names.SLICE, names.TRUE_CLASS), prevalence)},
        coords={
            names.SLICE: list(slices),
            names.ANNOTATOR: [f"annotator {i:03d}" for i in range(annotators)],
            names.TRUE_CLASS: [f"class {k:02d}" for k in range(classes)],
            names.GIVEN_CLASS: [f"class {k:02d}" for k in range(classes)],
        },
    )
    wrong = (made[names.PREVALENCE] * (1.0 - xr.DataArray(right, dims=dims[:3]))).sum(names.TRUE_CLASS)
    return made.assign({names.ANNOTATOR_NOISE: wrong.mean(names.SLICE), names.LABEL_NOISE: wrong.mean(names.ANNOTATOR)})


def fake_annotations(
    seed: int = 0, *, truth: xr.Dataset | None = None, items: int = 400, votes: int = 3, references: int = 0
) -> pd.DataFrame:
    """Simulate an annotation campaign with known annotators.

    Parameters
    ----------
    seed : int
        Seed.
    truth : xarray.Dataset, optional
        From :func:`fake_annotation_truth`; that of the seed by default.
    items : int
        Items a slice.
    votes : int
        Annotators an item, drawn anew for each.
    references : int
        Items a slice whose class is known.

    Returns
    -------
    pandas.DataFrame
        Annotations table; its attribute ``truth`` maps items to true classes. Annotators are log-normally fast.

    Examples
    --------
    >>> len(fake_annotations(seed=1, items=10, votes=2))
    80
    """
    truth = fake_annotation_truth(seed) if truth is None else truth
    rng = np.random.default_rng([seed, 12])
    slices, people = truth[names.SLICE].values, truth[names.ANNOTATOR].values
    classes = truth[names.TRUE_CLASS].values
    pace = np.exp(rng.normal(2.0, 0.3, people.size))
    start = pd.Timestamp("2026-03-02T08:00:00Z")
    rows, known = [], {}
    for place, name in enumerate(slices):
        shares = truth[names.PREVALENCE].values[place]
        for number in range(items):
            item, actual = f"{name} {number:05d}", int(rng.choice(classes.size, p=shares))
            known[item] = str(classes[actual])
            if number < references:
                rows.append((item, name, "", classes[actual], np.nan, start, True))
            for who in rng.choice(people.size, size=min(votes, people.size), replace=False):
                given = rng.choice(classes.size, p=truth[names.CONFUSION].values[place, who, actual])
                day = start + pd.Timedelta(days=int(rng.integers(10)), hours=float(rng.uniform(0, 6)))
                seconds = pace[who] * np.exp(rng.normal(0.0, 0.5))
                rows.append((item, name, people[who], classes[given], seconds, day, False))
    columns = (names.ITEM, names.SLICE, names.ANNOTATOR, names.LABEL, names.SECONDS, names.TIME, names.REFERENCE)
    table = pd.DataFrame(rows, columns=list(columns))
    table[names.SOURCE_ID] = [str(i) for i in range(len(table))]
    table[names.KIND] = CHOICE
    table = settled(table, batch="simulated")
    table.attrs[names.TRUTH] = known
    return table


def fake_backtest(
    seed: int = 0,
    *,
    slices: tuple[str, ...] = SLICES,
    learners: tuple[str, ...] = ("default",),
    by: str = "size",
    shift: float = 0.0,
    verdict: str = "ok",
) -> xr.Dataset:
    """Make a backtest without sampling: calibrated forecasts of what :func:`fake_runs` shows.

    Parameters
    ----------
    seed : int
        Seed; the runs are those of ``fake_runs(seed)``, as in ``fake_fit(seed)``.
    slices : tuple of str
        Names of the slices.
    learners : tuple of str
        Names of the learners.
    by : {"size", "batch"}
        What is held out; for ``"batch"`` every size of the runs is a batch of its own.
    shift : float
        Put into every forecast of log error, so that it misses (0.05 is its standard deviation).
    verdict : {"ok", "flagged"}
        Verdict of every pretended re-fit.

    Returns
    -------
    xarray.Dataset
        As :func:`labelvalue.backtest` returns it.

    Examples
    --------
    >>> fake_backtest(seed=1)["crps"].dims
    ('forecaster', 'origin', 'slice', 'distance')
    """
    return _backtest(seed, tuple(slices), tuple(learners), by, shift, verdict).copy(deep=True)


@functools.lru_cache(maxsize=16)
def _backtest(
    seed: int, slices: tuple[str, ...], learners: tuple[str, ...], by: str, shift: float, verdict: str
) -> xr.Dataset:
    runs = fake_runs(seed, slices=slices, learners=learners)
    if by == names.BATCH:
        total = (runs[names.LABELS] + runs[names.OTHER_LABELS]).values
        batch = np.array([f"{np.round(np.log2(n)):02.0f}" for n in total], dtype=object)
        runs = runs.assign({names.BATCH: (names.RUN, batch)})
    rng = np.random.default_rng([seed, 5])

    def forecaster(origin: Origin, cells: pd.DataFrame) -> Forecast:
        truth = cells[names.TRUTH].to_numpy()[:, None]
        noise = 0.05 * (rng.standard_normal(truth.shape) + rng.standard_normal((len(truth), SAMPLES)))
        reasons = () if verdict == "ok" else ("a verdict given by hand, for tests",)
        return Forecast(truth * np.exp(shift + noise), verdict, reasons)

    return score(runs, forecaster, by=by, holdout=(1, 2, 3), random_seed=seed, settings={"model": "power_law"})


def _scattered(truth: xr.Dataset, observations: xr.Dataset, seed: int, chains: int, draws: int) -> xr.Dataset:
    """Draws around the truth, dims chain, draw, curve."""
    rng = np.random.default_rng([seed, 3])
    curves = observations.sizes[CURVE]
    where = {
        names.SLICE: xr.DataArray(observations[names.SLICE].values.astype(str), dims=CURVE),
        names.LEARNER: xr.DataArray(observations[names.LEARNER].values.astype(str), dims=CURVE),
    }
    at = truth.sel(where).drop_vars([names.SLICE, names.LEARNER])
    widths = {names.ERROR_REFERENCE: 0.03, names.CURVE_ELASTICITY: 0.2, names.TRAINING_SD: 0.2, names.FLOOR_SHARE: 0.1}
    dims = (names.CHAIN, names.DRAW, CURVE)
    out = xr.Dataset(
        {
            name: at[name] * xr.DataArray(np.exp(rng.normal(0.0, sd, (chains, draws, curves))), dims=dims)
            for name, sd in widths.items()
        }
    )
    out[names.FLOOR_SHARE] = out[names.FLOOR_SHARE].clip(0.01, 0.95)
    out[names.DISCREPANCY] = dims, np.exp(rng.normal(-3.5, 0.3, (chains, draws, curves)))
    out[names.TRANSFER] = dims, float(truth[names.TRANSFER]) + rng.normal(0.0, 0.03, (chains, draws, curves))
    ordered = out.transpose(*dims)
    return ordered.assign_coords({names.CHAIN: np.arange(chains), names.DRAW: np.arange(draws)})
