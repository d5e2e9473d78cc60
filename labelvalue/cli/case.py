"""The command that writes a case file of what annotations tell: wrong labels, time, price, pace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelvalue import names
from labelvalue.cli import console
from labelvalue.cli.console import Json, Seed
from labelvalue.cli.help import DECIDE, add
from labelvalue.problems import InputError, input_error

if TYPE_CHECKING:
    import pandas as pd


PRICE = "price_per_label"


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    example = "case annotations.csv --pay-per-hour 18 --per-error-point 400 --out case.toml"
    add(app, DECIDE, case_command, example, name="case")


def case_command(
    annotations: Annotated[Path, typer.Argument(metavar="ANNOTATIONS", help="Table of 'labelvalue import'.")],
    out: Annotated[Path, typer.Option(help="Case file to write: .toml.")],
    case_file: Annotated[
        Path | None, typer.Option("--case", help="Case to begin with; its other settings stay, its comments do not.")
    ] = None,
    pay_per_hour: Annotated[float | None, console.real("Pay of annotators, from which the price follows.")] = None,
    price: Annotated[float | None, console.real("Price of a label, where it does not follow from pay.")] = None,
    per_error_point: Annotated[float | None, console.real("What one point less of error is worth.")] = None,
    random_seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Write a case file of what annotations tell: wrong labels and prices by slice, hours, and labels a day."""
    from labelvalue.decisions.case.case import Case, as_text
    from labelvalue.decisions.case.case_file import read_case
    from labelvalue.decisions.case.costs import Costs
    from labelvalue.decisions.case.value import Value
    from labelvalue.observe.exports.annotations import load_annotations
    from labelvalue.storage import write_whole

    console.check_writable(out)
    base = None if case_file is None else read_case(case_file)
    if base is None:
        _check(price is None and pay_per_hour is None, "the price of a label", "--price", "or --pay-per-hour")
        _check(per_error_point is None, "what a lower error is worth", "--per-error-point", "")
    told, notes = _told(load_annotations(annotations), pay_per_hour, random_seed or 0)
    costs = told.pop("costs")
    found = sorted([*costs, *told])
    costs |= {} if price is None else {PRICE: price}
    value: dict[str, Any] = {} if per_error_point is None else {"per_error_point": per_error_point}
    if base is None:
        _check(PRICE not in costs, "the price of a label", "--price", f"({'; '.join(notes)})")
        made = Case(costs=Costs(**costs), value=Value(**value), **told)
    else:
        made = replace(base, costs=replace(base.costs, **costs), value=replace(base.value, **value), **told)
    write_whole(out, as_text(made).encode())
    console.tell(
        {"case": str(out), "told": found, names.NOTES: notes}, as_json, f"told: {', '.join(found)}", *notes, out
    )


def _check(lacks: bool, what: str, option: str, more: str) -> None:
    """Refuse a case that says too little."""
    if lacks:
        why = f"neither a case nor an option says {what}"
        raise input_error(why, f"give {option} {more}".strip() + ", or a --case that states it", column=option)


def _told(annotations: pd.DataFrame, pay: float | None, seed: int) -> tuple[dict[str, Any], list[str]]:
    """Settings of a case that annotations tell, ``costs`` among them, and a note of each that they do not."""
    from labelvalue.model.annotators.label_noise import estimate_label_noise
    from labelvalue.model.annotators.work import estimate_work

    told: dict[str, Any] = {"costs": {}}
    notes: list[str] = []
    for of, estimate in (("share of wrong labels", estimate_label_noise), ("hours and prices", estimate_work)):
        try:
            found: Any = estimate(annotations, random_seed=seed)
        except InputError as error:
            notes.append(f"note: no {of}: {error.problems[0].why}")
            continue
        if found.diagnostics.verdict != "ok":
            reasons = "; ".join(found.diagnostics.reasons)
            notes.append(f"note: no {of}: the estimate is {found.diagnostics.verdict} ({reasons})")
        elif estimate is estimate_label_noise:
            told |= _readable(found.quantities())
        else:
            told["costs"] = _readable(found.quantities(pay))
    return told, notes


def _readable(stated: Any) -> Any:
    """The same with ends of intervals in four digits, which is more than a posterior knows."""
    from labelvalue.quantities import Interval

    if isinstance(stated, dict):
        return {name: _readable(one) for name, one in stated.items()}
    if isinstance(stated, Interval):
        low, high = (float(f"{end:.4g}") for end in (stated.low, stated.high))
        return replace(stated, low=low, high=high)
    return stated
