"""What a project knows beside a fit and a plan, for its page."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.numerals import significant
from labelvalue.report.words.wording import percent

MONEY = "bias_money"
REPEATED = "crps_repeated"
MORE = ("rank", "promised", "delivered", MONEY, REPEATED)  # columns that a page shows where they are known


@dataclasses.dataclass(frozen=True, kw_only=True)
class Context:
    """What a page says of the past and of what is taken for granted.

    Parameters
    ----------
    scorecard : pandas.DataFrame
        Past forecasts against what their batches then delivered, as :meth:`labelvalue.Project.scorecard` returns it.
    over_time : tuple of mapping
        Money, labels, forecasts and verdicts batch by batch: ``over_time`` of :meth:`labelvalue.Project.assets`.
    assumptions : pandas.DataFrame
        ``id``, ``text``, ``value``, ``source``, ``if_wrong``; the page adds those of the case that are not among
        them, and what follows where they say ``not tested`` and it was computed.
    changes : tuple of str
        What differs from the decision before.
    notes : pandas.DataFrame
        What people noted on slices and batches: ``number``, ``time``, ``author``, ``of`` (``slice`` or ``batch``),
        ``name``, ``text``.
    explained : pandas.DataFrame, optional
        Why it differs, from :meth:`labelvalue.Project.explain`.
    persistence : xarray.Dataset, optional
        From :func:`labelvalue.suites.forecast_persistence`: whether gains forecast on one suite came on the others.
    widths : pandas.DataFrame
        Gains with intervals as the model gives them (``low``, ``high``) and as the scorecard widens them (``wide_low``,
        ``wide_high``) by the attribute ``factor``; empty where the record changes no width.
    carried : tuple of mapping
        How much the runs of old learners (``before``) still say of each new one (``learner``): by slice, the standard
        deviation of its gain ``with`` these runs and ``without`` them, or ``why`` that is not known.
    details : mapping, optional
        From :func:`labelvalue.report.numbers.plan.detail_numbers`, where they were made with new fits.
    kept : mapping of str to str
        Where the fit is kept and what it was made with: titles and texts for the section on provenance.

    Examples
    --------
    >>> Context(changes=("price from 0.08 to 0.1",)).scorecard.empty
    True
    """

    scorecard: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)
    over_time: tuple[Mapping[str, Any], ...] = ()
    assumptions: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)
    changes: tuple[str, ...] = ()
    notes: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)
    explained: pd.DataFrame | None = None
    persistence: xr.Dataset | None = None
    widths: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)
    carried: tuple[Mapping[str, Any], ...] = ()
    details: Mapping[str, Any] | None = None
    kept: Mapping[str, str] = dataclasses.field(default_factory=dict)


def note_numbers(notes: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Sort notes by what they are about."""
    rows = [{str(key): value for key, value in row.items()} for row in notes.to_dict("records")]
    return {of: [row for row in rows if row["of"] == of] for of in (names.SLICE, names.BATCH)}


def scorecard_numbers(card: pd.DataFrame, over_time: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any] | None:
    """Sum a scorecard up: a sentence, and a row a batch, those without a forecast among them where they are told."""
    if card.empty and len(over_time) < 2:
        return None
    told: dict[str, dict[str, Any]] = {row[names.BATCH]: dict(row) for row in over_time}
    if card.empty:
        return {
            "sentence": "No batch has been forecast and then measured yet.",
            "columns": [],
            "batches": [*told.values()],
        }
    known = [name for name in MORE if name in card and card[name].notna().any()]
    columns = [names.COVERS_50, names.COVERS_90, names.CRPS, names.BIAS, *known]
    batches = card.groupby(names.BATCH, sort=False)[columns].mean().assign(forecasts=card.groupby(names.BATCH).size())
    for row in batches.reset_index().to_dict("records"):
        told[row[names.BATCH]] = told.get(row[names.BATCH], {}) | {str(key): value for key, value in row.items()}
    means = card[columns].mean()
    money = f", {significant(means[MONEY])} in money" if MONEY in known else ""
    return {
        "sentence": (
            f"Of {len(card):,} forecasts, 90 % intervals held {percent(means[names.COVERS_90])} and 50 % intervals "
            f"{percent(means[names.COVERS_50])}; mean bias {significant(means[names.BIAS])}{money} (forecast minus "
            f"measured).{_against_rule(card)}"
        ),
        "columns": known,
        "batches": [*told.values()],
    }


def _against_rule(card: pd.DataFrame) -> str:
    """The model's forecasts beside the simple rule, of those batches for which it was recorded."""
    if REPEATED not in card or not card[REPEATED].notna().any():
        return ""
    both = card[[names.CRPS, REPEATED]].dropna().mean()
    better = "better than" if both[names.CRPS] < both[REPEATED] else "no better than"
    return (
        f" They are {better} 'the last gain repeats': CRPS {significant(both[names.CRPS])} against "
        f"{significant(both[REPEATED])}."
    )


def width_numbers(widths: pd.DataFrame) -> dict[str, Any] | None:
    """Lay out gains with both of their intervals."""
    if widths.empty:
        return None
    largest = int(widths[names.BUDGET].max())
    rows = widths[widths[names.BUDGET] == largest].drop(columns=names.BUDGET)
    for name in (names.LEARNER, names.SUITE):
        if name in rows and len({*rows[name]}) == 1:
            rows = rows.drop(columns=name)
    return {"factor": float(widths.attrs["factor"]), names.BUDGET: largest, "rows": rows.to_dict("records")}


def carried_numbers(carried: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Say how much the runs of old learners still inform a new one."""
    return [{**one, "sentence": _carried(one)} for one in carried]


def _carried(one: Mapping[str, Any]) -> str:
    rows, old = one["slices"], ", ".join(map(str, one["before"]))
    if not rows:
        return f"Learner {one['learner']}: how much runs of {old} still say of it is not known ({one.get('why', '')})."
    share, narrow, wide = (sum(row[key] for row in rows) / len(rows) for key in ("share", "with", "without"))
    gain = "the gain" if one.get(names.LABELS) is None else f"the gain of {one[names.LABELS]:,} labels"
    return (
        f"Learner {one['learner']}: {percent(share)} of what is known of its gains stems from runs of {old}. "
        f"With them, {gain} is known to {significant(narrow)} (standard deviation, mean over slices), without them to "
        f"{significant(wide)}.{_counted(one.get(names.CARRY_OVER))}"
    )


def _counted(factor: Mapping[str, float] | None) -> str:
    """For how much an old curve counts, where it is known."""
    if factor is None:
        return ""
    mean, low, high, prior = (percent(factor[key]) for key in ("mean", "low", "high", "prior"))
    return (
        f" Of what makes a slice's curve steeper or flatter than the group's, {mean} goes for the next learner too "
        f"(90 % interval: {low} to {high}; assumed before any runs: {prior}): so much an old learner's curve counts."
    )
