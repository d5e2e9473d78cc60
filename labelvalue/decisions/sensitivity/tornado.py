"""What the net benefit of a plan hangs on, how far it moves with each, and what many wrong labels make of it."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import SURE, Decision, standard_error, worst_state
from labelvalue.decisions.advice.rules import STATE, rules_of
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.case.risk import scores_of
from labelvalue.decisions.case.value import Target
from labelvalue.decisions.measuring.information import as_columns, conditional_mean
from labelvalue.decisions.outcomes.benefit import errors_after, named_of, outcomes_of, plan_outcomes
from labelvalue.decisions.outcomes.errors import chosen_curves, error_now, plan_table
from labelvalue.decisions.search.listing import alternatives, thinned
from labelvalue.decisions.search.mixtures import SEARCHED, Mixture, first_allowed
from labelvalue.forecast.gains.curves import draws, slice_draws
from labelvalue.forecast.gains.prior_sensitivity import Change, Refits, changed_draws, prior_groups, scaled_priors
from labelvalue.model.curve.families import information_left, useless_share
from labelvalue.model.fitting.arviz_tree import CELL, pointwise_loglikelihood
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import readable
from labelvalue.problems import InputError, input_error
from labelvalue.quantities import UNIT_INTERVAL, Branch, Interval
from labelvalue.settings import Checks, is_number

PLAUSIBLE = 0.1  # share of wrong labels among new ones where the case states none
NONE, EVERYWHERE, WEAKEST = "none", "everywhere", "weakest slice"


def stress_label_errors(
    fit: Fit, case: Case, plans: Mapping[str, Mapping[str, int]], *, probability: float = 0.95
) -> xr.Dataset:
    """Draw what plans bring where new labels are as wrong as may plausibly be.

    A share η of wrong labels among K classes leaves (1 − η·K/(K−1))^c of them, with c as the fit has it; where its runs
    say nothing of noise, the middle of its prior.

    Parameters
    ----------
    fit : Fit
        Fit of an error rate.
    case : Case
        ``label_errors`` gives the share of wrong labels; where it is 0, the fit's evaluation noise does, if it has any.
    plans : mapping of str to mapping of str to int
        As for :func:`labelvalue.plans.plan_outcomes`.
    probability : float
        The share is taken at this quantile of its distribution, 0 < probability < 1.

    Returns
    -------
    xarray.Dataset
        As :func:`labelvalue.plans.plan_outcomes` returns it, with dim stress: ``none``, no further label errors;
        ``everywhere``, the share in every slice; ``weakest slice``, as many wrong labels, but all of them among those
        bought for the slice of the highest error (of those the plan buys labels for, up to labels that say nothing).
        ``wrong_share``, dims stress, plan, slice.

    Raises
    ------
    InputError
        If neither case nor fit says how many labels are wrong, the metric is no error rate, or a plan is illegal.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}, label_errors=0.1)
    >>> drawn = stress_label_errors(fake_fit(seed=1), case, {"west": {"west": 500}})
    >>> enb = drawn["net_benefit"].mean(("chain", "draw"))
    >>> bool(enb.sel(plan="west", stress="everywhere") < enb.sel(plan="west", stress="none"))
    True
    """
    checks = Checks()
    checks.share("probability", probability)
    if float(fit.settings[names.UPPER]) != 1.0:
        checks.wrong(
            "label_errors", "wrong labels are modelled for error rates", "fit counts, or a metric within 0 and 1"
        )
    checks.finish()
    labels = plan_table(fit, case, plans)
    everywhere = (_plausible_share(fit, case, probability) * (labels > 0)).transpose(*labels.dims)
    shares = {
        NONE: xr.zeros_like(labels),
        EVERYWHERE: everywhere,
        WEAKEST: _concentrated(fit, case, labels, everywhere),
    }
    middle, classes = float(np.exp(fit.model.priors[names.NOISE_COST].center)), fit.settings[names.CLASSES]
    cost = float(fit.posterior[names.NOISE_COST].mean()) if names.NOISE_COST in fit.posterior else middle
    runs = [outcomes_of(fit, case, labels, labels * information_left(s, classes) ** cost) for s in shares.values()]
    joined = xr.concat(runs, dim=names.STRESS, data_vars="all").assign_coords({names.STRESS: list(shares)})
    return joined.assign({names.WRONG_SHARE: xr.concat(list(shares.values()), dim=names.STRESS)})


def stressed(plan: Decision) -> xr.Dataset | None:
    """Draw what the labels of a decision bring under :func:`stress_label_errors`, whatever the case says of them.

    ``state`` says how the rules of the case stand then, by stress.
    """
    if float(plan.fit.settings[names.UPPER]) != 1.0:
        return None
    case = plan.case if plan.case.label_errors != 0.0 else replace(plan.case, label_errors=PLAUSIBLE)
    drawn = stress_label_errors(plan.fit, case, {names.RECOMMENDED: plan.labels})
    under = (drawn.sel({names.STRESS: stress}, drop=True) for stress in drawn[names.STRESS].values)
    states = [worst_state(rules_of(plan.fit, plan.case, one)[STATE]) for one in under]
    return drawn.assign({STATE: (names.STRESS, states)})


def _plausible_share(fit: Fit, case: Case, probability: float) -> xr.DataArray:
    """Share of wrong labels by slice, at the upper quantile."""
    share = slice_draws(fit, "label_errors", case.label_errors)
    posterior, _ = chosen_curves(fit, case)
    if not bool((share > 0).any()) and names.EVALUATION_NOISE in posterior:
        share = posterior[names.EVALUATION_NOISE]
        share = share.isel({d: 0 for d in share.dims if d not in (*names.SAMPLE, names.SLICE)}, drop=True)
    if not bool((share > 0).any()):
        fix = "give the case label_errors, such as { low = 0.01, high = 0.1 }"
        raise input_error("nothing says how many labels are wrong", fix, column="label_errors")
    if set(names.SAMPLE) <= set(share.dims):
        share = share.quantile(probability, names.SAMPLE).drop_vars("quantile")
    return share.clip(max=useless_share(fit.settings[names.CLASSES]))


def _concentrated(fit: Fit, case: Case, labels: xr.DataArray, everywhere: xr.DataArray) -> xr.DataArray:
    """All wrong labels of a plan in the weakest slice that it buys labels for."""
    error = error_now(fit, case).mean(names.SAMPLE)
    weakest = error.where(labels > 0, -np.inf).argmax(names.SLICE)
    chosen = xr.DataArray(np.arange(labels.sizes[names.SLICE]), dims=names.SLICE) == weakest
    wrong = (labels * everywhere).sum(names.SLICE)
    share = (wrong / labels.where(labels > 0, 1.0)).clip(max=useless_share(fit.settings[names.CLASSES]))
    return (share * chosen * (labels > 0)).transpose(*labels.dims)


TAIL = 0.1
WHAT_IF = ("costs.price_per_label", "value.per_error_point")
"""Numbers that :func:`labelvalue.what_if` varies."""
INPUT, SETTING, EVIDENCE = "input", "setting", "evidence"


def plan_sensitivity(plan: Decision, *, swing: float = 2.0, refit: bool | Refits = True) -> pd.DataFrame:
    """Show how far a plan's expected net benefit moves with what is uncertain, and with what was set.

    Uncertain inputs are taken low and high by the tenth of draws in which they are worst and best for the plan, all
    others as they come; their share of the variance is that of a variance-based analysis. Settings are changed one at
    a time and everything is computed again: budget, price, value, class balance, label noise. Evidence is weighed
    otherwise by re-weighting the draws, or by fitting again where that cannot be relied on: each group of priors to
    the powers 0.5 and 2, and the runs of all batches but the last at half their weight.

    Parameters
    ----------
    plan : Decision
        From :func:`labelvalue.decide`.
    swing : float
        Factor by which settings are divided and multiplied, > 1.
    refit : bool or Refits
        Whether to fit again where re-weighting does not do, which takes seconds each; ``Refits`` remember fits that
        were made for another table.

    Returns
    -------
    pandas.DataFrame
        One row an input or setting, the widest first: ``what``, ``kind`` (``input``, ``setting``, ``evidence``),
        ``low`` and ``high`` expected net benefit, ``swing`` between them, ``first_order`` share of the variance (NaN
        but for inputs); ``advice``: ``fitted again`` where re-weighting cannot be relied on, ``re-fit instead`` where
        nothing was fitted.
        Attributes: ``enb`` of the plan, ``unexplained`` share of the variance that no single input explains, ``unit``.

    Raises
    ------
    ValueError
        If ``swing`` is not above 1.

    References
    ----------
    Strong, Oakley and Brennan (2014), for the regression; Sobol (1993), "Sensitivity estimates for nonlinear
    mathematical models", for first-order shares.

    Examples
    --------
    >>> import labelvalue as lv
    >>> fit, case = lv.testing.fake_fit(seed=1), Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> table = plan_sensitivity(lv.decide(fit, case, max_labels=900, measure=False), refit=False)
    >>> bool((table["swing"].diff().dropna() <= 0).all())
    True
    """
    if not swing > 1:
        raise ValueError(f"swing must be > 1, got {swing!r}. Fix: give a factor such as 2.")
    return swings(plan, uncertain_inputs(plan), stressed(plan), swing=swing, refit=refit)


def swings(
    plan: Decision,
    inputs: Mapping[str, xr.DataArray],
    stress: xr.Dataset | None,
    *,
    swing: float = 2.0,
    refit: bool | Refits = True,
) -> pd.DataFrame:
    """Make the table of :func:`plan_sensitivity` from what :func:`uncertain_inputs` and :func:`stressed` found."""
    net = plan.advantage()
    flat = as_columns(net)
    rows = []
    for name, values in inputs.items():
        fitted = np.sort(conditional_mean(flat, as_columns(values))[:, 0])
        edge = max(1, round(TAIL * fitted.size))
        share = float(fitted.var() / flat.var()) if flat.var() > 0 else 0.0
        rows.append((name, INPUT, float(fitted[:edge].mean()), float(fitted[-edge:].mean()), min(share, 1.0), ""))
    for name, low, high in _settings(plan, swing, stress):
        rows.append((name, SETTING, low, high, np.nan, ""))

    def again(made: Fit) -> xr.DataArray:
        plans = {names.RECOMMENDED: dict(plan.labels)}
        return _advantage(plan_outcomes(made, plan.case, plans, interventions=plan.interventions))

    evidence = weighed_otherwise(plan.fit, net, again, refit=refit)
    rows += [(name, EVIDENCE, low, high, np.nan, advice) for name, low, high, advice in evidence]
    table = pd.DataFrame(rows, columns=["what", "kind", "low", "high", "first_order", "advice"])
    table.insert(4, "swing", (table["high"] - table["low"]).abs())
    table = table.sort_values("swing", ascending=False, kind="stable", ignore_index=True)
    unexplained = max(0.0, 1.0 - float(table["first_order"].sum()))
    table.attrs = {"enb": float(net.mean()), "unexplained": unexplained, names.UNIT: plan.outcomes.attrs[names.UNIT]}
    return table


def _advantage(outcomes: xr.Dataset) -> xr.DataArray:
    net = outcomes[names.NET_BENEFIT]
    return net.sel({names.PLAN: names.RECOMMENDED}) - net.sel({names.PLAN: names.NOTHING})


def _settings(plan: Decision, swing: float, stress: xr.Dataset | None) -> Iterator[tuple[str, float, float]]:
    case = plan.case
    labels = dict(plan.labels)

    done = named_of(case, plan.interventions)
    table = plan_table(plan.fit, case, {names.RECOMMENDED: labels})
    errors = errors_after(plan.fit, case, table, done=done)

    def again(one: Case) -> float:
        return float(_advantage(outcomes_of(plan.fit, one, table, done=done, errors=errors)).mean())

    def enb(one: Case, bought: Mapping[str, int]) -> float:
        outcomes = plan_outcomes(plan.fit, one, {names.RECOMMENDED: bought}, interventions=plan.interventions)
        return float(_advantage(outcomes).mean())

    fewer = {name: int(n / swing) for name, n in labels.items()}
    more = {name: int(min(n * swing, case.limits(name)[1])) for name, n in labels.items()}
    yield f"budget ÷ {swing:g}, × {swing:g}", enb(case, fewer), enb(case, more)
    for section, key in (("costs", "price_per_label"), ("value", "per_error_point")):
        part = getattr(case, section)
        if getattr(part, key) is None:
            continue
        ends = []
        for factor in (1 / swing, swing):
            changed = dataclasses.replace(part, **{key: scaled(getattr(part, key), factor)})
            ends.append(again(dataclasses.replace(case, **{section: changed})))
        yield f"{section}.{key} ÷ {swing:g}, × {swing:g}", ends[0], ends[1]
    name = max(labels, key=lambda one: labels[one])
    ends = []
    for factor in (1 / swing, swing):
        volume = {**case.value.volume, name: case.value.volume.get(name, 1.0) * factor}
        ends.append(again(dataclasses.replace(case, value=dataclasses.replace(case.value, volume=volume))))
    yield f"volume of {name} ÷ {swing:g}, × {swing:g}", ends[0], ends[1]
    if stress is not None:
        noisy = float(_advantage(stress.sel({names.STRESS: EVERYWHERE})).mean())
        yield "wrong labels among new ones", noisy, again(case)


def vary_case(plan: Decision) -> pd.DataFrame:
    """Choose again where a number of the case is another, between the plan, those it is held against, and nothing.

    Numbers are halved and doubled; tiers, changes of the mix and a target are left out; what the case does not say is
    said; price and value are left to :func:`what_if`. The plan stays unless another one,
    which keeps the case's rules, is better beyond Monte Carlo error.
    """
    fit, plans, done = thinned(plan.fit, SEARCHED), alternatives(plan), plan.interventions
    plans[names.RECOMMENDED] = dict(plan.labels)
    none, rows, enb = dict.fromkeys(plan.labels, 0), [], float(plan.advantage().mean())
    table, acts = plan_table(fit, plan.case, plans), named_of(plan.case, done)
    errors = errors_after(fit, plan.case, table, done=acts)
    now = _advantage(plan_outcomes(fit, plan.case, {names.RECOMMENDED: plan.labels}, interventions=done))
    for key, end, case in _variations(plan):
        outcomes = outcomes_of(fit, case, table, done=acts, errors=errors)
        own = Mixture(float(scores_of(case.risk, outcomes)[names.RECOMMENDED]), outcomes, done, names.RECOMMENDED)
        best = first_allowed(fit, case, outcomes, done, plan.max_spend)
        nothing = (best is None or best.score < 0) and own.score <= -SURE * standard_error(own.net())
        better = best is not None and best.score - own.score > SURE * standard_error(best.net() - own.net())
        chosen = own if best is None or not better else best
        name, labels = (names.NOTHING, none) if nothing else (chosen.name, chosen.labels())
        rows.append((key, end, enb + float((own.net() - now).mean()), name, labels))
    return pd.DataFrame(rows, columns=["key", "end", "enb", names.PLAN, names.LABELS])


def _variations(plan: Decision) -> Iterator[tuple[str, str, Case]]:
    """Cases that differ in one number, its key and how; what would be no legal case is left out."""
    case, spent = plan.case, float(plan.outcomes[names.COST].sel({names.PLAN: names.RECOMMENDED}).mean())
    unsaid = {
        "costs.rework": 0.1,
        "costs.retraining_fails": 0.1,
        "costs.retraining": spent / 10,
        "costs.labels_per_day": max(plan.total, 1) / 100,
        "costs.delay_per_day": spent / 100,
        "value.horizon_days": 365.0,
        "value.drift": 0.01,
    }
    for section in ("costs", "value"):
        part = getattr(case, section)
        for field in dataclasses.fields(part):
            key, now = f"{section}.{field.name}", getattr(part, field.name)
            if key in WHAT_IF:
                continue
            for end, other in _others(now, unsaid.get(key)):
                with contextlib.suppress(InputError):
                    changed = dataclasses.replace(part, **{field.name: other})
                    yield key, end, dataclasses.replace(case, **{section: changed})


def _others(now: Any, unsaid: float | None) -> Iterator[tuple[str, Any]]:
    """What a number may be instead, in words and as a value."""
    if now is None or (is_number(now) and now == 0):
        if unsaid is not None:
            yield f"were it {readable(unsaid, 3)}", unsaid
    elif isinstance(now, Target):
        yield "without it", None
    elif isinstance(now, tuple) and now and not isinstance(now[0], Branch):
        yield "without it", ()
    elif now and not isinstance(now, str):
        for end, factor in (("÷ 2", 0.5), ("× 2", 2.0)):
            other = scaled(now, factor)
            yield end, round(other) if type(now) is int and now > 1 else other


def scaled(value: Any, factor: float) -> Any:
    """Multiply a quantity, or each of a mapping."""
    if isinstance(value, Mapping):
        return {name: scaled(one, factor) for name, one in value.items()}
    if isinstance(value, Interval):
        return dataclasses.replace(value, low=value.low * factor, high=value.high * factor)
    if is_number(value):
        return value * factor
    return tuple(Branch(scaled(b.value, factor), b.probability, b.name) for b in value)


MOST_SLICES = 12  # slices whose gains are inputs of their own: those whose gains vary most in money's direction


def uncertain_inputs(plan: Decision) -> dict[str, xr.DataArray]:
    """Collect the uncertain inputs of a plan's net benefit."""
    fit, case, outcomes = plan.fit, plan.case, plan.outcomes
    if case.costs.retraining_fails != 0.0:
        works = dataclasses.replace(case, costs=dataclasses.replace(case.costs, retraining_fails=0.0))
        outcomes = plan_outcomes(fit, works, {names.RECOMMENDED: plan.labels}, interventions=plan.interventions)
    gain = outcomes[names.GAIN].sel({names.PLAN: names.RECOMMENDED}, drop=True)
    spread = gain.std(names.SAMPLE).values
    found = {}
    for place in np.argsort(-spread, kind="stable")[:MOST_SLICES]:
        name = str(gain[names.SLICE].values[place])
        found[f"gain of {name}"] = gain.isel({names.SLICE: int(place)}, drop=True).reset_coords(drop=True)
    found |= dict(_of_case(fit, case))
    drawn = {name: values for name, values in found.items() if {*names.SAMPLE} <= {*values.dims}}
    return {k: v for k, v in drawn.items() if float(v.std()) > 1e-12 * max(abs(float(v.mean())), 1e-12)}


def _of_case(fit: Fit, case: Case) -> Iterator[tuple[str, xr.DataArray]]:
    """Quantities by the keys under which they are drawn."""
    for section in ("costs", "value"):
        part = getattr(case, section)
        for field in dataclasses.fields(part):
            yield from _of_quantity(fit, f"{section}.{field.name}", getattr(part, field.name))
    if case.costs.retraining_fails != 0.0:
        yield "costs.retraining_fails/luck", draws(fit, "costs.retraining_fails/luck", UNIT_INTERVAL)
    for place, change in enumerate(case.value.mix_changes):
        if change.probability < 1:
            key = f"value.mix_changes[{place}]"
            yield key, (draws(fit, key, UNIT_INTERVAL) < change.probability).astype(float)
    if case.value.target is not None:
        yield from _of_quantity(fit, "value.target.worth", case.value.target.worth)


def _of_quantity(fit: Fit, key: str, value: Any) -> Iterator[tuple[str, xr.DataArray]]:
    if isinstance(value, Mapping):
        for own, quantity in value.items():
            yield from _of_quantity(fit, f"{key}.{own}", quantity)
    elif isinstance(value, Interval) or (isinstance(value, tuple) and value and isinstance(value[0], Branch)):
        yield key, draws(fit, key, value)


FACTORS = (0.5, 2.0)
DISCOUNT = 0.5  # power of the likelihood of old runs: at a half they count as half as many


def weighed_otherwise(
    fit: Fit, net: xr.DataArray, again: Callable[[Fit], xr.DataArray], *, refit: bool | Refits
) -> list[tuple[str, float, float, str]]:
    """Return the expected net benefit under priors and old runs of another weight.

    References
    ----------
    Kallioinen, Paananen, Bürkner and Vehtari (2024), "Detecting and diagnosing prior and likelihood sensitivity with
    power-scaling", Statistics and Computing 34; Ibrahim and Chen (2000), "Power prior distributions for regression
    models", Statistical Science 15(1), for the discount.
    """

    def expected(change: Change) -> tuple[float, str]:
        draws, log_weights, advice = changed_draws(fit, change, net, again, refit=refit)
        return float(draws.weighted(log_weights.copy(data=np.exp(log_weights.values))).mean(names.SAMPLE)), advice

    rows = []
    for group, members in prior_groups(fit).items():
        (low, said), (high, too) = map(expected, scaled_priors(fit, members, FACTORS))
        rows.append((f"priors of {group} to the power 0.5, 2", low, high, max(said, too)))
    if (old := _old_runs(fit)) is not None:
        low, said = expected(old)
        rows.append((f"runs of earlier batches × {DISCOUNT:g}, × 1", low, float(net.mean()), said))
    return rows


def _old_runs(fit: Fit) -> Change | None:
    """The posterior in which the runs of all batches but the last are discounted."""
    batches = fit.runs[names.BATCH].values.astype(str)
    if np.unique(batches).size <= 1:
        return None
    pointwise = pointwise_loglikelihood(fit)["log_likelihood"].to_dataset()["log_error"]
    old = batches != batches[-1]
    return counted(fit, pointwise, np.where(old, DISCOUNT, 1.0))


def counted(fit: Fit, pointwise: xr.DataArray, counts: np.ndarray) -> Change:
    """Let runs count for a share of their likelihood.

    Shapes: ``counts`` (run,).
    """
    less = (pointwise * mean_of_cells(fit.runs, pointwise, counts - 1.0)).sum(CELL)
    return Change(less.reset_coords(drop=True), counts=counts)


def mean_of_cells(runs: xr.Dataset, pointwise: xr.DataArray, values: np.ndarray) -> xr.DataArray:
    """Return the mean of a number of each cell's runs, by slice, learner, suite and labels.

    Shapes: ``values`` (run,); gives (cell,).
    """
    keys = [names.SLICE, names.LEARNER, names.SUITE, names.LABELS]
    frame = pd.DataFrame({key: runs[key].values.astype(float if key == names.LABELS else str) for key in keys})
    mean = frame.assign(value=values).groupby(keys)["value"].mean()
    cells = [pointwise[key].values.astype(float if key == names.LABELS else str) for key in keys]
    found = mean.reindex(pd.MultiIndex.from_arrays(cells, names=keys)).fillna(0.0)
    return xr.DataArray(found.to_numpy(), dims=CELL, coords={CELL: pointwise[CELL].values})
