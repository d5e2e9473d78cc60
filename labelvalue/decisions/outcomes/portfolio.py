"""Several learners in money: what an average hides, and what keeping them all is worth."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.case.value import unit_value
from labelvalue.decisions.outcomes.benefit import plan_outcomes
from labelvalue.decisions.outcomes.spending import retraining_cost
from labelvalue.forecast.gains.learners_and_suites import MUCH_BETTER, SURE
from labelvalue.numerals import readable
from labelvalue.problems import did_you_mean
from labelvalue.settings import Checks


def benefit_over_learners(plan: Decision, *, mixture: Mapping[str, float] | None = None) -> xr.Dataset:
    """Value a plan's labels under each learner, and under a portfolio of all of them, for which they are paid once.

    A portfolio uses in each slice and draw the learner with the lowest error, or a stated mixture of learners; every
    learner that it keeps is trained again.

    Parameters
    ----------
    plan : Decision
        From :func:`labelvalue.decide`, with a fit of several learners; the ``learner`` of its case is only
        that which the plan was made for.
    mixture : mapping of str to float, optional
        Shares of the learners in the portfolio, > 0, scaled to sum to 1; learners not named are not kept.

    Returns
    -------
    xarray.Dataset
        Dims chain, draw, slice: ``gain`` of the portfolio, in the unit of the error. The rest is money. Dims chain,
        draw, learner: ``value`` and ``net_benefit``, against doing nothing. Dims chain, draw:
        ``mean``, ``spread`` (standard deviation) and ``best`` of the net benefit over learners; ``portfolio``, its net
        benefit against doing nothing with it; ``synergy``, what is left of it over the best single learner, both from
        the portfolio's error today: negative where further trainings cost more than they bring. Without dims:
        ``p_hidden``, the probability that the best learner's value is more than 1.5 times the mean, and ``hidden``,
        whether that is above 0.8. Attributes: ``unit``, ``best_learner`` in expectation, ``sentence``.

    Raises
    ------
    InputError
        If the fit has one learner, the case has a target, whose worth no learner has for itself, or the mixture names
        an unknown learner.

    Examples
    --------
    >>> import labelvalue as lv
    >>> fit = lv.testing.fake_fit(seed=1, learners=("line", "tree"))
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}, learner="line")
    >>> found = benefit_over_learners(lv.decide(fit, case, max_labels=900, measure=False))
    >>> bool((found["best"] >= found["mean"]).all()), bool((found["synergy"] >= 0).all())
    (True, True)
    """
    fit, case = plan.fit, plan.case
    known = fit.posterior[names.LEARNER].values.astype(str).tolist() if names.LEARNER in fit.posterior.dims else []
    shares = _shares(known, case, mixture)
    bought, done = {names.RECOMMENDED: plan.labels}, plan.interventions
    every = {n: plan_outcomes(fit, replace(case, learner=n), bought, interventions=done) for n in known}
    kept = {name: one for name, one in every.items() if shares.get(name, 0.0) > 0}
    axis = xr.DataArray(known, dims=names.LEARNER, coords={names.LEARNER: known})
    at = {names.PLAN: names.RECOMMENDED}

    def against_nothing(what: str) -> xr.DataArray:
        parts = [one[what].sel(at) - one[what].sel({names.PLAN: names.NOTHING}) for one in every.values()]
        return xr.concat([part.reset_coords(drop=True) for part in parts], dim=axis).transpose(
            *names.SAMPLE, names.LEARNER
        )

    value, net = against_nothing(names.VALUE), against_nothing(names.NET_BENEFIT)
    hidden = (value.max(names.LEARNER) > MUCH_BETTER * value.mean(names.LEARNER)).mean()
    first = next(iter(kept.values()))
    start = _together(kept, names.NOTHING, shares if mixture else None)
    unit = unit_value(fit, case.value, first[names.DAYS].sel(at, drop=True))
    cost = first[names.COST].sel(at, drop=True)  # labels and interventions once, one training

    def brings(later: xr.DataArray) -> xr.DataArray:
        return ((start - later) * unit).sum(names.SLICE) - cost

    single = {name: brings(_error(one, names.RECOMMENDED)) for name, one in kept.items()}
    best = max(single, key=lambda name: float(single[name].mean()))
    more: Any = sum(retraining_cost(fit, case.costs, name) for name in [*kept][1:])
    end = _together(kept, names.RECOMMENDED, shares if mixture else None)
    portfolio = brings(end) - more
    made = {
        names.GAIN: (start - end).transpose(*names.SAMPLE, names.SLICE),
        names.VALUE: value,
        names.NET_BENEFIT: net,
        "mean": net.mean(names.LEARNER),
        "spread": net.std(names.LEARNER),
        "best": net.max(names.LEARNER),
        "portfolio": portfolio.transpose(*names.SAMPLE),
        "synergy": (portfolio - single[best]).transpose(*names.SAMPLE),
        "p_hidden": hidden,
        "hidden": hidden > SURE,
    }
    found = xr.Dataset({name: part.reset_coords(drop=True) for name, part in made.items()})
    top = known[int(net.mean(names.SAMPLE).values.argmax())]
    found.attrs = {names.UNIT: first.attrs[names.UNIT], "best_learner": top}
    found.attrs["sentence"] = _sentence(found, top)
    return found


def _shares(known: list[str], case: Case, mixture: Mapping[str, float] | None) -> dict[str, float]:
    checks = Checks()
    if len(known) <= 1:
        checks.wrong(names.LEARNER, "the fit has one learner", "give runs of several, in the column 'learner'")
    if case.value.target is not None:
        checks.wrong("value.target", "a target is reached by all learners together", "state per_error_point instead")
    for name, share in (mixture or {}).items():
        checks.number(f"mixture.{name}", share, above=True)
        if name not in known:
            why = f"unknown learner {name!r}{did_you_mean(name, known)}"
            checks.wrong(f"mixture.{name}", why, f"one of {', '.join(known)}")
    checks.finish()
    if not mixture:
        return dict.fromkeys(known, 1.0)
    return {name: share / sum(mixture.values()) for name, share in mixture.items()}


def _error(outcomes: xr.Dataset, plan: str) -> xr.DataArray:
    return outcomes[names.ERROR].sel({names.PLAN: plan}, drop=True).reset_coords(drop=True)


def _together(kept: Mapping[str, xr.Dataset], plan: str, mixture: Mapping[str, float] | None) -> xr.DataArray:
    """Errors of the portfolio: the lowest in each draw and slice, or the mixture's."""
    parts = [_error(one, plan) * (1.0 if mixture is None else mixture[name]) for name, one in kept.items()]
    joined = xr.concat(parts, dim=names.LEARNER)
    return joined.min(names.LEARNER) if mixture is None else joined.sum(names.LEARNER)


def _sentence(found: xr.Dataset, top: str) -> str:
    unit = found.attrs[names.UNIT]
    mean = float(found["mean"].mean())
    said = f"Over {found.sizes[names.LEARNER]} learners the labels bring {readable(mean)} {unit} on average"
    own = float(found[names.NET_BENEFIT].sel({names.LEARNER: top}).mean())
    if bool(found["hidden"]):
        chance = float(found["p_hidden"])
        said += f", which hides {top}, with {readable(own)} {unit}: "
        said += f"1.5 times the average gain with probability {chance:.2f}"
    else:
        said += f"; most under {top}, {readable(own)} {unit}"
    low, middle, high = np.quantile(found["synergy"].values, [0.05, 0.5, 0.95])
    return f"{said}. Keeping all adds {readable(middle, 3)} {unit} (90 % {readable(low, 3)} to {readable(high, 3)})."
