"""Policies of labelling, played in worlds with known truth: what they bring, and their regret against an oracle."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from benchmarks.policies.worlds import World, arrivals
from labelvalue import names
from labelvalue.decisions.advice.deciding import decide
from labelvalue.decisions.case.case import Case
from labelvalue.model.fitting.fitting import fit as fit_runs
from labelvalue.model.fitting.result import Fit

ORACLE, REGRET, POLICY = "oracle", "regret", "policy"
STEPS = (4, 16, 80)  # parts of all labels by which the oracle's plan is moved, the coarsest first


@dataclasses.dataclass(frozen=True, kw_only=True)
class Offer:
    """What a policy knows when it may buy.

    Parameters
    ----------
    runs : xarray.Dataset
        Runs table of the labels that have arrived, measured now.
    case : Case
        Prices, worths and times.
    slices : tuple of str
        Names of the slices.
    left : int
        Labels that may still be bought, all slices together.
    rounds_left : int
        Times that labels may be bought, this one included.
    seed : int
        For whatever is drawn.
    """

    runs: xr.Dataset
    case: Case
    slices: tuple[str, ...]
    left: int
    rounds_left: int
    seed: int


Policy = Callable[[Offer], Mapping[str, int]]


def buy_nothing(offer: Offer) -> dict[str, int]:
    """Buy no labels."""
    return dict.fromkeys(offer.slices, 0)


def split_equally(offer: Offer) -> dict[str, int]:
    """Buy an equal part of what is left each time, as many labels for each slice."""
    return dict.fromkeys(offer.slices, offer.left // offer.rounds_left // len(offer.slices))


def follow_advice(fit: Callable[[xr.Dataset, int], Fit] | None = None, *, lot: int = 50) -> Policy:
    """Return the policy that fits the runs each time and buys what :func:`labelvalue.decide` advises.

    Parameters
    ----------
    fit : callable, optional
        From runs and a seed to a fit; :func:`labelvalue.fit` with its defaults where none is given.
    lot : int
        Labels are bought in multiples of it.

    Returns
    -------
    callable
        A policy. Where the fit is not ``ok`` it buys nothing.
    """

    def policy(offer: Offer) -> dict[str, int]:
        made = (
            fit_runs(offer.runs, random_seed=offer.seed, progress=False) if fit is None else fit(offer.runs, offer.seed)
        )
        if made.diagnostics.verdict != "ok":
            return buy_nothing(offer)
        return {
            name: int(n)
            for name, n in decide(made, offer.case, max_labels=offer.left, lot=lot, measure=False).labels.items()
        }

    return policy


def regret(
    worlds: Sequence[World],
    policies: Mapping[str, Policy],
    *,
    rounds: int = 2,
    every_days: float = 60.0,
    max_labels: int = 8000,
) -> pd.DataFrame:
    """Play policies in worlds, and say how much less each brings than an oracle that knows the curves.

    The oracle may buy on the same days and as many labels; no policy beats it.

    Parameters
    ----------
    worlds : sequence of World
        From :func:`benchmarks.policies.simulate_world`.
    policies : mapping of str to callable
        From an :class:`Offer` to labels by slice.
    rounds : int
        Times that labels may be bought, ≥ 1.
    every_days : float
        Days between them.
    max_labels : int
        Labels that may be bought in all.

    Returns
    -------
    pandas.DataFrame
        One row a world and policy: ``world`` (its seed), ``policy``, ``labels`` bought, true ``net_benefit``, that of
        the ``oracle`` and its labels, and ``regret``, the difference, ≥ 0 (money). The same arguments give the same
        table.

    Raises
    ------
    ValueError
        If a policy buys more than is left, or labels that are no whole number ≥ 0.
    """
    days = [every_days * place for place in range(rounds)]
    rows: list[dict[str, Any]] = []
    for world in worlds:
        orders = {name: _played(world, name, policy, days, max_labels) for name, policy in policies.items()}
        best = oracle(world, days, max_labels, list(orders.values()))
        reached = float(world.net_benefit(best, days))
        for name, order in orders.items():
            net = float(world.net_benefit(order, days))
            about = {"world": world.seed, POLICY: name, names.LABELS: int(order.sum()), names.NET_BENEFIT: net}
            rows.append({**about, ORACLE: reached, "oracle_labels": int(best.sum()), REGRET: reached - net})
    return pd.DataFrame(rows)


def _played(world: World, name: str, policy: Policy, days: Sequence[float], most: int) -> np.ndarray:
    """Orders of a policy, which on each day sees runs of what has arrived by then."""
    orders = np.zeros((len(days), len(world.slices)))
    case = world.case()
    for place, day in enumerate(days):
        there = arrivals(world, orders, days) <= day
        offer = Offer(
            runs=world.runs(orders[there].sum(axis=0), place),
            case=case,
            slices=world.slices,
            left=most - int(orders.sum()),
            rounds_left=len(days) - place,
            seed=world.seed,
        )
        wanted = dict(policy(offer))
        bought = np.array([wanted.pop(slice_, 0) for slice_ in world.slices], dtype=float)
        if wanted or (bought < 0).any() or (bought != np.round(bought)).any() or bought.sum() > offer.left:
            raise ValueError(
                f"policy {name!r} wants {policy(offer)!r} on day {day:g}. "
                f"Fix: whole labels ≥ 0 of known slices, at most the {offer.left:,} that are left."
            )
        orders[place] = bought
    return orders


def oracle(world: World, days: Sequence[float], most: int, starts: Sequence[np.ndarray] = ()) -> np.ndarray:
    """Find the orders (day, slice) that bring most where the curves are known."""
    shape = (len(days), len(world.slices))
    every = [np.zeros(shape), *(np.asarray(start, dtype=float) for start in starts)]
    for place in range(shape[0]):
        split = np.zeros(shape)
        split[place] = most // shape[1]
        every.append(split)
    climbed = [_climbed(world, days, most, start) for start in every]
    return max(climbed, key=lambda orders: float(world.net_benefit(orders, days)))


def _climbed(world: World, days: Sequence[float], most: int, start: np.ndarray) -> np.ndarray:
    """Take the best move of labels in, out or between cells, in steps of falling size, as long as one pays."""
    at, reached = start, float(world.net_benefit(start, days))
    cells = np.eye(start.size).reshape(-1, *start.shape)
    swaps = [a - b for i, a in enumerate(cells) for j, b in enumerate(cells) if i != j]
    moves = np.concatenate([cells, -cells, np.array(swaps).reshape(-1, *start.shape)])
    for part in STEPS:
        step = max(most // part, 1)
        while True:
            others = np.maximum(at + step * moves, 0.0)
            worth = np.where(others.sum(axis=(-2, -1)) <= most, world.net_benefit(others, days), -np.inf)
            best = int(worth.argmax())
            if worth[best] <= reached + 1e-9:
                break
            at, reached = others[best], float(worth[best])
    return at
