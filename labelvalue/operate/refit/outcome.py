"""What a re-fit came to, for people, for schedulers, and as one line of JSON."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from labelvalue import names
from labelvalue.decisions.advice.decision import BUY, QUALITY
from labelvalue.decisions.advice.rules import STATE
from labelvalue.decisions.case.case import parse_case
from labelvalue.decisions.case.guardrails import alike
from labelvalue.exits import NOT_PUBLISHED, ending
from labelvalue.numerals import counted, readable, signed, significant
from labelvalue.operate.history.scorecard import (
    BIAS_MONEY,
    DELIVERED,
    FACTOR,
    LEAST,
    PER_MONEY,
    PROMISED,
    RATIO,
    TOTALS,
)
from labelvalue.operate.refit import refit as fits
from labelvalue.operate.refit.advice import CASE_TEXT
from labelvalue.operate.store.records import Record
from labelvalue.printing import WIDTH, visible, wrapped

GIVEN = "given"  # number of the decision by which an approval was given; ``None`` while it is missing


def refit_lines(result: Refit) -> Iterator[str]:
    """Yield what a re-fit came to, line by line."""
    state = "new fit" if result.new else "up to date:" if result.verdict == "ok" else "fit"
    yield f"{state} {result.fit}, verdict {result.verdict}"
    yield from (wrapped(f"  {reason}", "  ") for reason in result.reasons)
    if result.backtest and result.backtest.removesuffix(".") not in result.reasons:
        yield wrapped(result.backtest)
    if result.published != result.fit:
        yield f"not published; published stays {result.published or 'nothing'}"
    if result.reproduced is not None:
        yield f"made again: draws {'the same' if result.reproduced else 'differ'}"
    if result.advice is not None:
        yield from _advice(result.advice)
    yield from (wrapped(approval_line(one)) for one in result.approvals)
    yield from (wrapped(_trigger(found)) for found in result.triggers if found["fired"])
    yield wrapped(calibration_line(result.calibration))
    yield from map(wrapped, result.notes)
    if result.page is not None:
        yield visible(result.page)
    yield f"head {result.head}"


def advice_line(found: Mapping[str, Any]) -> str:
    """Say in one sentence what a project advises."""
    bought = ", ".join(f"{count:,} of {name!r}" for name, count in found["plan"].items() if count)
    return f"advice: {found['advice']}{': ' if bought else ''}{bought} (record {found['record']})"


def _advice(found: Mapping[str, Any]) -> Iterator[str]:
    yield wrapped(advice_line(found))
    yield from (wrapped(f"  {reason}", "    ") for reason in found["reasons"])
    yield wrapped(found["reservation"])
    for rule in found["guardrails"]:
        yield wrapped(rule_line(rule))
    yield from (
        wrapped(f"if assumption {item['id']!r} is wrong: {item['advice']}")
        for item in found["assumptions"]
        if item["changes"]
    )


def rule_line(rule: Mapping[str, Any]) -> str:
    """Say how a guardrail stands for the advised plan."""
    asked = f"P is {rule['probability']:.2f}, asked {rule['needed_probability']:g}"
    return f"guardrail, {rule['promise']}: {rule['state']} ({asked})"


def approvals(content: Mapping[str, Any], number: int, decisions: Sequence[Record]) -> list[dict[str, Any]]:
    """List the approvals that an advice needs before it is carried out, and by which decision each was given.

    An approval is given where its approver decided what was advised, on this very advice; a later decision of theirs
    counts in its place.
    """
    if content["advice"] not in (BUY, QUALITY):
        return []
    cost = float(content[names.COST]["mean"])
    said = [record for record in decisions if record.content.get("advice_record") == number]
    found = []
    for one in parse_case(content[CASE_TEXT], file="case").approvals:
        if not one.is_needed(cost):
            continue
        own = [r for r in said if one.is_by(r.content["approver"])]
        agreed = bool(own) and alike(own[-1].content["verdict"], content["advice"])
        about = {"approver": one.approver, "above": one.above, "reason": one.reason}
        money = {names.COST: cost, names.UNIT: content[names.UNIT]}
        found.append({**about, **money, GIVEN: own[-1].number if agreed else None})
    return found


def approval_line(one: Mapping[str, Any]) -> str:
    """Say whether an approval that the case asks for was given."""
    state = "is missing" if one[GIVEN] is None else f"was given (record {one[GIVEN]})"
    money = f"expected cost {readable(one[names.COST])} {one[names.UNIT]}, asked for above {one['above']:,g}"
    return f"approval of {one['approver']!r} {state}: {money}"


def _trigger(found: Mapping[str, Any]) -> str:
    value = found["value"]
    said = (
        readable(value, 3)
        if isinstance(value, float)
        else ", ".join(value)
        if isinstance(value, list)
        else f"{value:,}"
    )
    return f"trigger {found['trigger']}: {said}"


def calibration_line(found: Mapping[str, Any]) -> str:
    """Say in one sentence how past forecasts did, and what follows for the widths of intervals."""
    count = found[names.FORECASTS]
    if not count:
        return "scorecard: no forecast scored yet"
    held = f"{100 * found[names.COVERS_90]:.0f} % of {count} forecasts in their 90 % interval"
    money = f", bias {signed(found[BIAS_MONEY])} in money" if BIAS_MONEY in found else ""
    said = f"scorecard: {held}, bias {signed(found[names.BIAS], 2)} in error{money}"
    if RATIO in found:
        said += f", CRPS {found[RATIO]:.2f} times that of 'the last gain repeats'"
    if count < LEAST:
        return f"{said}; widths are adjusted from {LEAST} on"
    return f"{said}; widths times {found[FACTOR]:.2f}"


def last_batch_line(card: pd.DataFrame) -> str:
    """Say in one sentence how the forecasts of the last batch did; empty where none was scored."""
    if card.empty:
        return ""
    last = card[card[names.BATCH] == card[names.BATCH].iloc[-1]]
    said = f"last batch {last[names.BATCH].iloc[0]!r}: {int(last[names.COVERS_90].sum())} of {len(last)} in their 90 %"
    told = last_gain(card)
    gains = (
        f", gain promised {significant(told[PROMISED], 2)}, delivered {significant(told[DELIVERED], 2)}" if told else ""
    )
    return f"{said} interval{gains}, bias {signed(last[names.BIAS].mean(), 2)}"


def last_gain(card: pd.DataFrame) -> dict[str, float]:
    """Return the mean gain promised and delivered of the last batch; empty where none was scored."""
    last = card[card[names.BATCH] == card[names.BATCH].iloc[-1]] if PROMISED in card else card.iloc[:0]
    known = not last.empty and last[PROMISED].notna().any()
    return {name: float(last[name].mean()) for name in (PROMISED, DELIVERED)} if known else {}


def change_lines(table: pd.DataFrame) -> Iterator[str]:
    """Yield a table of changes as text of 80 columns: the whole of each step, then what moved in each slice."""
    if table.empty:
        yield "nothing has changed"
        return
    for quantity, group in table.groupby("quantity", sort=False):
        unit = f" of {table.attrs[names.BUDGET]:,} more labels a slice" if quantity == names.GAIN else ""
        yield f"{str(quantity).replace('_', ' ')}{unit}"
        yield f"  {'step':<10} {'slice':<24} {'before':>12} {'after':>12} {'change':>12}"
        for row in group.to_dict("records"):
            cells = (_number(row[key], quantity) for key in ("before", "after", "change"))
            name = str(row[names.SLICE])
            shown = visible(name if len(name) <= 24 else f"{name[:23]}…")
            yield f"  {row['step']:<10} {shown:<24} " + " ".join(f"{text:>12}" for text in cells)


def _number(value: float, quantity: object) -> str:
    return f"{value:,.5f}" if quantity == names.GAIN else f"{value:,.0f}"


def table_lines(table: pd.DataFrame) -> Iterator[str]:
    """Yield a table as text of 80 columns: one line a short row, or a block of lines where a row is long."""
    seen = table.map(lambda cell: visible(cell) if isinstance(cell, str) else cell)
    shown = seen.to_string(index=False, na_rep="–", float_format=readable)
    if max(map(len, shown.splitlines()), default=0) <= WIDTH:
        yield shown
        return
    for row in table.to_dict("records"):
        told = {key: value for key, value in row.items() if value != "" and not pd.isna(value)}
        said = (readable(value) if isinstance(value, float) else value for value in told.values())
        head, *rest = (f"{key}: {value}" for key, value in zip(told, said, strict=True))
        yield wrapped(head)
        yield from (wrapped(f"  {text}", "    ") for text in rest)


def over_time_lines(table: pd.DataFrame) -> Iterator[str]:
    """Yield what had come in by each batch, and what each advice was worth for its money, a line each."""
    for row in table.attrs["over_time"]:
        known = (f"{key} {readable(row[f'{key}_so_far'])}" for key in TOTALS if row[f"{key}_so_far"] is not None)
        yield f"{row['time'][:10]} up to {row[names.BATCH]!r}: {', '.join(known)}"
    for row in table.attrs["advice"]:
        rate = "" if row[PER_MONEY] is None else f", {readable(row[PER_MONEY], 3)} per unit of money"
        worth = f"expected net benefit {readable(row[names.NET_BENEFIT])} {row[names.UNIT]}"
        yield f"{row['time'][:10]} advice {row['number']}, {row['advice']}: {worth}{rate}"


def summary_lines(table: pd.DataFrame) -> Iterator[str]:
    """Yield the table of many re-fits as text of 80 columns, failures with their reason."""
    yield f"{'project':<36} {'exit':>4} {'verdict':<8} {'state':<12} {'seconds':>8}"
    for row in table.to_dict("records"):
        name = str(row["project"])
        shown = visible(name if len(name) <= 36 else f"…{name[-35:]}")
        state, verdict = (row[key] if isinstance(row[key], str) else "–" for key in ("state", "verdict"))
        yield f"{shown:<36} {row['exit_code']:>4} {verdict:<8} {state:<12} {row['seconds']:>8.1f}"
        if row["why"] and row["exit_code"]:
            yield wrapped(f"  {row['why'].partition(chr(10))[0]}", "    ")
    failed = int((table["exit_code"] != 0).sum())
    if "page" in table.attrs:
        yield visible(table.attrs["page"])
    said = f", {failed} with an exit code other than 0" if failed else ""
    yield f"{counted(len(table), 'project')}, {int(table['new'].sum())} fitted{said}"


@dataclasses.dataclass(frozen=True, repr=False)
class Refit:
    """What a re-fit came to.

    Parameters
    ----------
    fit : str
        Id of the fit of all batches that stand.
    new : bool
        Whether it was made now; ``False`` where nothing had changed.
    verdict : {"ok", "flagged", "refused"}
        Of the gate: convergence, fit of the model, and the backtest.
    reasons : tuple of str
        Why, unless the verdict is ``ok``.
    published : str or None
        Id of the fit that is published now: this one, or where it did not pass, the one before.
    triggers : tuple of mapping
        What called for the fit.
    calibration : mapping
        How past forecasts did, and the factor on the width of intervals.
    state : {"PASS", "STOP", "INCONCLUSIVE"} or None
        Of all rules of the case together; ``None`` where this fit is not published.
    reproduced : bool or None
        Whether a fit made again has the same draws; ``None`` where none was.
    page : str or None
        The report.
    notes : tuple of str
        What else to know.
    advice : mapping or None
        Plan, worth and state by the project's case; ``None`` without a case, and where this fit is not published.
    approvals : tuple of mapping
        Approvals that the case asks for before the advice is carried out, each with the decision by which it was
        ``given``, ``None`` while it is missing.
    backtest : str
        What the backtest of the fit came to, or why there is none; empty where none was asked for.
    head : str
        Digest of the last record of the ledger, to be kept elsewhere.
    """

    fit: str
    new: bool
    verdict: str
    reasons: tuple[str, ...]
    published: str | None
    triggers: tuple[Mapping[str, Any], ...]
    calibration: Mapping[str, Any]
    state: str | None = None
    reproduced: bool | None = None
    page: str | None = None
    notes: tuple[str, ...] = ()
    advice: Mapping[str, Any] | None = None
    approvals: tuple[Mapping[str, Any], ...] = ()
    backtest: str = ""
    head: str = ""

    def __repr__(self) -> str:
        advice = "" if self.advice is None else f", advice {self.advice['advice']!r}"
        return f"<labelvalue.Refit {self.fit!r}: verdict {self.verdict!r}{advice}>"

    def __str__(self) -> str:
        return "\n".join(refit_lines(self))

    def _repr_html_(self) -> str:
        """What a notebook shows: the lines of ``print``."""
        first, *others = (html.escape(" ".join(line.split())) for line in refit_lines(self))
        return f"<p><strong>{first}</strong></p><ul>{''.join(f'<li>{line}</li>' for line in others)}</ul>"

    @property
    def exit_code(self) -> int:
        """0 done or nothing new; 2 not published; 3 a rule says stop or an approval is missing; 6 undecided."""
        if self.verdict != fits.OK or self.state is None:
            return NOT_PUBLISHED
        return ending(self.state, [one for one in self.approvals if one[GIVEN] is None])

    @property
    def stops(self) -> tuple[str, ...]:
        """Why to stop, in words: rules of the case that say so, and approvals missing."""
        rules = () if self.advice is None else self.advice["guardrails"]
        stopping = (rule_line(rule) for rule in rules if rule[STATE] == names.STOP)
        return (*stopping, *(approval_line(one) for one in self.approvals if one[GIVEN] is None))

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain values, for one line of JSON."""
        return {**dataclasses.asdict(self), "stops": list(self.stops), "exit_code": self.exit_code}
