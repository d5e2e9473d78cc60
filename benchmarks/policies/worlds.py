"""Worlds with known truth in which labels are bought: slices, noise, drift, price and delay."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.case.value import POINT
from labelvalue.model.curve.families import information_left, log_effective_labels
from labelvalue.model.hierarchy.specification import get_model
from labelvalue.observe.table.runs import read_runs
from labelvalue.testing import SLICES, fake_truth

CLASSES = 2
LABELS_EACH = 2000  # labels of every slice at the start, where its curve is anchored
SHARES = (0.125, 0.25, 0.5, 1.0)  # sizes at which runs are made, as shares of the labels that there are
REPLICATES = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class World:
    """A world in which the learning curves are known, and so is what any purchase of labels brings.

    The model is trained again whenever a batch arrives. Until the first does, its error rises; what was ordered on one
    day arrives together.

    Parameters
    ----------
    slices : tuple of str
        Names of the slices.
    curves : xarray.Dataset
        Their curves, as :func:`labelvalue.testing.fake_truth` gives them for one learner.
    price : tuple of float
        Money a label, slice by slice, > 0.
    stakes : tuple of float
        What an error costs in each slice, as a multiple of one elsewhere.
    label_noise : float
        Share of wrong labels among those that are bought, of two classes, 0 ≤ share < 0.5.
    drift : float
        Rise in the error of every slice by the end, where nothing new is ever trained on.
    labels_per_day, start_delay : float
        Labels that are delivered a day, and days until the first.
    retraining : float
        Money that each batch costs beside its labels.
    per_error_point : float
        Money that one error point less is worth over the whole horizon, at stakes 1.
    horizon_days : float
        Days that count.
    trials : int
        Evaluation items of a run.
    seed : int
        Of the noise of runs.
    """

    slices: tuple[str, ...]
    curves: xr.Dataset
    price: tuple[float, ...]
    stakes: tuple[float, ...]
    label_noise: float
    drift: float
    labels_per_day: float
    start_delay: float
    retraining: float
    per_error_point: float
    horizon_days: float
    trials: int
    seed: int

    def case(self) -> Case:
        """Return what whoever buys is told: prices, worths and times as they are, and nothing of the curves.

        Returns
        -------
        Case
        """
        costs = {
            "price_per_label": dict(zip(self.slices, self.price, strict=True)),
            "retraining": self.retraining,
            "labels_per_day": self.labels_per_day,
            "start_delay": self.start_delay,
        }
        value = {
            "per_error_point": self.per_error_point,
            "stakes": dict(zip(self.slices, self.stakes, strict=True)),
            "horizon_days": self.horizon_days,
            "drift": self.drift / 2.0,
        }
        return Case(costs=costs, value=value, label_errors=self.label_noise)  # type: ignore[arg-type]

    def errors(self, bought: np.ndarray) -> np.ndarray:
        """Return the true expected error of every slice once labels were trained on, drift left aside.

        Parameters
        ----------
        bought : array, shape (..., slice)
            Labels beside those of the start.

        Returns
        -------
        array, shape (..., slice)
        """
        start = np.full(len(self.slices), float(LABELS_EACH))
        own = start + bought * information_left(self.label_noise, CLASSES) ** 2
        known = self._known
        worth = known[names.TRANSFER]
        before, now = (log_effective_labels(n, n.sum(axis=-1, keepdims=True) - n, worth) for n in (start, own))
        return np.asarray(known[names.ERROR_REFERENCE] * np.exp(_curve()(now - before, known)))

    @functools.cached_property
    def _known(self) -> dict[str, np.ndarray]:
        """The curves as plain arrays."""
        return {str(name): variable.values.ravel() for name, variable in self.curves.items()}

    def net_benefit(self, orders: np.ndarray, days: Sequence[float]) -> np.ndarray:
        """Return what orders truly bring: worth of the lower errors over the horizon, less all that was paid.

        Parameters
        ----------
        orders : array, shape (..., order, slice)
            Labels.
        days : sequence of float
            Day of each order.

        Returns
        -------
        array, shape (...)
            Money, against buying nothing.
        """
        arrival = arrivals(self, orders, days)
        place = np.argsort(arrival, axis=-1, kind="stable")
        have = np.take_along_axis(orders, place[..., None], axis=-2).cumsum(axis=-2)
        ends = np.take_along_axis(arrival, place, axis=-1).clip(max=self.horizon_days) / self.horizon_days
        ends = np.concatenate([ends, np.ones_like(ends[..., :1])], axis=-1)
        lasted, drifted = (np.diff(ends**power, axis=-1)[..., None] for power in (1, 2))
        gained = (self.errors(np.zeros(len(self.slices))) - self.errors(have)) * lasted + self.drift * drifted / 2.0
        unit = np.array(self.stakes) * self.per_error_point / POINT
        paid = (orders * np.array(self.price)).sum(axis=(-2, -1)) + self.retraining * np.isfinite(arrival).sum(axis=-1)
        return np.asarray((gained * unit).sum(axis=(-2, -1)) - paid)

    def runs(self, bought: np.ndarray, place: int = 0) -> xr.Dataset:
        """Measure: train on parts of the labels that there are, of varied composition, and evaluate every slice.

        Parameters
        ----------
        bought : array, shape (slice,)
            Labels that have arrived.
        place : int
            Which measurement; each has noise of its own.

        Returns
        -------
        xarray.Dataset
            Runs table.
        """
        rng = np.random.default_rng([self.seed, place, 21])
        spread = self.curves[names.TRAINING_SD].values.ravel()
        there, rows = LABELS_EACH + bought, []
        for replicate in range(REPLICATES):
            for share in SHARES:
                mixed = share * np.exp(0.4 * rng.normal(size=there.size)) if share < 1 else 1.0
                labels = np.maximum(np.minimum(np.round(there * mixed), there), 1).astype(int)
                true = self._partly(labels, bought)
                noisy = true * np.exp(spread * rng.normal(size=there.size) / np.sqrt(share))
                wrong = rng.binomial(self.trials, noisy.clip(max=0.95))
                rows += [
                    (name, labels[i], labels.sum() - labels[i], wrong[i], self.trials, replicate)
                    for i, name in enumerate(self.slices)
                ]
        columns = (names.SLICE, names.LABELS, names.OTHER_LABELS, names.ERRORS, names.TRIALS, names.REPLICATE)
        return read_runs(pd.DataFrame(rows, columns=list(columns)))

    def _partly(self, labels: np.ndarray, bought: np.ndarray) -> np.ndarray:
        """Errors of training sets that hold right and wrong labels in the proportion of all that there are."""
        left = information_left(self.label_noise, CLASSES) ** 2
        there = LABELS_EACH + bought
        amount = labels * (LABELS_EACH + bought * left) / there
        return self.errors((amount - LABELS_EACH) / left)


@functools.cache
def _curve() -> Callable[..., Any]:
    return get_model("power_law").curve


def arrivals(world: World, orders: np.ndarray, days: Sequence[float]) -> np.ndarray:
    """Days on which orders (..., order, slice) of some days are there; infinite for an order of nothing."""
    total = orders.sum(axis=-1)
    return np.where(total > 0, np.asarray(days) + world.start_delay + total / world.labels_per_day, np.inf)


def simulate_world(
    seed: int = 0,
    *,
    slices: tuple[str, ...] = SLICES,
    price: float = 0.1,
    label_noise: float = 0.0,
    drift: float = 0.0,
    labels_per_day: float = 200.0,
    start_delay: float = 5.0,
    retraining: float = 50.0,
    per_error_point: float = 400.0,
    horizon_days: float = 365.0,
    trials: int = 2000,
) -> World:
    """Draw a world: curves, prices and stakes of its slices by the seed, the rest as given.

    Parameters
    ----------
    seed : int
        Seed; the curves are those of ``fake_truth(seed)``.
    slices : tuple of str
        Names of the slices.
    price : float
        Typical price of a label; those of slices differ by half of it or so.
    label_noise, drift, labels_per_day, start_delay, retraining, per_error_point, horizon_days, trials : float
        As of :class:`World`.

    Returns
    -------
    World
    """
    rng = np.random.default_rng([seed, 20])
    prices, stakes = (np.exp(rng.normal(0.0, 0.5, len(slices))) for _ in range(2))
    return World(
        slices=slices,
        curves=fake_truth(seed, slices=slices),
        price=tuple((price * prices).round(4).tolist()),
        stakes=tuple(stakes.round(2).tolist()),
        label_noise=label_noise,
        drift=drift,
        labels_per_day=labels_per_day,
        start_delay=start_delay,
        retraining=retraining,
        per_error_point=per_error_point,
        horizon_days=horizon_days,
        trials=trials,
        seed=seed,
    )
