"""Rules by which the closed loop buys its next labels: ours, and what a team would do instead."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

import labelvalue as lv
from labelvalue import names
from labelvalue.model import get_model
from labelvalue.model.diagnostics import Diagnostics
from labelvalue.model.fitting import assemble
from labelvalue.model.observations import observe
from labelvalue.model.ragged import in_a_row
from labelvalue.model.sampling import compile_model, sample_once
from labelvalue.model.settings import SamplerSettings

FEW_DRAWS = SamplerSettings(draws=300, tune=300, chains=2, target_accept=0.9)
"""Enough for a plan of one round, a fraction of what a published fit takes."""
STEEPEST = 1.5


@dataclass(frozen=True, eq=False)
class State:
    """What a rule may look at.

    Attributes
    ----------
    slices : list of str
        Names.
    counts : array of int, shape (slice,)
        Labels at hand.
    available : array of int, shape (slice,)
        Rows that could still be labelled.
    batch : int
        Labels to buy.
    runs : callable
        Makes the runs table of the labels at hand: trainings on subsets, evaluated on the validation rows.
    seed : int
        Of everything random.
    """

    slices: list[str]
    counts: np.ndarray
    available: np.ndarray
    batch: int
    runs: Callable[[], pd.DataFrame]
    seed: int


def spread(wanted: np.ndarray, available: np.ndarray, batch: int) -> np.ndarray:
    """Whole labels near what is wanted, no more than there are, summing to the batch where they can."""
    bought = np.minimum(np.floor(wanted + 1e-9).astype(int), available)
    while bought.sum() < min(batch, available.sum()):
        short = np.where(bought < available, wanted - bought, -np.inf)
        bought[int(short.argmax())] += 1
    return bought


def uniform(state: State) -> np.ndarray:
    """As many for every slice."""
    return spread(np.full(len(state.slices), state.batch / len(state.slices)), state.available, state.batch)


def proportional(state: State) -> np.ndarray:
    """In proportion to the labels at hand."""
    return spread(state.batch * state.counts / state.counts.sum(), state.available, state.batch)


def water_filling(state: State) -> np.ndarray:
    """Always for the slice that has fewest labels."""
    bought = np.zeros_like(state.counts)
    for _ in range(min(state.batch, int(state.available.sum()))):
        level = np.where(bought < state.available, state.counts + bought, np.inf)
        bought[int(level.argmin())] += 1
    return bought


def slice_tuner_like(state: State) -> np.ndarray:
    """A least-squares power law for every slice alone, then labels where they lower the sum of these most.

    After Tae and Whang (2021), "Slice Tuner", SIGMOD: one curve a slice, no pooling, a convex allocation.
    """
    runs = state.runs()
    level, steepness = np.zeros(len(state.slices)), np.zeros(len(state.slices))
    for place, name in enumerate(state.slices):
        own = runs[runs["slice"] == name]
        log_error = np.log((own["errors"] + 0.5) / (own["trials"] + 0.5))
        slope, start = np.polyfit(np.log(own["labels"]), log_error, 1, w=np.sqrt(own["labels"]))
        level[place], steepness[place] = start, np.clip(-slope, 0.0, STEEPEST)
    bought = np.zeros_like(state.counts)
    for _ in range(min(state.batch, int(state.available.sum()))):
        have = state.counts + bought
        gain = np.exp(level) * (have**-steepness - (have + 1.0) ** -steepness)
        bought[int(np.where(bought < state.available, gain, -np.inf).argmax())] += 1
    return bought


class Fits:
    """Fits of many runs tables by one compiled model for each number of curves."""

    def __init__(self) -> None:
        self.model = get_model("power_law")
        self._compiled: dict[int, object] = {}

    def fit(self, runs: xr.Dataset, seed: int) -> lv.Fit:
        """A fit with few draws, unjudged."""
        observations = observe(runs)
        key = observations.sizes["curve"]
        if key not in self._compiled:
            print(f"compiling for {key} curves", file=sys.stderr, flush=True)
            self._compiled[key] = compile_model(self.model.build(observations, self.model.priors))
        compiled = self._compiled[key]
        row = in_a_row(observations)
        table = {name: row[name] for name in compiled.model.data}
        settings = SamplerSettings(**{**vars(FEW_DRAWS), "random_seed": seed})
        tree = sample_once(compiled.with_data(**table), settings)
        now = observations["labels"].where(observations["used"] > 0).max(("knot", "slot")).rename(None)
        posterior = tree["posterior"].to_dataset()
        kept = [v for v in posterior.data_vars if not str(v).endswith(names.INNER)]
        judged = Diagnostics("ok", (), {}, flags={str(s): () for s in np.unique(observations["slice"].values)})
        stats = tree["sample_stats"].to_dataset()
        return assemble(runs, observations, now, posterior[kept], stats, self.model, judged, settings, [])


class Ours:
    """Fit all curves together, then the plan with the lowest expected mean error."""

    def __init__(self) -> None:
        self.fits = Fits()

    def __call__(self, state: State) -> np.ndarray:
        runs = lv.read_runs(state.runs())
        fit = self.fits.fit(runs, state.seed)
        limits = {n: {"available": int(a)} for n, a in zip(state.slices, state.available, strict=True)}
        case = lv.Case(costs={"price_per_label": 0.0}, value={"per_error_point": 1.0}, slices=limits)
        plan = lv.allocate(fit, case, max_labels=state.batch)
        return np.array([plan.labels[name] for name in state.slices])
