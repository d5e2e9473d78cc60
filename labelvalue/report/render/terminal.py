"""Verdict, gains and a plan as plain text that fits a terminal."""

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from labelvalue import names
from labelvalue.model.sampling.diagnostics import Diagnostics
from labelvalue.numerals import counted, endless, estimated, significant
from labelvalue.printing import WIDTH, visible, wrapped

INTERVALS = {"eti": "equal-tailed"}
NUMBERS = ("mean", "lower", "upper")
TOTAL = "total_mean"
BACKTEST_MEANING = (
    "at: {at}. n counts forecasts. CRPS and interval score (IS, of 90 % intervals) are lower for better forecasts; "
    "ratio is CRPS over that of the best simple rule. 50 % and 90 %: how many intervals held what was then measured. "
    "bias is forecast minus measured error. Brier scores the probability of a gain. Numbers in names of rules: "
    "doublings looked back on."
)
UNPUBLISHED = "No decision is published; by its forecasts alone it would be:"
SAID = {
    "ok": "The fit converged, and the model fits the runs.",
    "flagged": "FLAGGED: read these results with care; no decision is published.",
    "refused": "REFUSED: the fit did not converge; only its diagnostics are shown.",
}


class Rows(Table):
    """A table of texts, which give way and go on below, and of numbers, which do not; cells hide nothing."""

    def __init__(self, texts: Sequence[str], numbers: Sequence[str]):
        super().__init__(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        for title in texts:
            self.add_column(title, overflow="fold")
        for title in numbers:
            self.add_column(title, justify="right", no_wrap=True)

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
    shown = Rows(texts, ["labels needed", "lower", "upper", "P(never)"])
    for row in table.to_dict(orient="records"):
        ends = ("never" if math.isinf(row[key]) else f"{row[key]:,.0f}" for key in ("median", "lower", "upper"))
        shown.add_row(*(str(row[key]) for key in texts), *ends, f"{row['p_never']:.2f}")
    sheet, share = Sheet(), f"{100 * float(table.attrs[names.CI_PROB]):g}"
    sheet.lay(shown)
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


AIMS = {"mean": "mean error", "worst": "error of the worst slice", "gap": "gap between slices"}
"""What a target is about, in words."""
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
    if aim := _reached(numbers):
        lines.append(f"Target       {aim}")
    if days["upper"] > 0:
        lines.append(f"Last label   in {significant(days['mean'])} days{within(days)}")
    return lines


def _reached(numbers: Mapping[str, Any]) -> str:
    """Say how probably the target of the case is reached, now and with the plan; nothing where it has none."""
    if (aim := numbers[names.TARGET_REACHED]) is None:
        return ""
    return f"{AIMS[aim['of']]} ≤ {aim['error']:g}: P(reached) {aim['now']:.2f} → {aim['then']:.2f}"


def target_text(numbers: Mapping[str, Any]) -> str:
    """Say what becomes of the case's target with the plan, and the cheapest plan for it; nothing where it has none."""
    near = "" if numbers["cheapest"] is None else f" {cheapest_text(numbers['cheapest'])}"
    return f"{_reached(numbers)} with the plan.{near}" if numbers[names.TARGET_REACHED] is not None else ""


NAMED = 5  # slices that a sentence names; it says how many more there are


def cheapest_text(found: Mapping[str, Any]) -> str:
    """Say with which labels a target is reached for the least money, or how near one comes."""
    bought = sorted((row for row in found["rows"] if row[names.LABELS]), key=lambda row: -row[names.LABELS])
    labels = ", ".join(f"{row[names.LABELS]:,} for {row[names.SLICE]}" for row in bought[:NAMED])
    labels += f" and more in {counted(len(bought) - NAMED, 'other slice')}" if len(bought) > NAMED else ""
    lead = "The cheapest plan for" if found["found"] else "No plan reaches"
    also = "" if found["found"] else "; the nearest"
    reached = f"P(reached) {found['p_target']:.2f}, asked for {found[names.PROBABILITY]:g}"
    money = f"{significant(found[names.COST])} {found[names.UNIT]}"
    return f"{lead} {AIMS[found['of']]} ≤ {found[names.TARGET]:g}{also}: {labels or 'no labels'}, {money}, {reached}."


def weights_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say which plan has the best score at which weights of the risk."""
    best: dict[str, list[str]] = {}
    for row in rows:
        best.setdefault(row["best"], []).append(f"{row['weight']:g}{' (the case)' if row['own'] else ''}")
    said = "; ".join(f"{name} at λ = {', '.join(weights)}" for name, weights in best.items())
    other = any(row["own"] and row["best"] != names.RECOMMENDED for row in rows)
    decides = " The score orders plans and decides nothing: the verdict goes by the case's appetite for risk."
    return f"Best by the score ENB − λ · CVaR: {said}.{decides if other else ''}"


def waits_text(numbers: Mapping[str, Any]) -> str:
    """Say which plan the candidate ``waiting`` is; nothing where there is none."""
    if not (told := numbers[names.WAITING]):
        return ""
    known = "the plan that is best once it is known which changes come" if told["learnt"] else "the plan"
    return f" {names.WAITING}: {known}, {told['days']:,.0f} days later."


def otherwise_text(numbers: Mapping[str, Any]) -> list[str]:
    """Say what the next best candidate, waiting and doing nothing would bring, where each is a candidate."""
    others = [row for row in numbers["plans"] if row[names.PLAN] != names.RECOMMENDED]
    told = others[:1] + [row for row in others[1:] if row[names.PLAN] in (names.WAITING, names.NOTHING)]
    said = ", ".join(f"{row[names.PLAN]} {estimated(row['enb'], row[names.MCSE])}" for row in told)
    return [f"Instead (ENB, {numbers[names.UNIT]}): {said}"] if said else []


def _candidates(numbers: Mapping[str, Any]) -> Rows:
    """Lay out every candidate with its price, what it is worth and how probably it is the best."""
    aimed = numbers[names.TARGET_REACHED] is not None
    table = Rows(
        [names.PLAN],
        [names.LABELS, names.COST, "enb", "MC error", "cvar", "P(best)", *(["P(target)"] if aimed else [])],
    )
    for row in numbers["plans"]:
        enb = estimated(row["enb"], row[names.MCSE])
        money = [significant(row[names.COST]), enb, *(significant(row[key]) for key in (names.MCSE, "cvar"))]
        chances = [f"{row[key]:.2f}" for key in (names.P_BEST, *(["p_target"] if aimed else []))]
        table.add_row(row[names.PLAN], f"{row[names.LABELS]:,}", *money, *chances)
    return table
