"""Verdict, gains and a plan as plain text that fits a terminal."""

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision
from labelvalue.decisions.outcomes.portfolio import KEPT
from labelvalue.forecast.gains.prior_sensitivity import REFIT, REFITTED
from labelvalue.model.sampling.diagnostics import Diagnostics
from labelvalue.numerals import endless, estimated, significant
from labelvalue.printing import WIDTH, visible, wrapped
from labelvalue.report.numbers.plan import plan_numbers
from labelvalue.report.words.verdicts import (
    NAMED,
    UNPUBLISHED,
    cheapest_text,
    decision_sentence,
    not_perturbed,
    otherwise_text,
    reached_text,
    waits_text,
    weights_text,
)

INTERVALS = {"eti": "equal-tailed"}
NUMBERS = ("mean", "lower", "upper")
TOTAL = "total_mean"
BACKTEST_MEANING = (
    "at: {at}. n counts forecasts. CRPS and interval score (IS, of 90 % intervals) are lower for better forecasts; "
    "ratio is CRPS over that of the best simple rule. 50 % and 90 %: how many intervals held what was then measured. "
    "bias is forecast minus measured error. Brier scores the probability of a gain. Numbers in names of rules: "
    "doublings looked back on."
)
SAID = {
    "ok": "The fit converged, and the model fits the runs.",
    "flagged": "FLAGGED: read these results with care; no decision is published.",
    "refused": "REFUSED: the fit did not converge; only its diagnostics are shown.",
}


class Rows(Table):
    """A table of texts, which give way and go on below, and of numbers, which do not; cells hide nothing."""

    def __init__(self, texts: Sequence[str], numbers: Sequence[str], rows: Iterable[Sequence[str]] = ()):
        super().__init__(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        for title in texts:
            self.add_column(title, overflow="fold")
        for title in numbers:
            self.add_column(title, justify="right", no_wrap=True)
        for row in rows:
            self.add_row(*row)

    def add_row(self, *cells: Any, **how: Any) -> None:
        """Add a row of texts."""
        super().add_row(*(Text(visible(cell)) for cell in cells), **how)


class Sheet:
    """Text in 80 columns; what is written on it is lines, whatever they hold."""

    def __init__(self) -> None:
        self._lines = io.StringIO()
        self._console = Console(
            file=self._lines,
            width=WIDTH,
            highlight=False,
            markup=False,
            emoji=False,
            force_jupyter=False,  # in a notebook it would show what it is given, and keep no text
            force_terminal=False,
        )

    def write(self, *lines: str) -> None:
        """Write lines, broken where they are longer."""
        for line in lines:
            self._console.print(Text(visible(line)))

    def lay(self, table: Rows) -> None:
        """Lay a table down."""
        self._console.print(table)

    def text(self) -> str:
        """Return all of it."""
        return "\n".join(line.rstrip() for line in self._lines.getvalue().split("\n")).rstrip("\n")


def verdict_text(diagnostics: Diagnostics, notes: Sequence[str] = ()) -> str:
    """Say in words whether a fit may be used, and why not."""
    sheet = Sheet()
    sheet.write(*(f"Note: {note}" for note in notes))
    said = [SAID[diagnostics.verdict], *(wrapped(f"  {reason}", "  ") for reason in diagnostics.reasons)]
    return "\n".join([*said, *([sheet.text()] if notes else [])])


def gain_text(table: pd.DataFrame) -> str:
    """Lay gains out in 80 columns, and say below what the interval and the marks mean."""
    marks = {
        flag: f"[{n}]" for n, flag in enumerate(dict.fromkeys(f for t in table[names.FLAGS] for f in _split(t)), 1)
    }
    texts = [names.SLICE]
    if names.LEARNER in table and len(set(table[names.LEARNER])) > 1:
        texts.append(names.LEARNER)
    total = TOTAL in table
    shown = Rows(texts, ["labels", names.GAIN, "lower", "upper", "P(gain>0)", *(["in all"] if total else [])])
    shown.add_column("", no_wrap=True)
    decimals = _decimals(table)
    for row in table.to_dict(orient="records"):
        mean, *ends = (f"{row[column]:z.{decimals}f}" for column in NUMBERS)
        shown.add_row(
            *(str(row[column]) for column in texts),
            f"+{int(row[names.BUDGET]):,}",
            estimated(row["mean"], row.get(names.MCSE), mean),
            *ends,
            f"{row['p_positive']:.2f}",
            *([f"{row[TOTAL]:z.{decimals}f}"] if total else []),
            "".join(marks[f] for f in _split(row[names.FLAGS])),
        )
    sheet = Sheet()
    sheet.lay(shown)
    sheet.write("", _meaning(table))
    sheet.write(*(f"{mark} {flag}" for flag, mark in marks.items()))
    sheet.write(*(f"Note: {note}" for note in table.attrs.get(names.NOTES, [])))
    return sheet.text()


def needed_text(table: pd.DataFrame) -> str:
    """Lay out in 80 columns how many labels slices need for an error, and how probably none are enough."""
    several = names.LEARNER in table and len(set(table[names.LEARNER])) > 1
    texts = [names.SLICE, *([names.LEARNER] if several else [])]
    rows = []
    for row in table.to_dict(orient="records"):
        ends = ("never" if math.isinf(row[key]) else f"{row[key]:,.0f}" for key in ENDS)
        rows.append([*(str(row[key]) for key in texts), *ends, f"{row['p_never']:.2f}"])
    sheet, share = Sheet(), f"{100 * float(table.attrs[names.CI_PROB]):g}"
    sheet.lay(Rows(texts, ["labels needed", "lower", "upper", "P(never)"], rows))
    sheet.write(
        "",
        f"labels needed: of the slice in all, not in addition, until its expected error is {table[names.TARGET][0]:g}, "
        f"the others left as they are: the median, with the ends of its {share} % interval. never: not within ten "
        "doublings.",
    )
    return sheet.text()


def backtest_text(numbers: Mapping[str, Any]) -> str:
    """Lay a backtest out in 80 columns: the verdict, the scores, and below what they mean."""
    in_batches = numbers[names.BY] == names.BATCH
    shown = Rows(["at", names.FORECASTER], ["n", "CRPS", "ratio", "IS", "50 %", "90 %", names.BIAS, "Brier"])
    decimals = max(_places(min((row[names.CRPS] for row in numbers["scores"]), default=1.0)) - 1, 1)
    before = None
    for row in numbers["scores"]:
        if before not in (None, row["ahead"]):
            shown.add_section()
        shown.add_row(
            "" if row["ahead"] == before else f"+{row[names.DISTANCE]}" if in_batches else row["ahead"].split()[0],
            row[names.FORECASTER],
            f"{row[names.FORECASTS]}",
            f"{row[names.CRPS]:.{decimals}f}",
            f"{row[names.CRPS_RATIO]:.2f}",
            f"{row[names.INTERVAL_SCORE]:.{decimals - 1}f}",
            *(f"{100 * row[name]:.0f}" for name in (names.COVERS_50, names.COVERS_90)),
            f"{row[names.BIAS]:+.{decimals}f}",
            f"{row[names.BRIER]:.2f}",
        )
        before = row["ahead"]
    sheet = Sheet()
    sheet.write(numbers["sentence"], "")
    sheet.lay(shown)
    sheet.write("", BACKTEST_MEANING.format(at="batches ahead" if in_batches else "times the labels seen"))
    if "left_out" in numbers:
        sheet.write("", numbers["left_out"]["sentence"])
    if numbers["not_scored"]:
        sheet.write(f"Not scored, for want of sizes: {', '.join(numbers['not_scored'])}")
    return sheet.text()


def _split(flags: str) -> list[str]:
    return [flag for flag in flags.split("; ") if flag]


def _decimals(table: pd.DataFrame) -> int:
    """Decimals that give the largest number three digits."""
    return _places(float(table[list(NUMBERS)].abs().to_numpy().max()))


def _places(largest: float) -> int:
    if not 0 < largest < math.inf:
        return 2
    return min(max(3 - math.ceil(math.log10(largest)), 0), 8)


def _meaning(table: pd.DataFrame) -> str:
    share = f"{100 * float(table.attrs[names.CI_PROB]):g}"
    kind = INTERVALS.get(table.attrs[names.CI_KIND], table.attrs[names.CI_KIND])
    metric = table.attrs.get(names.METRIC, "")
    of_metric = f" ({metric})" if metric else ""
    return (
        f"gain is the drop in expected error{of_metric} from buying that many labels for the slice; "
        f"lower and upper are the ends of its {share} % {kind} credible interval"
        + ("; in all: the mean drop over all slices that the same labels bring." if TOTAL in table else ".")
    )


ENDS = ("median", "lower", "upper")
STANDS = {names.PASS: "kept", names.STOP: "NOT KEPT", names.INCONCLUSIVE: "NOT KNOWN"}  # a rule's state in a word


def plan_text(numbers: Mapping[str, Any]) -> str:
    """Lay a plan out in 80 columns: verdict and why, what is bought, what it brings and costs, what else there was."""
    sheet, share = Sheet(), f"{100 * numbers[names.CI_PROB]:g} %"
    sheet.write(*([f"Case: {numbers['case']}"] if numbers["case"] else []))
    lead = "Verdict:" if numbers["published"] else UNPUBLISHED
    sheet.write(f"{lead} {numbers['verdict'].upper()}", *(f"- {reason}" for reason in numbers["reasons"]))
    sheet.write(numbers["reservation"])
    if numbers["plan"]["total"]:
        sheet.write("")
        sheet.lay(bought_rows(numbers[names.GAIN]))
    sheet.write("", *_money(numbers), "")
    sheet.lay(_candidates(numbers))
    worst = f"{100 * (1 - numbers['risk'][names.LEVEL]):.3g} %"
    sheet.write(
        "",
        f"All money in {numbers[names.UNIT]}. enb: expected net benefit. MC error: its Monte Carlo error. cvar: mean "
        f"of the worst {worst} of losses against doing nothing. P(best): no plan here is better.{waits_text(numbers)}",
    )
    sheet.write(weights_text(numbers["weights"]))
    for row in numbers.get("offers", ()):
        worth = (row[names.EQUIVALENT_LABELS], row[names.BREAK_EVEN])
        labels, money = ([endless(one[end]) for end in ENDS] for one in worth)
        sheet.write(
            f"Offer {row['name']}: worth {labels[0]} plain labels ({share}: {labels[1]} to {labels[2]}), break-even "
            f"price {money[0]} ({money[1]} to {money[2]}); {'in the plan' if row['done'] else 'not in the plan'}"
        )
    for row in numbers["rules"]:
        asked = f"probability {row['p_kept']:.2f}, asked for {row['required']:g}: "
        sheet.write(f"Rule {row['words']}: {'' if row['required'] == 1 else asked}{STANDS[row['state']]}")
    for row in numbers["approvals"]:
        said = f"Needs the approval of {row['approver']}: costs more than {significant(row['above'])}"
        sheet.write(said + (f" ({row['reason']})" if row["reason"] else ""))
    for row in numbers["prices"]:
        price = f"{significant(row['price'])} {numbers[names.UNIT]}"
        sheet.write(f"Were the limit {row['limit']} looser, each {row['per']} would be worth {price}")
    sheet.write(*(f"Note: {note}" for note in numbers["notes"]))
    sheet.write(*([] if numbers["cheapest"] is None else ["", cheapest_text(numbers["cheapest"])]))
    return sheet.text()


def bought_rows(rows: Sequence[Mapping[str, Any]]) -> Rows:
    """Lay out what a plan buys in each slice and what that brings."""
    flagged = any(row[names.FLAGS] for row in rows)
    table = Rows([names.SLICE], [names.LABELS, names.GAIN, "lower", "upper", "P(gain>0)", "error then"])
    if flagged:
        table.add_column("flags", overflow="fold")
    for row in rows:
        cells = [f"{row[names.LABELS]:,}", *(f"{row[key]:z.4f}" for key in (names.GAIN, "low", "high"))]
        cells += [f"{row[names.P_GAIN]:.2f}", f"{row[names.ERROR]:.4f}"]
        table.add_row(row[names.SLICE], *cells, *([row[names.FLAGS]] if flagged else []))
    return table


def _money(numbers: Mapping[str, Any]) -> list[str]:
    unit, share = numbers[names.UNIT], f"{100 * numbers[names.CI_PROB]:g} %"
    cost, net, days = (numbers[key] for key in (names.COST, names.NET_BENEFIT, names.DAYS))

    def within(part: Mapping[str, float]) -> str:
        if part["upper"] - part["lower"] < 1e-9 * max(abs(part["mean"]), 1.0):
            return ""
        return f" ({share}: {significant(part['lower'])} to {significant(part['upper'])})"

    lines = [
        f"Net benefit  {estimated(net['mean'], net[names.MCSE])} {unit}{within(net)}, P(> 0) = {net['p_positive']:.2f}",
        f"Cost         {significant(cost['mean'])} {unit}{within(cost)}",
    ]
    if cost["reserve"] > 0:
        lines.append(
            f"Reserve      {significant(cost['reserve'])} {unit} more keeps P(overrun) at {cost['p_overrun']:g}"
        )
    now, then = (numbers["mean_error"][when]["mean"] for when in ("now", "then"))
    worst = numbers["worst_slice"]
    other = "" if worst["slice_now"] == worst["slice_then"] else f" ({worst['slice_then']})"
    lines.append(
        f"Error        mean {now:.4f} → {then:.4f}, worst ({worst['slice_now']}) "
        f"{worst['now']:.4f} → {worst['then']:.4f}{other}"
    )
    lines += [
        f"Other mix    {row['change']}: mean gain {row['mean']:.4f} ({share}: {row['lower']:.4f} to {row['upper']:.4f})"
        for row in numbers["mixes"]
    ]
    if aim := reached_text(numbers):
        lines.append(f"Target       {aim}")
    if days["upper"] > 0:
        lines.append(f"Last label   in {significant(days['mean'])} days{within(days)}")
    return lines


def _candidates(numbers: Mapping[str, Any]) -> Rows:
    """Lay out every candidate with its price, what it is worth and how probably it is the best."""
    aimed = numbers[names.TARGET_REACHED] is not None
    heads = [names.LABELS, names.COST, "enb", "MC error", "cvar", "P(best)", *(["P(target)"] if aimed else [])]
    rows = []
    for row in numbers["plans"]:
        enb = estimated(row["enb"], row[names.MCSE])
        money = [significant(row[names.COST]), enb, *(significant(row[key]) for key in (names.MCSE, "cvar"))]
        chances = [f"{row[key]:.2f}" for key in (names.P_BEST, *(["p_target"] if aimed else []))]
        rows.append([row[names.PLAN], f"{row[names.LABELS]:,}", *money, *chances])
    return Rows([names.PLAN], heads, rows)


def decision_text(decision: Decision) -> str:
    """Say a decision in a dozen lines: what to do, what is bought and brings, what else there was, how the rules stand.

    It is what ``print(decision)`` writes; the page of :func:`labelvalue.write_report` says all of it.

    Parameters
    ----------
    decision : Decision
        From :func:`labelvalue.decide`.

    Returns
    -------
    str
        Lines of at most 80 columns.

    Examples
    --------
    >>> import labelvalue as lv
    >>> case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> decision = lv.decide(lv.testing.fake_fit(seed=1), case, max_labels=2000, measure=False)
    >>> lv.report.decision_text(decision).partition(":")[0]
    'Buy now'
    """
    numbers, sheet = plan_numbers(decision), Sheet()
    sheet.write(decision_sentence(numbers), numbers["reservation"])
    bought = sorted((row for row in numbers[names.GAIN] if row[names.LABELS]), key=lambda row: -row[names.LABELS])
    if bought:
        sheet.write("")
        sheet.lay(bought_rows(bought[:NAMED]))
        sheet.write(*([f"{len(bought) - NAMED} more slices: decision.table()"] if len(bought) > NAMED else []))
    sheet.write(*otherwise_text(numbers))
    unkept = [f"{STANDS[row['state']]}: {row['words']}" for row in numbers["rules"] if row["state"] != names.PASS]
    if numbers["rules"]:
        sheet.write(f"Rules: {'; '.join(unkept) or 'kept'}")
    sheet.write(*(f"Note: {note}" for note in decision.notes if note.startswith(KEPT)))
    return sheet.text().rstrip()


SHOWN = 8  # rows of a sensitivity that are printed; JSON has all


def details_text(details: Mapping[str, Any], unit: str) -> str:
    """Lay sensitivity, stability, milestones and detection out in 80 columns."""
    sheet, inputs = Sheet(), details["sensitivity"]
    sheet.write(f"Where to look first: expected net benefit ({unit}) with each low and high", "")
    shares = ["" if row["first_order"] is None else f"{100 * row['first_order']:.0f} %" for row in inputs]
    rows = [
        [row["what"], significant(row["low"]), significant(row["high"]), share]
        for row, share in zip(inputs, shares, strict=True)
    ]
    sheet.lay(Rows(["what"], ["low", "high", "share of variance"], rows[:SHOWN]))
    if len(rows) > SHOWN:
        sheet.write(f"{SHOWN} of {len(rows)} inputs; --json has all.")
    if details["slices_left_out"]:
        sheet.write(f"The gains of {details['slices_left_out']:,} more slices, which vary least, are no inputs here.")
    stability = details["stability"]
    rows = stability["rows"]
    trusted = [row for row in rows if row["advice"] != REFIT]
    changed = [f"{row['change']} {row['what']}" for row in trusted if row["changes"]]
    said = f"the advice changes in {len(changed)} of {len(trusted)} perturbations of data and priors;"
    sheet.write("", f"Stability: {said}")
    again = sum(row["advice"] == REFITTED for row in rows)
    untold = f"; {len(rows) - len(trusted)} of {len(rows)} cannot be told" if len(trusted) < len(rows) else ""
    sheet.write(f"{again} of {len(rows)} were fitted again, the others re-weighted{untold}.{not_perturbed(stability)}")
    sheet.write(*(f"- changes with: {name}" for name in changed))
    if details["milestones"]:
        sheet.write("", "Batch by batch: go on if the mean error has dropped by at least that much", "")
        heads = ["step", names.LABELS, names.COST, "error", "low", "high", "go if", "P(go)", "P(false stop)"]
        sheet.lay(Rows([], heads, map(_milestone, details["milestones"])))
    if details["detection"]:
        sheet.write("", "Would the evaluation sets at hand show the gain? Items needed for 80 %", "")
        sheet.lay(Rows([names.SLICE], ["P(detected)", "items", "needed"], map(_detected, details["detection"])))
    if details["stress"]:
        sheet.write("", "If new labels are wrong, as many as is plausible (95 %): errors and rules", "")
        heads = ["share", "mean error", "worst slice", "net benefit", "rules"]
        sheet.lay(Rows(["wrong labels"], heads, map(_stressed, details["stress"])))
    return sheet.text()


def _milestone(row: Mapping[str, Any]) -> list[str]:
    rule = ["", "", ""]
    if row["p_go"] is not None:
        go = "always" if row["p_go"] == 1 else "never" if row["p_go"] == 0 else f"{row['go_if_gain']:.4f}"
        rule = [go, f"{row['p_go']:.2f}", f"{row['false_stop']:.2f}"]
    error = [f"{row[key]:.4f}" for key in (names.ERROR, "low", "high")]
    return [str(row["step"]), f"{row[names.LABELS]:,}", significant(row[names.COST]), *error, *rule]


def _detected(row: Mapping[str, Any]) -> list[str]:
    needed = "more than trainings allow" if row["trials_needed"] is None else f"{row['trials_needed']:,.0f}"
    items = "" if row[names.TRIALS] is None else f"{row[names.TRIALS]:,.0f}"
    return [row[names.SLICE], f"{row['p_detected']:.2f}", items, needed]


def _stressed(row: Mapping[str, Any]) -> list[str]:
    errors = [f"{row[names.ERROR]:.4f}", f"{row['worst']:.4f} {row['worst_slice']}"]
    share = f"{100 * row[names.WRONG_SHARE]:.0f} %"
    return [row["stress"], share, *errors, significant(row[names.NET_BENEFIT]), STANDS[row["state"]]]
