"""A fit and its backtest: attached, and a reason of the verdict where forecasts did not come true."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import xarray as xr

from labelvalue import names
from labelvalue.forecast import backtesting
from labelvalue.forecast.trust import backtest_verdict, distrust
from labelvalue.model import Fit, Model
from labelvalue.model.fitting import runs_digest
from labelvalue.model.result import kind_of_fit
from labelvalue.problems import InputError

HOLDOUT = (1, 2)
"""Doublings that commands hold out beside a fit: the third costs more than the first two, for its fewest runs."""
DRAWS, TUNE = 500, 200
"""Of each re-fit of such a backtest; where they do not do, the chains go on as always."""
UNCHECKED = "not backtested: "


def attach_backtest(fit: Fit, result: xr.Dataset) -> Fit:
    """Let a fit carry its backtest, into the file it is saved in and the report made from it.

    Where the backtest says, from enough forecasts, that none are to be trusted, its sentence becomes a reason of the
    fit's verdict, which is then ``flagged`` unless it is ``refused``: no decision is published. Too little to say
    whether to trust, or nothing that could be checked, is no reason.

    Parameters
    ----------
    fit : Fit
        Fit.
    result : xarray.Dataset
        From :func:`labelvalue.backtest`, of the same runs and model; bad scores are carried like good ones.

    Returns
    -------
    Fit
        The same fit with the backtest as a group of its tree; one attached before is replaced, and its reason with it.

    Raises
    ------
    ValueError
        If the backtest is of other runs, another model, other priors or another number of classes.

    Examples
    --------
    >>> from labelvalue.testing import fake_backtest, fake_fit
    >>> fit = attach_backtest(fake_fit(seed=1), fake_backtest(seed=1, shift=0.3))
    >>> fit.diagnostics.verdict, fit.diagnostics.reasons[0][:37]
    ('flagged', 'Do not trust forecasts at 2x the labe')
    >>> attach_backtest(fit, fake_backtest(seed=1)).diagnostics.verdict
    'ok'
    """
    made = json.loads(result.attrs["settings"])
    as_read = fit.runs.drop_vars(names.WEIGHT, errors="ignore")  # a discount is of the fit, not of the runs
    ours = {"runs_sha256": {fit.settings["runs_sha256"], runs_digest(as_read)}, "model": {fit.model.name}}
    ours |= {name: {value} for name, value in kind_of_fit(fit.model, fit.settings[names.CLASSES]).items()}
    for name, mine in ours.items():
        theirs = made.get(name)
        if name in made and theirs not in mine:  # older backtests do not tell their priors
            what = name.removesuffix("_sha256").replace(names.CLASSES, "number of classes")
            raise ValueError(
                f"the backtest is of another {what} ({str(theirs)[:12]}) than the fit ({str(mine.pop())[:12]}). "
                "Fix: make both from the same runs with the same model, priors and classes."
            )
    before = "" if fit.backtest is None else distrust(fit.backtest)
    diagnostics, why = fit.diagnostics.without(before), distrust(result)
    tree = fit.tree.copy()
    tree[names.BACKTEST] = xr.DataTree(result)
    return dataclasses.replace(fit, tree=tree, diagnostics=diagnostics.flagged(why) if why else diagnostics)


def with_backtest(fit: Fit, runs: xr.Dataset, model: str | Model, **settings: Any) -> Fit:
    """Backtest as commands do beside a fit, quickly, and attach the result, or note why there is none.

    Doublings held out are 1 and 2, each re-fit has at most 500 draws a chain. A refused fit is returned as it is.

    Parameters
    ----------
    fit : Fit
        Fit.
    runs : xarray.Dataset
        The runs it was made from.
    model : str or Model
        Its model.
    **settings
        Others of :func:`labelvalue.backtest`; ``draws`` and ``tune`` are cut to 500 and 200.

    Returns
    -------
    Fit
        With the backtest, or with a note that says what the runs lack for one.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit, fake_runs
    >>> few = with_backtest(fake_fit(seed=1), fake_runs(seed=1, sizes=(1000, 2000)), "power_law")
    >>> backtest_said(few)[:84]
    "not backtested: DataFrame, column 'slice', value 'east': has 2 sizes; a backtest nee"
    """
    if fit.diagnostics.verdict == "refused":
        return fit
    cut = {name: min(settings.get(name) or most, most) for name, most in (("draws", DRAWS), ("tune", TUNE))}
    try:
        result = backtesting.backtest(runs, model, **{"holdout": HOLDOUT, **settings, **cut})
    except InputError as error:
        first, *others = error.problems
        more = f" (and {len(others)} more)" if others else ""
        return _noted(fit, f"{UNCHECKED}{first}{more}")
    return attach_backtest(fit, result)


def _noted(fit: Fit, note: str) -> Fit:
    settings = fit.settings
    settings[names.NOTES] = [*settings.get(names.NOTES, []), note]
    tree = fit.tree.copy()
    tree.attrs = {**tree.attrs, "settings": json.dumps(settings)}
    return dataclasses.replace(fit, tree=tree)


def backtest_said(fit: Fit) -> str:
    """Return what the backtest of a fit came to, in a sentence.

    Parameters
    ----------
    fit : Fit
        Fit.

    Returns
    -------
    str
        The sentence, or why there is no backtest; empty where none was asked for.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> backtest_said(fake_fit(seed=1))
    ''
    """
    if fit.backtest is not None:
        return backtest_verdict(fit.backtest)
    return next((note for note in fit.settings.get(names.NOTES, []) if note.startswith(UNCHECKED)), "")
