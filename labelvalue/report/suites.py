"""Several suites on one page: the one that all other figures are of, and whether gains persist on the rest."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decisions import Case
from labelvalue.decisions.case import HOLDOUT
from labelvalue.forecast import gain_over_suites, predict_gain
from labelvalue.forecast.persistence import PERSISTENCE
from labelvalue.model import Fit
from labelvalue.report.plans import spread
from labelvalue.report.tables import LOWER, P_POSITIVE, UPPER
from labelvalue.report.wording import percent, probability

MODELLED, MEASURED = "modelled", "measured"


def suite_of(fit: Fit, case: Case | None = None) -> str:
    """Return the suite that a page is about: that of the case, else the holdout, else the first.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case, optional
        May name it.

    Returns
    -------
    str
        Empty where the fit has one suite.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> suite_of(fake_fit(seed=1))
    ''
    """
    if names.SUITE not in fit.position.dims:
        return ""
    known = fit.position[names.SUITE].values.astype(str).tolist()
    wanted = HOLDOUT if case is None or not case.suite else case.suite
    return wanted if wanted in known else known[0]


def on_suite(fit: Fit, suite: str) -> Fit:
    """Return a fit of one of its suites alone: the same draws of these curves, and the runs behind them.

    Parameters
    ----------
    fit : Fit
        Fit.
    suite : str
        From :func:`suite_of`.

    Returns
    -------
    Fit
        The same one where the suite is empty.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> on_suite(fit, "") is fit
    True
    """
    if not suite:
        return fit
    tree = fit.tree.copy()
    for group in list(tree.children):
        inside = tree[group].to_dataset()
        if names.SUITE in inside.dims and group != names.BACKTEST:
            tree[group] = xr.DataTree(inside.sel({names.SUITE: suite}, drop=True))
    runs = fit.runs
    tree[names.RUNS] = xr.DataTree(runs.isel({names.RUN: runs[names.SUITE].values.astype(str) == suite}))
    return dataclasses.replace(fit, tree=tree)


def suite_numbers(
    fit: Fit, suite: str, budget: int | None, measured: xr.Dataset | None = None, *, ci_prob: float = 0.9
) -> dict[str, Any] | None:
    """Collect how much of a gain on one suite persists on the others.

    Parameters
    ----------
    fit : Fit
        Fit, with all its suites.
    suite : str
        Suite that the others are held against; empty for a fit of one.
    budget : int or None
        Extra labels of each slice, > 0; ``None`` where no gain is asked for.
    measured : xarray.Dataset, optional
        From :func:`labelvalue.forecast_persistence`.
    ci_prob : float
        Probability of the equal-tailed intervals, 0 < ci_prob < 1.

    Returns
    -------
    dict or None
        ``suite``, ``budget``, ``sentence``; ``modelled`` rows: ``suite``, ``learner`` (``None`` for the only one), its
        mean ``gain`` over slices with interval and ``p_positive``, ``kept`` (the share of the gain on ``suite`` that
        comes on it: median and interval), ``p_worst`` (that no suite gains less); ``measured`` rows: ``suite``,
        ``learner`` and ``kept`` of what then came. ``None`` where there is nothing of either.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> suite_numbers(fake_fit(seed=1), "", 500) is None
    True
    """
    rows = _modelled(fit, suite, budget, ci_prob) if suite and budget else []
    came = [] if measured is None else _measured(measured, ci_prob)
    if not rows and not came:
        return None
    found: dict[str, Any] = {names.SUITE: suite or HOLDOUT, names.BUDGET: budget, MODELLED: rows, MEASURED: came}
    return found | {"sentence": _sentence(found, ci_prob)}


def _learners(values: xr.DataArray) -> list[Any]:
    return values[names.LEARNER].values.tolist() if names.LEARNER in values.dims else [None]


def _modelled(fit: Fit, suite: str, budget: int | None, ci_prob: float) -> list[dict[str, Any]]:
    gain = predict_gain(fit, [int(budget or 0)]).isel({names.BUDGET: 0}, drop=True).reset_coords(drop=True)
    gain = gain.mean(names.SLICE)
    kept, worst = gain_over_suites(gain, suite)[PERSISTENCE], gain.min(names.SUITE)
    rows = []
    for name in gain[names.SUITE].values.astype(str).tolist():
        for learner in _learners(gain):
            at = {} if learner is None else {names.LEARNER: learner}
            own, share = (values.sel({names.SUITE: name} | at) for values in (gain, kept))
            rows.append(
                {
                    names.SUITE: name,
                    names.LEARNER: learner,
                    names.GAIN: spread(own, ci_prob) | {P_POSITIVE: float((own > 0).mean())},
                    "kept": _middle(share, ci_prob),
                    "p_worst": float((own <= worst.sel(at)).mean()),
                }
            )
    return rows


def _measured(measured: xr.Dataset, ci_prob: float) -> list[dict[str, Any]]:
    share = measured[PERSISTENCE]
    rows = []
    for name in share[names.SUITE].values.astype(str).tolist():
        for learner in _learners(share):
            own = share.sel({names.SUITE: name} | ({} if learner is None else {names.LEARNER: learner}))
            rows.append({names.SUITE: name, names.LEARNER: learner, "kept": _middle(own, ci_prob)})
    return rows


def _middle(share: xr.DataArray, ci_prob: float) -> dict[str, float]:
    """Median and interval: a ratio of two gains has no mean to speak of."""
    low, middle, high = share.quantile([0.5 - ci_prob / 2, 0.5, 0.5 + ci_prob / 2], names.SAMPLE, skipna=False).values
    return {"median": float(middle), LOWER: float(low), UPPER: float(high)}


def _sentence(found: dict[str, Any], ci_prob: float) -> str:
    """Which suite keeps least of the gain, as modelled and as measured."""
    said = []
    for which, lead in ((MODELLED, "By the posterior"), (MEASURED, "Of the gain that had been forecast")):
        others = [row for row in found[which] if row[names.SUITE] != found[names.SUITE]]
        rows = [row for row in others if np.isfinite(row["kept"]["median"])]
        if not rows:
            continue
        least = min(rows, key=lambda row: row["kept"]["median"])
        kept, share = least["kept"], percent(ci_prob)
        text = f"{lead}, suite {least[names.SUITE]} keeps least of the gain on {found[names.SUITE]}"
        if which == MEASURED:
            text = f"{lead} on {found[names.SUITE]}, least came on suite {least[names.SUITE]}"
        text += f": {percent(kept['median'])} ({share} interval {percent(kept[LOWER])} to {percent(kept[UPPER])})"
        if which == MODELLED:
            text += f"; P(gain > 0) there {probability(least[names.GAIN][P_POSITIVE])}"
        said.append(text + ".")
    return " ".join(said)
