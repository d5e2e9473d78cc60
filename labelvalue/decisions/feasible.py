"""What no purchase can keep: every limit that binds, and the smallest change that frees it."""

from __future__ import annotations

import dataclasses

import numpy as np

from labelvalue.decisions.aim import Aim
from labelvalue.decisions.menu import Menu
from labelvalue.decisions.programme import SolverError, programme
from labelvalue.problems import InputError, Problem


class NoPlanError(InputError):
    """No plan keeps every limit of a case; its problems name those that bind."""


def least_labels(error: np.ndarray, labels: np.ndarray, limit: float, probability: float) -> float:
    """Fewest labels with which the error of a slice is at most a limit, with a probability.

    Parameters
    ----------
    error : array of float, shape (step, sample)
        Draws of the slice's error at each size; linear in between.
    labels : array of int, shape (step,)
        Sizes, rising from 0.
    limit : float
        Highest error allowed.
    probability : float
        Probability with which it must be kept.

    Returns
    -------
    float
        A whole number; infinite where no size of the grid does it.

    Examples
    --------
    >>> least_labels(np.array([[0.3, 0.2], [0.2, 0.1]]), np.array([0, 100]), 0.25, 0.9)
    50.0
    """
    kept = (error <= limit).mean(axis=1) >= probability
    if not kept.any():
        return np.inf
    first = int(kept.argmax())
    if first == 0:
        return 0.0
    low, high = int(labels[first - 1]), int(labels[first])
    start, end = error[first - 1], error[first]
    while high - low > 1:
        middle = (low + high) // 2
        share = (middle - labels[first - 1]) / (labels[first] - labels[first - 1])
        enough = (start + share * (end - start) <= limit * (1 + 1e-12)).mean() >= probability
        low, high = (low, middle) if enough else (middle, high)
    return float(high)


def unreachable(
    name: str, error: np.ndarray, labels: np.ndarray, most: float, limit: float, probability: float
) -> Problem:
    """Say that a slice cannot be made good enough, and what it could be.

    Parameters
    ----------
    name : str
        The slice.
    error : array of float, shape (step, sample)
        Draws of its error at each size.
    labels : array of int, shape (step,)
        Sizes.
    most : float
        Most labels that may be bought for it.
    limit, probability : float
        What was asked for.

    Returns
    -------
    Problem
        With the smallest relaxation of the limit and of the probability.

    Examples
    --------
    >>> print(unreachable("FR", np.array([[0.3, 0.2], [0.2, 0.1]]), np.array([0, 100]), 100, 0.15, 0.9))
    column 'FR': P(error ≤ 0.15) ≥ 0.9 is not reached with 100 labels. Fix: allow an error of 0.2, or a
    probability of 0.5.
    """
    step = int(np.searchsorted(labels, most, side="right")) - 1
    at = error[step]
    # The smallest error that the asked share of draws keeps, rounded up to be kept indeed.
    kept = float(np.quantile(at, probability, method="inverted_cdf"))
    shown = np.ceil(kept * 10_000 - 1e-9) / 10_000
    return Problem(
        column=name,
        why=f"P(error ≤ {limit:g}) ≥ {probability:g} is not reached with {int(labels[step]):,} labels",
        fix=f"allow an error of {shown:g}, or a probability of {np.floor((at <= limit).mean() * 1000) / 1000:g}",
    )


def check_feasible(menu: Menu) -> None:
    """Refuse a menu from which nothing can be bought within its limits.

    Parameters
    ----------
    menu : Menu
        What can be bought.

    Raises
    ------
    NoPlanError
        With every limit that binds, and the smallest change that frees it.

    Examples
    --------
    >>> net = np.zeros((2, 2, 1))
    >>> menu = Menu(slices=("DE", "FR"), labels=np.array([0, 1000]), net=net, spend=np.zeros((2, 2)),
    ...             low=np.array([500, 700]), high=np.full(2, 1000), max_labels=1000, fixed=np.zeros(1))
    >>> check_feasible(menu)
    Traceback (most recent call last):
    ...
    labelvalue.decisions.feasible.NoPlanError: column 'max_labels', value 1000: needs 1200, allowed 1000; binding:
    FR ≥ 700, DE ≥ 500. Fix: raise max_labels by 200.
    """
    problems = [
        Problem(
            column=name,
            why=f"needs {low}, allowed {high}; binding: {name} ≥ {low}, {name} ≤ {high}",
            fix=f"raise the most of {name} by {low - high}, or lower its minimum by as much",
        )
        for name, low, high in zip(menu.slices, *(menu.lot * np.array([menu.low, menu.high])).tolist(), strict=True)
        if low > high
    ]
    needed, allowed = int(menu.low.sum()) * menu.lot, menu.max_labels * menu.lot
    if needed > allowed:
        problems.append(
            Problem(
                column="max_labels",
                value=allowed,
                why=f"needs {needed}, allowed {allowed}; binding: {_minima(menu)}",
                fix=f"raise max_labels by {needed - allowed}",
            )
        )
    money = menu.spent(menu.low)
    if not problems and money > menu.max_spend * (1 + 1e-9):
        problems.append(
            Problem(
                column="max_spend",
                value=menu.max_spend,
                why=f"needs {money:,.2f}, allowed {menu.max_spend:,.2f}; binding: {_minima(menu)}",
                fix=f"raise max_spend by {np.ceil((money - menu.max_spend) * 100) / 100:,.2f}",
            )
        )
    if problems:
        raise NoPlanError(problems)


def refuse_gap(menu: Menu, said: str) -> None:
    """Refuse a gap between slices that no purchase reaches, and say which one could be.

    Parameters
    ----------
    menu : Menu
        What can be bought.
    said : str
        The solver's words.

    Raises
    ------
    NoPlanError
        If a purchase exists once the gap may be larger.

    Examples
    --------
    >>> menu = Menu(slices=("DE", "FR"), labels=np.array([0, 10]), net=np.zeros((2, 2, 1)), spend=np.zeros((2, 2)),
    ...             low=np.zeros(2, int), high=np.full(2, 10), max_labels=10, fixed=np.zeros(1),
    ...             error=np.array([[0.3, 0.2], [0.1, 0.1]]), max_gap=0.05)
    >>> refuse_gap(menu, "infeasible")
    Traceback (most recent call last):
    ...
    labelvalue.decisions.feasible.NoPlanError: column 'largest_gap', value 0.05: no purchase of at most 10 labels
    brings the expected errors of all slices so close (infeasible). Fix: allow a gap of 0.101.
    """
    bare = dataclasses.replace(menu, net=np.zeros_like(menu.net[..., :1]), fixed=np.zeros(1), worst_weight=0.0)
    errors = menu.errors(menu.low)
    low, high = menu.max_gap, float(errors.max() - errors.min())
    if not low < high:
        return
    while high - low > 0.001 * high:
        middle = 0.5 * (low + high)
        try:
            programme(dataclasses.replace(bare, max_gap=middle), Aim(), whole=False)
        except SolverError:
            low = middle
        else:
            high = middle
    most = menu.max_labels * menu.lot
    why = f"no purchase of at most {most} labels brings the expected errors of all slices so close ({said})"
    digits = 3 - int(np.floor(np.log10(high)))
    fix = f"allow a gap of {np.ceil(high * 10.0 ** (digits - 1)) / 10.0 ** (digits - 1):g}"
    raise NoPlanError([Problem(column="largest_gap", value=float(menu.max_gap), why=why, fix=fix)])


def _minima(menu: Menu) -> str:
    order = np.argsort(-menu.low, kind="stable")
    return ", ".join(f"{menu.slices[i]} ≥ {menu.low[i] * menu.lot}" for i in order if menu.low[i] > 0)
