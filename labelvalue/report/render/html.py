"""The report: one HTML file that needs no network and no script."""

import functools
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import xarray as xr

from labelvalue import names, numerals
from labelvalue.decisions.advice.decision import Decision
from labelvalue.decisions.search.listing import thinned
from labelvalue.forecast.gains.curves import VALIDATED_DOUBLINGS
from labelvalue.forecast.gains.learners_and_suites import on_suite
from labelvalue.model.fitting.result import Fit
from labelvalue.printing import visible
from labelvalue.report.numbers.exports import existing, save_figures, write_tables
from labelvalue.report.numbers.numbers import collect
from labelvalue.report.numbers.plan import inner_prob, panel
from labelvalue.report.numbers.tables import LOWER, UPPER
from labelvalue.report.plots.curves import caption
from labelvalue.report.plots.first_page import cut_rows, purchase_rows, verdict_of
from labelvalue.report.plots.gains import CAPTION as GAIN_CAPTION, IMPACT_CAPTION
from labelvalue.report.plots.plan import BARS
from labelvalue.report.render.images import (
    SHARP,
    curve_images,
    drawn_slices,
    find_browser,
    first_images,
    gain_images,
    impact_images,
    over_time_images,
    plan_images,
    print_page,
    rank_image,
)
from labelvalue.report.words import wording
from labelvalue.report.words.assumptions import CASE_SOURCE, grouped
from labelvalue.report.words.checks import COMMAND, FLAG_MEANINGS
from labelvalue.report.words.doubts import errors_today, three_scenarios, turning_points
from labelvalue.report.words.project import Context
from labelvalue.report.words.wording import words
from labelvalue.storage import write_whole

on_page = functools.partial(visible, keep="\n")  # text on a page: hidden characters are written out, lines stay
NAME = re.compile("(?<=“)([^“”]*)(?=”)")
ROOM = 84  # characters of intervals that fit side by side in a row of the table
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
ACROSS = 4  # budgets side by side in one table; more go into a further one


DRAWN = 1000  # draws behind the bands of curves: no eye tells them from those of all draws, which tables have


def write_report(
    of: Fit | Decision,
    *,
    path: str | os.PathLike[str],
    budgets: Sequence[int] | None = None,
    ci_prob: float = 0.9,
    header: Sequence[str] = (),
    context: Context | None = None,
    numbers: str | os.PathLike[str] | None = None,
    tables: str | os.PathLike[str] | None = None,
    pictures: str | os.PathLike[str] | None = None,
    pdf: str | os.PathLike[str] | None = None,
) -> Path:
    """Write the report: a picture and the decision first; behind them, folded, all that it rests on.

    One HTML file that asks for nothing from anywhere and reads without scripts; its beginning prints to two pages at
    most. The same fit and plan give the same bytes. A flagged fit is shown under a banner and without a decision, a
    refused one without results.

    Parameters
    ----------
    of : Fit or Decision
        A fit, or a decision from :func:`labelvalue.decide` with the fit that it was made from.
    path : path-like
        File to write, customarily ``.html``; replaced where it exists.
    budgets : sequence of int, optional
        Extra labels to consider, ≥ 0; rounded numbers up to the median slice's labels where not given.
    ci_prob : float
        Probability of the equal-tailed intervals, between 0 and 1.
    header : sequence of str
        Sentences for the head of the page, such as how a project's last forecasts did and what it advises.
    context : Context, optional
        Scorecard, assumptions and changes of a project.
    numbers : path-like, optional
        File to write the page's numbers to as well, as JSON.
    tables : path-like, optional
        Where to write them as tables as well: a file ``.xlsx``, or a folder for one CSV a table.
    pictures : path-like, optional
        Folder to write the page's pictures to as well, as SVG.
    pdf : path-like, optional
        File to print the page to as well, through a headless Chromium or Chrome on PATH.

    Returns
    -------
    pathlib.Path
        The path.

    Raises
    ------
    ValueError
        If a budget is not a whole number ≥ 0 or ``ci_prob`` is not between 0 and 1.
    InputError
        If a PDF is asked for and there is no browser to print it with.
    StorageError
        If a file cannot be written; an older file of that name is left as it was.

    Examples
    --------
    >>> import tempfile
    >>> from labelvalue.testing import fake_fit
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_report(fake_fit(seed=1), path=f"{folder}/report.html", budgets=[500]).name
    'report.html'
    """
    if pdf is not None:
        find_browser()
    place = None if pictures is None else existing(pictures)
    found, gain = collect(of, budgets, ci_prob, context)
    drawn = figures(of, found, gain)
    page = render(found | {"header": list(header)}, drawn)
    path = Path(path)
    write_whole(path, page.encode("utf-8"))
    if numbers is not None:
        text = json.dumps(found, ensure_ascii=False, indent=1, allow_nan=False)
        write_whole(Path(numbers), text.encode("utf-8"))
    if tables is not None:
        write_tables(found, tables)
    if place is not None:
        save_figures(figures(of, found, gain, sharp=True), place)
    if pdf is not None:
        print_page(path, pdf)
    return path


LEFT_OUT = (
    "{} of {:,} slices are drawn: those that most is bought for, then those that would gain most. The tables have all, "
    "and labelvalue.plot_curves and plot_gain draw any."
)


def figures(
    of: Fit | Decision, numbers: Mapping[str, Any], gain: xr.DataArray | None, *, sharp: bool = False
) -> dict[str, Any]:
    """Draw the pictures of the page; ``sharp`` are all of them as vectors."""
    fit = on_suite(of.fit if isinstance(of, Decision) else of, numbers[names.SUITE])
    drawn: dict[str, Any] = {"first": list(first_images(numbers))}
    drawn["over_time"] = list(over_time_images(numbers["over_time"]))
    drawn |= {"curves": [], "gains": [], "impacts": [], "ranks": rank_image(fit, sharp=sharp)}
    drawn |= {"money": [], "tornado": [], "changes": [], "frontiers": []}
    drawn |= {"curve_caption": caption(fit), "gain_caption": GAIN_CAPTION, "impact_caption": IMPACT_CAPTION}
    of_slices = sharp or int(fit.position[names.LABELS_NOW].size) <= SHARP
    if gain is not None:
        probs = (inner_prob(numbers[names.CI_PROB]), numbers[names.CI_PROB])
        few = thinned(fit, DRAWN)
        plan, budgets, chosen = numbers[names.PLAN], numbers["budgets"], drawn_slices(gain, numbers[names.PLAN])
        drawn["curves"] = list(curve_images(few, chosen, budgets, probs, plan, sharp=of_slices))
        drawn["gains"] = list(gain_images(fit, gain.sel({names.SLICE: chosen}), probs, sharp=of_slices))
        if len(chosen) < (every := gain.sizes[names.SLICE]):
            told = LEFT_OUT.format(len(chosen), every)
            drawn |= {key: f"{drawn[key]} {told}" for key in ("curve_caption", "gain_caption")}
        drawn["impacts"] = list(impact_images(fit, probs, sharp=of_slices))
    return drawn | ({} if numbers[names.PLAN] is None else plan_images(numbers))


@functools.cache
def templates(*packages: str) -> jinja2.Environment:
    """Return the templates of pages, those of other packages too; every text that they are given is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name) for name in ("labelvalue.report", *packages)]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "fixed": numerals.number,
        "significant": numerals.significant,
        "estimated": numerals.estimated,
        "endless": numerals.endless,
        "probability": wording.probability,
        "likely": wording.likely,
        "moment": moment,
        "verdict_of": verdict_of,
        "percent": wording.percent,
        "visible": on_page,
        "pieces": pieces,
        "spoken": wording.spoken,
    }
    return environment


ANALYST, STATISTICIAN = READERS = ("For the analyst", "For the statistician")


class Section(NamedTuple):
    """A section of the page: its template's name, and what that shows, from the page's numbers; if nothing, it goes."""

    id: str
    title: str
    reader: str
    prepare: Callable[[Mapping[str, Any]], Any]


def _always(_: Mapping[str, Any]) -> Any:
    return True


def _drawn(numbers: Mapping[str, Any]) -> Any:
    return numbers["verdict"] != "refused"


def _plan(numbers: Mapping[str, Any]) -> Any:
    return numbers[names.PLAN]


def _over_time(numbers: Mapping[str, Any]) -> Any:
    told = [numbers[key] for key in ("scorecard", "widths", "carried")]
    return any(told) or bool(numbers["remarks"][names.BATCH])


SECTIONS = [
    Section("words", "Words used here", ANALYST, lambda numbers: numbers["decision"]["status"] == "published"),
    Section("over-time", "Batch by batch: promised, delivered, spent", ANALYST, _over_time),
    Section("plan", "The plan in full, and why", ANALYST, _plan),
    Section("slices", "Slice by slice", ANALYST, _always),
    Section("gains", "Gain and impact", ANALYST, _drawn),
    Section("money", "Money", ANALYST, _plan),
    Section("what-if", "What if?", ANALYST, lambda numbers: _plan(numbers) and panel(_plan(numbers))),
    Section("quality", "Label quality", ANALYST, lambda numbers: _plan(numbers) and _plan(numbers)["label_quality"]),
    Section("limits", "Assumptions and limitations", ANALYST, _always),
    Section("curves", "Learning curves", STATISTICIAN, _drawn),
    Section("risk", "Risk", STATISTICIAN, _plan),
    Section("diagnostics", "Trust: backtest, diagnostics", STATISTICIAN, _always),
    Section("provenance", "Provenance", STATISTICIAN, _always),
]  # a row each, in the order in which they stand


def render(numbers: Mapping[str, Any], drawn: Mapping[str, Any]) -> str:
    """Fill the page's template."""
    digits, plan = _digits(numbers), numbers[names.PLAN]
    prepared = {section.id: section.prepare(numbers) for section in SECTIONS}
    there = [section for section in SECTIONS if prepared[section.id]]
    source = next(
        (str(row["source"]) for row in numbers["assumptions"] if str(row["source"]).startswith(CASE_SOURCE)), ""
    )
    source = source.partition(";")[0].partition(":")[0]
    readers = [(who, [section for section in there if section.reader == who]) for who in READERS]
    number_of = {section.id: place for place, section in enumerate((s for _, own in readers for s in own), 1)}
    return (
        templates()
        .get_template("report.html.j2")
        .render(
            n=numbers,
            figures=drawn,
            digits=digits,
            tight=_is_tight(numbers, digits),
            flag_meanings=FLAG_MEANINGS,
            validated=VALIDATED_DOUBLINGS,
            backtest_command=COMMAND,
            readers=readers,
            number_of=number_of,
            first=_first(numbers),
            inner=inner_prob(numbers[names.CI_PROB]),
            words=words(numbers, number_of["limits"]),
            bars=BARS,
            telling=[]
            if plan is None
            else [row for row in plan["information"]["rows"] if row["evppi"] > (row["mcse"] or 0.0)],
            case_source=source,
            assumed=grouped(numbers["assumptions"]),
            sources=list(dict.fromkeys(prior["source"] for prior in numbers["priors"])),
            prepared=prepared,
            what_if=prepared["what-if"],
            budget_groups=_groups(_told_budgets(numbers)),
        )
    )


def _first(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """What stands on the first page beside the decision's own sentences."""
    plan, rows = numbers[names.PLAN], purchase_rows(numbers)
    return {
        "rows": rows,
        "arrows": cut_rows(rows["rows"]),
        "scenarios": [] if plan is None else three_scenarios(plan),
        "turns": [] if plan is None else turning_points(plan),
        "today": errors_today(numbers),
    }


def _told_budgets(numbers: Mapping[str, Any]) -> list[int]:
    """Budgets that tables of gains tell: all, but beside a plan the one at which slices are compared."""
    compared = numbers["decision"]["by_learner"]
    return [compared[0][names.BUDGET]] if compared and numbers[names.PLAN] else numbers.get("budgets", [])


def _groups(budgets: list[int]) -> list[list[int]]:
    """Budgets of each table: as even as can be, none left out."""
    tables = max(-(-len(budgets) // ACROSS), 1)
    size = -(-len(budgets) // tables)
    return [budgets[i : i + size] for i in range(0, len(budgets), size or 1)]


def pieces(sentence: str) -> list[str]:
    """Cut a sentence before and after the names in it, which stand between quotation marks: every second is a name."""
    return NAME.split(on_page(sentence))


def moment(text: str) -> str:
    """Write a time as people do."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    zone = f" {when:%Z}" if when.tzinfo else ""
    return f"{when.day} {MONTHS[when.month - 1]} {when.year}, {when:%H:%M}{zone}"


def _digits(numbers: Mapping[str, Any]) -> dict[str, int]:
    """Decimals of the columns, the same down a column."""
    rows = [row for row in numbers["slices"] if "gains" in row]
    now = [row[names.ERROR_NOW] for row in rows]
    wanted = [
        wording.decimals(_width(gain) for row in rows for gain in row["gains"] if gain[names.BUDGET] == budget)
        for budget in numbers.get("budgets", [])
        if budget > 0
    ]
    # Small budgets need more decimals than large ones; one more than the coarsest keeps the table narrow.
    digits = min(max(wanted), min(wanted) + 1) if wanted else 3
    scores = numbers[names.BACKTEST]["scores"] if numbers[names.BACKTEST] else []
    finest = min((row[names.CRPS] for row in scores), default=0.01)
    plan = numbers[names.PLAN]
    bought = [] if plan is None else [row["high"] - row["low"] for row in plan[names.GAIN] if row[names.LABELS]]
    return {
        "mean_gain": 3 if plan is None else wording.decimals([_width(plan["mean_gain"])]),
        "plan_gain": wording.decimals(bought),
        "error": wording.decimals(map(_width, now)),
        names.GAIN: digits,
        names.CRPS: max(wording.decimals([finest]), 1),
    }


def _is_tight(numbers: Mapping[str, Any], digits: Mapping[str, int]) -> bool:
    """Whether intervals are so long that they must break to fit the table on a page."""
    rows = [row for row in numbers["slices"] if "gains" in row]
    lengths = [
        len(wording.interval(row[names.ERROR_NOW], digits["error"]))
        + sum(len(wording.interval(g, digits[names.GAIN])) for g in row["gains"][:ACROSS])
        + (12 if names.LEARNER in row else 0)
        for row in rows
    ]
    return max(lengths, default=0) > ROOM


def _width(row: Mapping[str, Any]) -> float | None:
    return None if row[LOWER] is None or row[UPPER] is None else row[UPPER] - row[LOWER]
