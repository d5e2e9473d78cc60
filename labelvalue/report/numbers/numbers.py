"""The numbers of the report, once: for the page, for JSON, and for whoever checks one against the other."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.case.costs import learner_names
from labelvalue.forecast.gains.curves import VALIDATED_DOUBLINGS
from labelvalue.forecast.gains.gains import impact, predict_gain, whole_numbers
from labelvalue.forecast.gains.learners_and_suites import on_suite
from labelvalue.forecast.gains.rates import predict_total_gain
from labelvalue.model.curve.observations import used_runs
from labelvalue.model.fitting.data_checks import pooling
from labelvalue.model.fitting.result import Fit, draws_digest, few_items, items_notes
from labelvalue.numerals import PER_LABELS, significant
from labelvalue.report.numbers.alternatives import (
    diversity_sentence,
    strategy_numbers,
    suite_numbers,
    suite_of,
)
from labelvalue.report.numbers.plan import decision_numbers
from labelvalue.report.numbers.tables import (
    CI_KIND,
    LOWER,
    MEAN,
    UPPER,
    beyond,
    check_ci_prob,
    default_budgets,
    plain,
    records,
    summarise,
)
from labelvalue.report.plots import style
from labelvalue.report.plots.style import linear_axis, literal, panels
from labelvalue.report.words.assumptions import case_assumptions, unsourced, unsourced_limits, with_consequences
from labelvalue.report.words.checks import (
    VERDICT_MEANINGS,
    backtest_numbers,
    checks,
    disagreement_limits,
    flagged_slices,
    hidden_limits,
    limitations,
    second_opinion,
    step_sentences,
)
from labelvalue.report.words.doubts import planning_limits
from labelvalue.report.words.project import Context, carried_numbers, note_numbers, scorecard_numbers, width_numbers
from labelvalue.report.words.verdicts import best_slices, told as plan_told
from labelvalue.report.words.wording import comparison, sentence

STEP, QUANTITY, BEFORE, AFTER, CHANGE, MCSE = "step", "quantity", "before", "after", "change", "mcse"
TITLES = {
    names.NET_BENEFIT: "Expected net benefit",
    names.LABELS: "Labels of the plan",
    names.GAIN: "Expected gain",
}  # quantities in the order of the panels
ROW = 0.3  # inches of a bar with its room
UP, DOWN = style.ACCENTS[2], style.ACCENTS[1]


def change_steps(changes: pd.DataFrame, slice: str | None = None) -> pd.DataFrame:
    """Sum up what each step changed: labels over slices, gain as the mean over slices."""
    if changes.empty:
        raise ValueError("nothing changed, so there is nothing to draw")
    known = [name for name in dict.fromkeys(changes[names.SLICE]) if name]
    if slice is not None and slice not in known:
        raise ValueError(f"no slice {slice!r} in the table. Fix: one of {', '.join(map(str, known))}")
    wanted = (changes[QUANTITY] == names.NET_BENEFIT) | (changes[names.SLICE] == slice) | (slice is None)
    rows = []
    for quantity in TITLES:
        of = changes[wanted & (changes[QUANTITY] == quantity)]
        every = of[names.SLICE].nunique() if quantity == names.GAIN else 1
        for step in dict.fromkeys(changes[STEP]):
            own = of[of[STEP] == step]
            if not own.empty:
                sums = own[[BEFORE, AFTER, CHANGE]].sum() / every
                error = float(np.sqrt((own[MCSE] ** 2).sum())) / every
                rows.append({QUANTITY: quantity, STEP: step, **sums.to_dict(), MCSE: error})
    return pd.DataFrame(rows, columns=[QUANTITY, STEP, BEFORE, AFTER, CHANGE, MCSE])


def change_numbers(changes: pd.DataFrame | None) -> dict[str, Any] | None:
    """Collect why the advice changed, for the page and for JSON."""
    if changes is None or changes.empty:
        return None
    steps, budget = change_steps(changes), changes.attrs.get(names.BUDGET)
    shown = [quantity for quantity in TITLES if (steps[QUANTITY] == quantity).any()]
    return {
        "rows": records(steps),
        "by_slice": records(changes),
        "steps": list(dict.fromkeys(steps[STEP])),
        "quantities": [[quantity, _title(quantity, budget, None)] for quantity in shown],
        names.BUDGET: budget,
    }


def plot_changes(changes: pd.DataFrame, slice: str | None = None) -> Figure:
    """Plot why the advice changed: a waterfall each for net benefit, labels and gain.

    Parameters
    ----------
    changes : pandas.DataFrame
        From :meth:`labelvalue.Project.explain`.
    slice : str, optional
        Only this slice's labels and gain; by default labels in all, and the mean gain over slices.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot. Bars are the rows of :func:`labelvalue.report.numbers.numbers.change_steps`.

    Raises
    ------
    ValueError
        If the table explains nothing, or has no such slice.

    Examples
    --------
    >>> row = {"step": "price", "quantity": "net_benefit", "slice": "", "before": 9.0, "after": 7.0, "change": -2.0}
    >>> len(plot_changes(pd.DataFrame([row | {"mcse": 0.1}])).axes)
    1
    """
    return draw_changes(change_steps(changes, slice), changes.attrs.get(names.BUDGET), slice)


def draw_changes(steps: pd.DataFrame, budget: int | None = None, slice: str | None = None) -> Figure:
    """Draw the waterfalls of :func:`change_steps`: labels, gain at a budget and net benefit, of a slice or of all."""
    shown = [quantity for quantity in TITLES if (steps[QUANTITY] == quantity).any()]
    order = list(dict.fromkeys(steps[STEP]))
    titles = [_title(quantity, budget, slice) for quantity in shown]
    handles = [
        Line2D([], [], ls="", marker="D", ms=6, mfc=style.INK, mec="white", label="before, after"),
        Patch(fc=UP, ec=UP, label="more"),
        Patch(fc="white", ec=DOWN, label="less"),
        Line2D([], [], color=style.INK, lw=1.0, label="± 2 Monte Carlo errors"),
    ]
    height = ROW * (len(order) + 2)
    with style.look():
        figure, axes = panels(titles, foot="", x_label="", y_label="", handles=handles, together=3, height=height)
        for place, (ax, quantity) in enumerate(zip(axes, shown, strict=True)):
            _waterfall(ax, steps[steps[QUANTITY] == quantity].set_index(STEP).reindex(order), quantity, place == 0)
    return figure


def _title(quantity: str, budget: int | None, slice: str | None) -> str:
    if quantity == names.NET_BENEFIT:
        return TITLES[quantity]
    of = (" in all" if quantity == names.LABELS else ", mean over slices") if slice is None else f" of {slice}"
    more = f", +{budget:,} labels" if quantity == names.GAIN and budget else ""
    return f"{TITLES[quantity]}{of}{more}"


def _waterfall(ax: Axes, rows: pd.DataFrame, quantity: str, named: bool) -> None:
    """One panel; a step that leaves a quantity alone has no bar but keeps its row."""
    known = rows.dropna(subset=[CHANGE])
    first, last = float(known[BEFORE].iloc[0]), float(known[AFTER].iloc[-1])
    bottom = len(rows) + 1
    for place, value, what in ((0, first, BEFORE), (bottom, last, AFTER)):
        ax.plot(value, place, ls="", marker="D", ms=7, mfc=style.INK, mec="white", zorder=5, gid=what)
    ends, at = [first, last], first
    for place, (_, row) in enumerate(rows.iterrows(), 1):
        ax.plot([at, at], [place - 0.69, place + 0.31], color=style.QUIET, lw=0.7, zorder=1)
        if not np.isfinite(row[CHANGE]):
            continue
        rise = row[CHANGE] >= 0
        ax.barh(place, row[CHANGE], left=row[BEFORE], height=0.62, fc=UP if rise else "white", ec=UP if rise else DOWN,
                lw=1.2, gid=CHANGE)  # fmt: skip
        if row[MCSE] > 0 and row[CHANGE]:
            ax.plot(row[AFTER] + 2 * row[MCSE] * np.array([-1, 1]), [place, place], color=style.INK, lw=1.0, zorder=4)
        at = row[AFTER]
        ends += [row[BEFORE], row[AFTER], row[AFTER] - 2 * row[MCSE], row[AFTER] + 2 * row[MCSE]]
    ax.plot([at, at], [bottom - 0.69, bottom - 0.31], color=style.QUIET, lw=0.7, zorder=1)
    span = (max(ends) - min(ends)) or 1.0
    texts = [(0, first, significant(first)), (bottom, last, significant(last))]
    for place, (_, row) in enumerate(rows.iterrows(), 1):
        if np.isfinite(row[CHANGE]):
            right = max(row[BEFORE], row[AFTER] + 2 * row[MCSE] * (row[CHANGE] != 0))
            sign = "+" if row[CHANGE] > 0 else ""
            texts.append((place, right, f"{sign}{significant(row[CHANGE])}"))
    for place, x, text in texts:
        ax.annotate(literal(text), (x, place), xytext=(7, 0), textcoords="offset points", va="center",
                    size=style.TEXT)  # fmt: skip
    ax.set_xlim(min(ends) - 0.05 * span, max(ends) + 0.3 * span)
    ax.set_ylim(bottom + 0.6, -0.6)
    if min(ends) <= 0:
        ax.axvline(0, color=style.INK, lw=0.9)
    ax.set_yticks(range(bottom + 1), [BEFORE, *map(str, rows.index), AFTER] if named else [])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x", color=style.GRID, lw=0.5)
    linear_axis(ax, "x", ticks=4)
    if quantity != names.GAIN:
        ax.xaxis.set_major_formatter(FuncFormatter(style.money))


NUMBERS = (MEAN, LOWER, UPPER)
TOTALS = tuple(f"total_{name}" for name in NUMBERS)  # the same of what a purchase for one slice brings to all


def report_numbers(
    of: Fit | Decision,
    budgets: Sequence[int] | None = None,
    ci_prob: float = 0.9,
    *,
    context: Context | None = None,
) -> dict[str, Any]:
    """Collect every number and text of the report.

    Parameters
    ----------
    of : Fit or Decision
        A fit, or a decision from :func:`labelvalue.decide` with the fit that it was made from.
    budgets : sequence of int, optional
        Extra labels, ≥ 0; rounded numbers up to the median slice's labels where not given.
    ci_prob : float
        Probability of the equal-tailed intervals, between 0 and 1.
    context : Context, optional
        What a project knows beside them.

    Returns
    -------
    dict
        Plain values, ready for JSON; numbers that are not finite are ``None``. ``verdict``, ``reasons``,
        ``metric``, ``slice_notes`` (on errors now and gains), ``suite`` (that all but ``suites`` is of; empty for a
        fit of one), ``ci_kind``, ``ci_prob``, ``decision``, ``slices``, ``diagnostics``, ``backtest`` (``None``
        where there is none), ``limitations``, ``provenance``, ``priors``, ``scorecard``, ``over_time``, ``widths``,
        ``carried``, ``assumptions``, ``changes``, ``explained``,
        ``plan`` (the decision; ``None`` without one, and where the fit is not ``ok``); and, unless the
        verdict is ``refused``, ``budgets`` and ``gain`` (rows of ``summarise``, with what the same
        labels bring to all slices together). ``strategies``, ``diversity``, ``steps`` (a learner instead of another),
        ``suites`` and ``second_opinion`` are empty or ``None`` where there is nothing to say. Errors, gains and impacts
        (per 1,000 labels) are in the unit of the metric's error.

    Raises
    ------
    ValueError
        If a budget is not a whole number ≥ 0 or ``ci_prob`` is not between 0 and 1.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> report_numbers(fake_fit(seed=1), budgets=[500])["decision"]["status"]
    'published'
    """
    return collect(of, budgets, ci_prob, context)[0]


def collect(
    of: Fit | Decision,
    budgets: Sequence[int] | None,
    ci_prob: float,
    context: Context | None = None,
) -> tuple[dict[str, Any], xr.DataArray | None]:
    """Collect the numbers of the report, and hand out the draws of the gains behind them."""
    check_ci_prob(ci_prob)
    fit, case = (of.fit, of.case) if isinstance(of, Decision) else (of, None)
    context = context or Context()
    suite = suite_of(fit, case)
    whole, fit = fit, on_suite(fit, suite)
    given, notes = whole_numbers(default_budgets(fit) if budgets is None else budgets, "budget")
    verdict, said = fit.diagnostics.verdict, items_notes(fit)
    gain: xr.DataArray | None = None
    far: list[tuple[str, int, float]] = []
    told: dict[str, Any] = {"decision": _withheld(fit), "slices": _positions(fit)}
    if verdict != "refused":
        gain = predict_gain(fit, given.tolist())
        total = predict_total_gain(fit, given.tolist(), _weights(fit, case))
        table = summarise(gain, ci_prob=ci_prob, total=total)
        by_learner = best_slices(fit, gain, table)
        told = {
            "budgets": given.tolist(),
            names.GAIN: records(table),
            "slices": _slices(fit, table, by_learner, ci_prob),
        }
        told["decision"] = _published(by_learner, ci_prob) if verdict == "ok" else _withheld(fit)
        said = [*said, *table.attrs[names.NOTES]]
        rows = table[table[names.DOUBLINGS] > VALIDATED_DOUBLINGS]
        far = [(str(r[names.SLICE]), int(r[names.BUDGET]), float(r[names.DOUBLINGS])) for _, r in rows.iterrows()]
    opinion = None if gain is None else second_opinion(fit, gain, ci_prob=ci_prob)
    compared = told["decision"]["by_learner"]
    budget = compared[0][names.BUDGET] if compared else max(given.tolist(), default=0) or None
    first = "" if case is None else learner_names(case.learner)[0]
    plan, decided, assumptions = None, None, records(context.assumptions)
    if isinstance(of, Decision) and verdict == "ok":
        plan = plan_told(fit, decision_numbers(of, ci_prob=ci_prob, details=context.details))
        assumptions = with_consequences(assumptions, case_assumptions(of.case, plan))
        decided = planning_limits(of.case, plan)
    assumed = [
        *(("slices", "what it rests on", f"{note}.") for note in said),
        *disagreement_limits(opinion),
        *hidden_limits(gain, budget),
        *unsourced_limits(assumptions),
    ]
    figures = fit.diagnostics.figures
    numbers = {
        "verdict": verdict,
        "reasons": fit.diagnostics.reasons,
        names.METRIC: fit.settings["metric"],
        names.CI_KIND: CI_KIND,
        names.CI_PROB: float(ci_prob),
        "runs": whole.runs.sizes[names.RUN],
        "runs_used": used_runs(whole.runs).sum(),
        names.SUITE: suite,
        "slice_count": len(fit.slices),
        "learners": fit.settings["learners"],
        "slice_notes": said,
        **told,
        "diagnostics": {
            "meaning": VERDICT_MEANINGS[verdict],
            "checks": checks(fit),
            "draws": figures.get("draws"),
            "chains": figures.get("chains"),
            "attempts": [dict(a) for a in fit.diagnostics.attempts],
            names.FLAGS: flagged_slices(fit),
        },
        "strategies": [],
        "diversity": "",
        "steps": [],
        "suites": None,
        "second_opinion": opinion,
        names.BACKTEST: None if fit.backtest is None else backtest_numbers(fit.backtest),
        names.PLAN: plan,
        "scorecard": scorecard_numbers(context.scorecard, context.over_time),
        "over_time": [dict(row) for row in context.over_time],
        "widths": width_numbers(context.widths),
        "carried": carried_numbers(context.carried),
        "changes": context.changes,
        "explained": change_numbers(context.explained),
        "remarks": note_numbers(context.notes),
        "assumptions": assumptions,
        "unsourced": unsourced(assumptions),
        "limitations": limitations(fit, far, decided, assumed, ci_prob),
        names.NOTES: notes,
        "provenance": {k: v for k, v in fit.settings.items() if k != names.NOTES}
        | {"model": fit.model.name, "model_description": fit.model.description}
        | {"draws_sha256": draws_digest(whole), "kept": dict(context.kept)},
        "priors": [{"name": name, **prior} for name, prior in fit.model.priors.as_dict().items()],
    }
    if gain is not None:
        numbers["strategies"] = strategy_numbers(fit, case, ci_prob=ci_prob)
        numbers["diversity"] = diversity_sentence(fit, ci_prob)
        numbers["steps"] = step_sentences(fit, gain, budget, first, ci_prob)
        numbers["suites"] = suite_numbers(whole, suite, budget, context.persistence, ci_prob=ci_prob)
    return plain(numbers), gain


def _weights(fit: Fit, case: Case | None) -> dict[str, float] | None:
    """Shares of slices in means over them, as the case has them."""
    if case is None or not case.value.volume:
        return None
    return {str(name): float(case.value.volume.get(str(name), 1.0)) for name in fit.slices}


def _withheld(fit: Fit) -> dict[str, Any]:
    status = "withheld" if fit.diagnostics.verdict == "flagged" else "refused"
    why = "; ".join(fit.diagnostics.reasons)
    text = f"No decision is published: the fit is {fit.diagnostics.verdict}" + (f" ({why})." if why else ".")
    return {"status": status, "sentence": text, "by_learner": []}


def _published(by_learner: list[dict[str, Any]], ci_prob: float) -> dict[str, Any]:
    said = [one | {"sentence": sentence(one, ci_prob), "comparison": comparison(one)} for one in by_learner]
    text = " ".join(s["sentence"] for s in said) or "No budget above 0 was asked for, so there is nothing to compare."
    return {"status": "published", "sentence": text, "by_learner": said}


def _keys(fit: Fit) -> list[dict[str, Any]]:
    """Slice and learner of every curve, sorted."""
    position = fit.position[names.LABELS_NOW]
    learners = sorted(position[names.LEARNER].values.astype(str)) if names.LEARNER in position.dims else [None]
    return [
        {names.SLICE: str(name)} | ({} if learner is None else {names.LEARNER: str(learner)})
        for name in sorted(fit.slices.astype(str))
        for learner in learners
    ]


def _positions(fit: Fit) -> list[dict[str, Any]]:
    """Where each curve stands, without a number from the posterior."""
    now = fit.position[names.LABELS_NOW]
    flags = fit.diagnostics.flags
    return [
        key | {names.LABELS_NOW: int(now.sel(key)), names.FLAGS: list(flags.get(key[names.SLICE], ()))}
        for key in _keys(fit)
    ]


def _slices(fit: Fit, table: pd.DataFrame, by_learner: list[dict[str, Any]], ci_prob: float) -> list[dict[str, Any]]:
    """Rows of the page's table, largest gain at the compared budget first."""
    keys = [k for k in (names.SLICE, names.LEARNER) if k in table]
    now = summarise(fit.posterior[names.ERROR_NOW], ci_prob=ci_prob).set_index(keys)
    rate = summarise(impact(fit, per=PER_LABELS), ci_prob=ci_prob).set_index(keys)
    shares, items = pooling(fit), few_items(fit)
    groups = {k if isinstance(k, tuple) else (k,): part for k, part in table.groupby(keys, sort=False)}
    rows = []
    for row in _positions(fit):
        key = tuple(row[k] for k in keys)
        part = groups[key]
        where = key if len(key) > 1 else key[0]
        row[names.ERROR_NOW] = {c: float(now.loc[where, c]) for c in NUMBERS}
        row[names.EVALUATION_LABELS] = float(items.sel({k: row[k] for k in keys}))
        row[names.IMPACT] = {c: float(rate.loc[where, c]) for c in NUMBERS} | {"per": PER_LABELS}
        row[names.POOLING] = float(shares.sel({k: row[k] for k in keys}))
        columns = (names.BUDGET, *NUMBERS, *TOTALS, "p_positive", "mcse", names.DOUBLINGS)
        row["gains"] = [
            {c: r[c] for c in columns} | {names.FLAGS: beyond(r[names.DOUBLINGS])} for _, r in part.iterrows()
        ]
        rows.append(row)
    budget = by_learner[0][names.BUDGET] if by_learner else None

    def rank(row: dict[str, Any]) -> float:
        return max((g[MEAN] for g in row["gains"] if g[names.BUDGET] == budget), default=0.0)

    best = {name: max(rank(r) for r in rows if r[names.SLICE] == name) for name in {r[names.SLICE] for r in rows}}
    return sorted(rows, key=lambda r: (-best[r[names.SLICE]], r[names.SLICE]))
