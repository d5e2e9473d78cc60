"""Rules by which the closed loop buys its next labels: ours, and what a team would do instead."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

import labelvalue as lv

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
        Makes the runs table of the labels at hand, as ``labelvalue.simulate_runs`` does by default.
    seed : int
        Of everything random.
    promised : dict
        Where a rule says how far it expects mean error to fall by its purchase, and by an equal split of as many.
    """

    slices: list[str]
    counts: np.ndarray
    available: np.ndarray
    batch: int
    runs: Callable[[], xr.Dataset]
    seed: int
    promised: dict[str, float] = field(default_factory=dict)


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


def by_error(state: State) -> np.ndarray:
    """In proportion to the error of the largest trainings."""
    runs = state.runs().to_dataframe()
    total = runs["labels"] + runs["other_labels"]
    found = runs[total > 0.9 * total.max()].groupby("slice")[["errors", "trials"]].sum().loc[state.slices]
    error = ((found["errors"] + 0.5) / (found["trials"] + 1.0)).to_numpy()
    return spread(state.batch * error / error.sum(), state.available, state.batch)


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
    runs = state.runs().to_dataframe()
    runs = runs[runs["labels"] > 0]
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


def ours(state: State) -> np.ndarray:
    """Fit all curves together, then the plan with the lowest expected mean error; evenly where a fit is refused."""
    fit = lv.fit(state.runs(), random_seed=state.seed, progress=False)
    if fit.diagnostics.verdict == "refused":
        print(f"refused: {', '.join(fit.diagnostics.reasons)}; labels are spread evenly", file=sys.stderr, flush=True)
        return uniform(state)
    limits = {n: {"available": int(a)} for n, a in zip(state.slices, state.available, strict=True)}
    case = lv.Case(costs={"price_per_label": 0.0}, value={"per_error_point": 1.0}, slices=limits)
    plan = lv.decide(fit, case, max_labels=state.batch, measure=False)
    gain = plan.outcomes["gain"].mean(("slice", "chain", "draw"))
    for title, name in (("labelvalue", "recommended"), ("uniform", "equal split")):
        state.promised[title] = float(gain.sel(plan=name))
    return np.array([plan.labels[name] for name in state.slices])
