"""A plan cut into batches: what each should show, when to go on, and whether its gain would be seen."""

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.case.value import volumes
from labelvalue.decisions.outcomes.benefit import plan_outcomes
from labelvalue.decisions.outcomes.errors import chosen_curves, of_leader
from labelvalue.decisions.outcomes.spending import fixed_cost
from labelvalue.forecast.gains.detection import evaluation_size, power_of, size_needed
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import tails
from labelvalue.settings import Checks

ENTROPY = 17
STEPS = 4  # batches that a plan is cut into where nobody says how many
THRESHOLDS = 99  # quantiles of the observed gain that are tried as thresholds


def plan_milestones(plan: Decision, steps: int = STEPS, *, ci_prob: float = 0.9) -> pd.DataFrame:
    """Cut a plan into batches, with the error expected after each and the rule to go on.

    After a batch one training and evaluation show a mean error over slices, with their noise. The rule is to go on
    where the mean error has dropped by at least a threshold, the one that is worth most in expectation; what going on
    costs includes the fixed costs of another batch. How often the rule stops although going on would pay, and
    goes on although it would not, is counted in the same draws.

    Parameters
    ----------
    plan : Decision
        From :func:`labelvalue.decide`; it must buy something.
    steps : int
        Batches, ≥ 2.
    ci_prob : float
        Probability of the equal-tailed band.

    Returns
    -------
    pandas.DataFrame
        One row a batch: ``step``, cumulative ``labels`` and expected ``cost``; observed mean ``error`` with band
        ``low`` to ``high``; ``go_if_gain``, the least drop since today with which to go on (−∞: always, ∞: never; NaN
        after the last); ``p_go``; ``false_stop`` = P(rule stops and going on pays), ``false_go`` = P(it goes on and
        that does not pay); ``worth`` of the rule over always going on. Attributes: ``now``, the expected mean error
        today, ``ci_prob``, ``unit``.

    Raises
    ------
    InputError
        If the plan buys nothing, or a number is out of range.

    Examples
    --------
    >>> import labelvalue as lv
    >>> fit, case = lv.testing.fake_fit(seed=1), Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> table = plan_milestones(lv.decide(fit, case, max_labels=900, measure=False), steps=3)
    >>> table["labels"].tolist()
    [300, 600, 900]
    """
    fit, case = plan.fit, plan.case
    checks = Checks()
    checks.whole("steps", steps, least=2)
    checks.share(names.CI_PROB, ci_prob)
    if plan.total < steps:
        checks.wrong("plan", f"buys {plan.total} labels, too few to cut", "milestones are for plans that buy")
    checks.finish()
    every = {str(step): part_of(plan, step / steps) for step in range(1, steps + 1)}
    outcomes = plan_outcomes(fit, case, every, interventions=plan.interventions)
    share = volumes(fit, case.value)
    now = (outcomes[names.ERROR].sel({names.PLAN: names.NOTHING}) * share).sum(names.SLICE)
    net, again = outcomes[names.NET_BENEFIT], fixed_cost(fit, case.costs, learner=case.learner)
    rows = []
    for step in range(1, steps + 1):
        at = outcomes.sel({names.PLAN: str(step)})
        seen = observed_error(fit, case, at[names.ERROR], share, step)
        low, high = seen.quantile(tails(ci_prob), names.SAMPLE).values
        shown = (step, int(at[names.LABELS].sum()), float(at[names.COST].mean()), float(seen.mean()), low, high)
        rule = (np.nan,) * 5
        if step < steps:
            pays = net.sel({names.PLAN: str(steps)}) - net.sel({names.PLAN: str(step)}) - again
            rule = _rule((now - seen).values.ravel(), (pays + 0.0 * now).transpose(*names.SAMPLE).values.ravel())
        rows.append((*shown, *rule))
    columns = ["step", names.LABELS, names.COST, names.ERROR, "low", "high"]
    table = pd.DataFrame(rows, columns=[*columns, "go_if_gain", "p_go", "false_stop", "false_go", "worth"])
    table.attrs = {"now": float(now.mean()), names.CI_PROB: ci_prob, names.UNIT: outcomes.attrs[names.UNIT]}
    return table


def part_of(plan: Decision, share: float) -> dict[str, int]:
    """Cut whole labels of a share of a plan, 0 to 1, summing to that share of its total."""
    wanted = {name: n * share for name, n in plan.labels.items()}
    made = {name: int(x + 1e-9) for name, x in wanted.items()}
    short = round(plan.total * share) - sum(made.values())
    for name in sorted(wanted, key=lambda one: made[one] - wanted[one])[: max(short, 0)]:
        made[name] += 1
    return made


def _rule(gain: np.ndarray, pays: np.ndarray) -> tuple[float, float, float, float, float]:
    """Threshold, P(go), P(false stop), P(false go), and worth over always going on."""
    tried = np.concatenate([[-np.inf], np.quantile(gain, np.linspace(0.01, 0.99, THRESHOLDS)), [np.inf]])
    worth = np.array([(pays * (gain >= t)).mean() for t in tried])
    best = int(worth.argmax())
    go = gain >= tried[best]
    wrong = float((~go & (pays > 0)).mean()), float((go & (pays <= 0)).mean())
    return float(tried[best]), float(go.mean()), *wrong, float(worth[best] - worth[0])


def _noise_variance(fit: Fit, case: Case) -> xr.DataArray:
    """Variance of the log of one measured error."""
    posterior, position = chosen_curves(fit, case)
    differs = 1.0 - position[names.SHARED] * (1.0 - posterior["churn"])
    variance = posterior[names.TRAINING_SD] ** 2 + position[names.ONE_RUN_VARIANCE] * differs
    return of_leader(fit, case, variance)


def observed_error(fit: Fit, case: Case, error: xr.DataArray, share: xr.DataArray, step: int) -> xr.DataArray:
    """Draw the mean error over slices (chain, draw) that one training and evaluation would show.

    ``error`` has dims chain, draw, slice; ``share`` weighs the slices; each ``step`` has noise of its own.
    """
    variance = _noise_variance(fit, case).transpose(*names.SAMPLE, names.SLICE)
    rng = np.random.default_rng([fit.settings["random_seed"], ENTROPY, step])
    scatter = np.exp(np.sqrt(variance.values) * rng.standard_normal(variance.shape) - 0.5 * variance.values)
    shown = error.transpose(*names.SAMPLE, names.SLICE) * scatter
    return (shown * share).sum(names.SLICE).reset_coords(drop=True)


def detection(plan: Decision, *, probability: float = 0.8) -> pd.DataFrame:
    """Say whether the evaluation sets at hand would show the gain that a plan promises, and how large they should be.

    A gain is seen as :func:`labelvalue.voi.detection_power` sees one, with one model trained before and one after; with
    evaluation labels that come with the plan.

    Parameters
    ----------
    plan : Decision
        From :func:`labelvalue.decide`.
    probability : float
        Probability of detection that is wanted, 0 < probability < 1.

    Returns
    -------
    pandas.DataFrame
        One row a slice: ``slice``, expected ``gain``; ``p_detected`` with an evaluation set of ``trials`` items;
        ``trials_needed`` for the wanted probability, NaN where no set would do, since trainings differ too much.

    Raises
    ------
    InputError
        If ``probability`` is none.

    Examples
    --------
    >>> import labelvalue as lv
    >>> fit, case = lv.testing.fake_fit(seed=1), Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> table = detection(lv.decide(fit, case, max_labels=900, measure=False))
    >>> bool(table["p_detected"].between(0, 1).all())
    True
    """
    checks = Checks()
    checks.share("probability", probability)
    checks.finish()
    fit, bought = plan.fit, plan.outcomes.sel({names.PLAN: names.RECOMMENDED}, drop=True).reset_coords(drop=True)
    gain = bought[names.GAIN].expand_dims({names.BUDGET: [plan.total]})
    size = evaluation_size(fit) + bought[names.EVALUATION_LABELS]
    needed = of_leader(fit, plan.case, size_needed(fit, gain, probability, 1)).squeeze(names.BUDGET)
    present = of_leader(fit, plan.case, power_of(fit, gain, size, 1).mean(names.SAMPLE)).squeeze(names.BUDGET)
    return pd.DataFrame(
        {
            names.SLICE: fit.slices,
            names.GAIN: bought[names.GAIN].mean(names.SAMPLE).to_numpy(),
            "p_detected": present.to_numpy(),
            names.TRIALS: of_leader(fit, plan.case, size).to_numpy(),
            "trials_needed": np.ceil(needed.where(needed < np.inf).to_numpy()),
        }
    )
