"""Whether to trust forecasts, and how far: a backtest in one table and one sentence."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy
import xarray as xr

from labelvalue import names
from labelvalue.forecast.backtesting import backtesting
from labelvalue.forecast.backtesting.backtesting import MODEL
from labelvalue.forecast.backtesting.holdout import CURVE, SIZE
from labelvalue.forecast.backtesting.scores import TOLERANCE, reliability
from labelvalue.model.fitting.fitting import runs_digest
from labelvalue.model.fitting.result import Fit, altered, kind_of_fit, noted
from labelvalue.model.hierarchy.specification import Model
from labelvalue.model.sampling.diagnostics import flagged, without
from labelvalue.numerals import counted
from labelvalue.problems import InputError

UNLIKELY = 0.05  # probability under which so few hits of honest 90 % intervals are not put down to chance
TOGETHER = 0.1
"""Correlation between hits of one backtest: slices of one learner err together, and so do neighbouring sizes. Assumed,
from normal misses that correlate by a third, as those of slices do."""
WORSE = 1.1  # CRPS, as a ratio to that of the best simple rule, above which the rule forecasts better
LEAST_CHECKS = 5  # forecasts at one distance under which nothing is said about it
COVERAGE = 0.9
LEAST_HALF = 0.25  # share of later errors that 50 % intervals have to hold more than, however few there are
BIASED = 0.5  # share of the gain that came by which forecast gains may be off
CHANCE = 2.0  # standard errors of a mean up to which it is put down to chance

SCORES = (names.CRPS, names.INTERVAL_SCORE, names.COVERS_50, names.COVERS_90, names.BIAS, names.BRIER)


def summarise_backtest(result: xr.Dataset) -> pd.DataFrame:
    """Average the scores of a backtest, by forecaster and distance.

    Origins are averaged within a curve and curves then count alike. Where a re-fit was refused there is no forecast of
    the model, and nobody's is counted.

    Parameters
    ----------
    result : xarray.Dataset
        From :func:`labelvalue.backtest`.

    Returns
    -------
    pandas.DataFrame
        One row a forecaster and distance: ``forecaster``, ``distance`` (steps ahead), ``forecasts`` (number of cells),
        ``crps``, ``crps_ratio`` (to the best simple rule at that distance, picked with hindsight), ``interval_score``,
        ``covers_50``, ``covers_90`` (shares), ``bias`` and ``brier`` (of the probability that the error falls).
        Attributes: those of ``result``.

    Raises
    ------
    TypeError
        If ``result`` is not from :func:`labelvalue.backtest`.

    Examples
    --------
    >>> from labelvalue.testing import fake_backtest
    >>> table = summarise_backtest(fake_backtest(seed=1))
    >>> table["forecasts"].tolist()[:3]
    [12, 8, 4]
    """
    scores = _counted(result)
    scores[names.BRIER] = (scores[names.P_GAIN] - scores[names.GAINED]) ** 2
    curves = [d for d in CURVE if d in scores.dims]
    means = scores[list(SCORES)].mean(names.ORIGIN).mean(curves)
    table = means.to_dataframe().reset_index()
    counts = scores[names.CRPS].count([names.ORIGIN, *curves]).rename(names.FORECASTS).to_series()
    table = table.join(counts, on=[names.FORECASTER, names.DISTANCE])
    table = table[table[names.FORECASTS] > 0].reset_index(drop=True)
    best = table[table[names.FORECASTER] != MODEL].groupby(names.DISTANCE)[names.CRPS].min()
    table[names.CRPS_RATIO] = _ratio(table[names.CRPS], table[names.DISTANCE].map(best))
    table = table[[names.FORECASTER, names.DISTANCE, names.FORECASTS, names.CRPS, names.CRPS_RATIO, *SCORES[1:]]]
    table.attrs = dict(result.attrs)
    return table


def _counted(result: xr.Dataset) -> xr.Dataset:
    """Scores of cells that every forecaster forecast."""
    if not isinstance(result, xr.Dataset) or names.FORECASTER not in result.dims:
        raise TypeError(
            f"result must be a backtest (xarray.Dataset with dim 'forecaster'), got {type(result).__name__}; "
            "make one with labelvalue.backtest"
        )
    return result.where(result[names.CRPS].count(names.FORECASTER) == result.sizes[names.FORECASTER])


def forecast_gains(result: xr.Dataset) -> pd.DataFrame:
    """Lay out the model's gains as forecast and as they came, a row a curve, origin and distance."""
    own = _counted(result).sel({names.FORECASTER: MODEL}, drop=True)
    table = own[[names.FORECAST_GAIN, names.GAIN, names.COVERS_90]].to_dataframe().dropna().reset_index()
    return table.sort_values(names.DISTANCE, kind="stable")


def gain_reliability(result: xr.Dataset) -> pd.DataFrame:
    """Compare the model's P(gain > 0) with how often the error then fell."""
    own = _counted(result).sel({names.FORECASTER: MODEL})[[names.P_GAIN, names.GAINED]].to_dataframe()
    own = own[[names.P_GAIN, names.GAINED]].dropna()
    return reliability(own[names.P_GAIN].to_numpy(), own[names.GAINED].to_numpy())


@dataclass(frozen=True)
class _Check:
    """What was found at one distance, or over several."""

    hits: int
    count: int
    ratio: float
    rule: str
    half_hits: int = 0  # of the 50 % intervals
    forecast_gain: float = 0.0
    gain: float = 0.0  # means of what was forecast and of what came
    gain_error: float = 0.0  # standard error of the mean of their difference
    worse: float = 0.0  # by how many standard errors over curves the CRPS is above that of the simple rule

    @property
    def enough(self) -> bool:
        return self.count >= LEAST_CHECKS

    @property
    def honest(self) -> bool:
        return bool(scipy.special.bdtr(self.hits, self.count, COVERAGE) >= UNLIKELY)

    @property
    def centred(self) -> bool:
        likely = scipy.special.bdtr(self.half_hits, self.count, 0.5) >= UNLIKELY
        return bool(likely and self.half_hits > LEAST_HALF * self.count)

    def biased(self, by_chance: float = TOLERANCE) -> bool:
        return abs(self.forecast_gain - self.gain) > max(BIASED * abs(self.gain), by_chance)

    @property
    def passed(self) -> bool:
        return not self.why_not

    @property
    def condemned(self) -> bool:
        """Whether what keeps it from being trusted is more than chance would do among forecasts that err together."""
        pairs = ((self.hits, COVERAGE), (self.half_hits, 0.5))
        unlikely = any(_chance_of_so_few(hits, self.count, share) < UNLIKELY for hits, share in pairs)
        beaten = self.ratio > WORSE and self.worse > CHANCE
        return self.enough and bool(unlikely or self.biased(CHANCE * self.gain_error + TOLERANCE) or beaten)

    @property
    def why_not(self) -> str:
        """What keeps the distance from being trusted; empty where nothing does."""
        if not self.enough:
            return f"there were only {self.count} to check"
        if not self.honest:
            return f"they held {self.hits} of {self.count}"
        if not self.centred:
            return f"50 % intervals held {self.half_hits} of {self.count}"
        if self.biased():
            return f"gains of {_points(self.forecast_gain)} were forecast where {_points(self.gain)} came"
        return f"a simple rule did better ({self.rule}, ratio {self.ratio:.2f})" if self.ratio > WORSE else ""

    def __str__(self) -> str:
        share = f"{100 * COVERAGE:.0f} % intervals held {self.hits} of {self.count} later errors"
        return f"{share} and CRPS is {self.ratio:.2f} of that of the best simple rule ({self.rule})"


def _chance_of_so_few(hits: int, count: int, share: float) -> float:
    """Probability of no more hits of honest intervals, by a beta-binomial distribution."""
    size = 1.0 / TOGETHER - 1.0
    return float(scipy.stats.betabinom.cdf(hits, count, share * size, (1.0 - share) * size))


def _points(gain: float) -> str:
    return f"{100 * gain:.2g} points"


def _check(result: xr.Dataset, distances: list[int]) -> _Check:
    scores = _counted(result).sel({names.DISTANCE: distances})
    hits = scores[names.COVERS_90].sel({names.FORECASTER: MODEL})
    by_curve = scores[names.CRPS].mean([names.ORIGIN, names.DISTANCE])
    crps = by_curve.mean([d for d in CURVE if d in by_curve.dims]).to_series()
    rules = crps.drop(MODEL)
    if not int(hits.count()):
        return _Check(0, 0, float("nan"), "")
    best = str(rules.idxmin())
    own = scores.sel({names.FORECASTER: MODEL})
    bias, gain = (own[name].where(np.isfinite(hits)).values.ravel() for name in (names.BIAS, names.GAIN))
    bias, gain = bias[np.isfinite(bias)], gain[np.isfinite(bias)]
    apart = (by_curve.sel({names.FORECASTER: MODEL}) - by_curve.sel({names.FORECASTER: best})).values.ravel()
    apart = apart[np.isfinite(apart)]
    return _Check(
        hits=int(hits.sum()),
        count=int(hits.count()),
        ratio=float(_ratio(crps[MODEL], rules[best])),
        rule=best,
        half_hits=int(own[names.COVERS_50].sum()),
        forecast_gain=float((gain - bias).mean()),
        gain=float(gain.mean()),
        gain_error=_standard_error(bias),
        worse=float(apart.mean() / max(_standard_error(apart), TOLERANCE)),
    )


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(values.size)) if values.size > 1 else np.inf


def _ratio(crps: Any, best: Any) -> Any:
    """Scores below the tolerance are the same: a flat curve that is forecast exactly has CRPS 0."""
    return np.maximum(crps, TOLERANCE) / np.maximum(best, TOLERANCE)


def backtest_verdict(result: xr.Dataset) -> str:
    """Say in one sentence whether to trust forecasts, and up to which distance.

    A distance is trusted where 90 % and 50 % intervals held what honest ones hold, gains are not off by half of what
    came, CRPS is at most a tenth above that of the best simple rule, and all shorter distances are trusted.

    Parameters
    ----------
    result : xarray.Dataset
        From :func:`labelvalue.backtest`.

    Returns
    -------
    str
        The sentence.

    Raises
    ------
    TypeError
        If ``result`` is not from :func:`labelvalue.backtest`.

    Examples
    --------
    >>> from labelvalue.testing import fake_backtest
    >>> backtest_verdict(fake_backtest(seed=1))[:36]
    'Trust forecasts up to 2x the labels:'
    """
    checks, trusted = _checks(result)
    by, asked = result.attrs[names.BY], max(json.loads(result.attrs["settings"])["holdout"])
    later = [d for d in checks if d not in trusted]
    refits = _refits(result)
    if trusted:
        tail = _limit(checks[later[0]], later[0], by) if later else _unchecked(max(trusted), asked, by)
        return f"Trust forecasts up to {far(max(trusted), by)}: {_check(result, trusted)}{tail}{refits}."
    if not later:
        return f"Nothing could be checked: every re-fit was refused{refits}."
    first = checks[later[0]]
    if not first.enough:
        needed = f"{LEAST_CHECKS} a distance are needed"
        return f"Too little to say whether to trust forecasts: {_check(result, later)}, and {needed}{refits}."
    if not first.condemned:
        why = f"{first.why_not}, which may be chance where forecasts err together"
        return f"Too little to say whether to trust forecasts at {far(later[0], by)}: {why}{refits}."
    why = f"; {first.why_not}" if first.honest and first.ratio <= WORSE else ""
    return f"Do not trust forecasts at {far(later[0], by)} or beyond: {first}{why}{refits}."


def trusted_distance(result: xr.Dataset) -> int:
    """Return the distance up to which forecasts are trusted, by the rule of :func:`backtest_verdict`."""
    return max(_checks(result)[1], default=0)


def distrust(result: xr.Dataset) -> str:
    """Return the sentence of a backtest that says to trust none: a fit that is flagged withholds its decision."""
    checks, trusted = _checks(result)
    condemned = bool(checks) and checks[min(checks)].condemned
    return backtest_verdict(result).removesuffix(".") if condemned and not trusted else ""


def _checks(result: xr.Dataset) -> tuple[dict[int, _Check], list[int]]:
    """What was found at each distance where something was, and the distances that are trusted."""
    found = {int(d): _check(result, [int(d)]) for d in np.sort(_counted(result)[names.DISTANCE].values)}
    checks = {d: check for d, check in found.items() if check.count}
    failed = [d for d, check in checks.items() if not check.passed]
    return checks, [d for d in checks if not failed or d < failed[0]]


def far(distance: int, by: str) -> str:
    """Write a distance in words."""
    if by == SIZE:
        return f"{2**distance}x the labels"
    return f"{counted(distance, 'batch', 'batches')} ahead"


def _at(distance: int, by: str) -> str:
    return f"{2**distance}x" if by == SIZE else far(distance, by)


def _limit(check: _Check, distance: int, by: str) -> str:
    """Why trust ends before a distance."""
    if not check.enough:
        return f"; at {_at(distance, by)} {check.why_not}"
    return f"; not at {_at(distance, by)}, where {check.why_not}"


def _unchecked(last: int, asked: int, by: str) -> str:
    return f"; at {_at(last + 1, by)} there was nothing to check" if last < asked else ""


def _refits(result: xr.Dataset) -> str:
    verdicts = [refit["verdict"] for refit in json.loads(result.attrs["settings"])["refits"]]
    bad = [f"{verdicts.count(v)} {v}" for v in ("flagged", "refused") if v in verdicts]
    return f" (of {len(verdicts)} re-fit{'s' if len(verdicts) > 1 else ''} {' and '.join(bad)})" if bad else ""


HOLDOUT = (1, 2)
"""Doublings that commands hold out beside a fit: the third costs more than the first two, for its fewest runs."""
DRAWS, TUNE = 500, 200  # of each re-fit of such a backtest; where they do not do, the chains go on as always
UNCHECKED = "not backtested: "


def attach_backtest(fit: Fit, result: xr.Dataset) -> Fit:
    """Let a fit carry its backtest, into the file it is saved in and the report made from it.

    Where it says, from enough forecasts, that none are to be trusted, that becomes a reason of the fit's verdict, and
    no decision is published.

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
    diagnostics, why = without(fit.diagnostics, before), distrust(result)
    told = dataclasses.replace(fit, diagnostics=flagged(diagnostics, why) if why else diagnostics)
    return altered(told, {names.BACKTEST: result})


def with_backtest(fit: Fit, runs: xr.Dataset, model: str | Model, **settings: Any) -> Fit:
    """Backtest quickly, as commands do beside a fit, and attach the result, or note why there is none."""
    if fit.diagnostics.verdict == "refused":
        return fit
    cut = {name: min(settings.get(name) or most, most) for name, most in (("draws", DRAWS), ("tune", TUNE))}
    try:
        result = backtesting.backtest(runs, model, **{"holdout": HOLDOUT, **settings, **cut})
    except InputError as error:
        first, *others = error.problems
        more = f" (and {len(others)} more)" if others else ""
        return noted(fit, f"{UNCHECKED}{first}{more}")
    return attach_backtest(fit, result)


def backtest_said(fit: Fit) -> str:
    """Return what the backtest of a fit came to, in a sentence."""
    if fit.backtest is not None:
        return backtest_verdict(fit.backtest)
    return next((note for note in fit.settings.get(names.NOTES, []) if note.startswith(UNCHECKED)), "")
