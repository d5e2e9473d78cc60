"""The commands that decide: what to buy, and whether; and the case file that annotations tell."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelvalue import exits, names
from labelvalue.cli import console
from labelvalue.cli.console import DECIDE, Approved, CaseFile, FitFile, Json, MaxLabels, Seed, add
from labelvalue.printing import WEIGHING, doing
from labelvalue.problems import InputError, Problem, input_error

if TYPE_CHECKING:
    from labelvalue.decisions.advice.decision import Decision
    from labelvalue.decisions.case.case import Case
    from labelvalue.decisions.case.value import Target as Aim
    from labelvalue.model.fitting.result import Fit
    from labelvalue.operate.project import Project


PRICE = "price_per_label"


def case_command(
    out: Annotated[Path, typer.Option(help="Case file to write: .toml.")],
    annotations: Annotated[
        Path | None,
        typer.Argument(metavar="[ANNOTATIONS]", help="Table of 'labelvalue import'; without, the options alone count."),
    ] = None,
    case_file: Annotated[
        Path | None, typer.Option("--case", help="Case to begin with; its other settings stay, its comments do not.")
    ] = None,
    pay_per_hour: Annotated[float | None, console.real("Pay of annotators, from which the price follows.")] = None,
    price: Annotated[float | None, console.real("Price of a label, where it does not follow from pay.")] = None,
    per_error_point: Annotated[float | None, console.real("What one point less of error is worth.")] = None,
    random_seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Write a case file of a price and a worth, and of what annotations tell: wrong labels, prices, labels a day."""
    from labelvalue.decisions.case.annotated import told_by
    from labelvalue.decisions.case.case import Case, as_text, read_case
    from labelvalue.decisions.case.costs import Costs
    from labelvalue.decisions.case.value import Value
    from labelvalue.observe.exports.annotations import load_annotations
    from labelvalue.storage import write_whole

    console.check_writable(out)
    base = None if case_file is None else read_case(case_file)
    if base is None:
        _check(price is None and pay_per_hour is None, "the price of a label", "--price", "or --pay-per-hour")
        _check(per_error_point is None, "what a lower error is worth", "--per-error-point", "")
    told, notes = (
        ({}, []) if annotations is None else told_by(load_annotations(annotations), pay_per_hour, random_seed or 0)
    )
    costs = told.pop("costs", {})
    found = sorted([*costs, *told])
    costs |= {} if price is None else {PRICE: price}
    value: dict[str, Any] = {} if per_error_point is None else {"per_error_point": per_error_point}
    if base is None:
        why = f"({'; '.join(notes)})" if notes else "(pay tells one only with annotations)"
        _check(PRICE not in costs, "the price of a label", "--price", why)
        made = Case(costs=Costs(**costs), value=Value(**value), **told)
    else:
        made = replace(base, costs=replace(base.costs, **costs), value=replace(base.value, **value), **told)
    write_whole(out, as_text(made).encode())
    lines = [] if annotations is None else [f"told: {', '.join(found)}", *notes]
    console.tell({"case": str(out), "told": found, names.NOTES: notes}, as_json, *lines, out)


def _check(lacks: bool, what: str, option: str, more: str) -> None:
    """Refuse a case that says too little."""
    if lacks:
        why = f"neither a case nor an option says {what}"
        raise input_error(why, f"give {option} {more}".strip() + ", or a --case that states it", column=option)


FIT, REPORTS = "fit", "reasons"


def register(app: typer.Typer) -> None:
    """Add the commands to an application."""
    example = "case annotations.csv --pay-per-hour 18 --per-error-point 400 --out case.toml"
    add(app, DECIDE, case_command, example, name="case")
    add(app, DECIDE, plan_command, "plan fit.nc --case case.toml", name=names.PLAN)
    example = "queue fit.nc items.csv --case case.toml --target label --slice country --text text --out tasks.json"
    add(app, DECIDE, queue_command, example, name="queue")


def plan_command(
    fit_file: FitFile,
    case_file: CaseFile,
    max_labels: MaxLabels = None,
    lot: Annotated[int, console.whole("Labels are bought in multiples of it.", least=1)] = 1,
    details: Annotated[
        bool, typer.Option("--details", help="Also sensitivity, stability and milestones; fits again, a minute or two.")
    ] = False,
    target: Annotated[
        float | None,
        console.real("Also the cheapest plan that reaches this error; what of, as the target of the case."),
    ] = None,
    probability: Annotated[
        float | None,
        console.real("Probability with which it, or the case's target, is to be reached; as that says, or 0.9."),
    ] = None,
    approved: Approved = None,
    page: Annotated[Path | None, typer.Option("--report", help="Also write the page of this decision: .html.")] = None,
    ci_prob: console.CiProb = 0.9,
    mlflow: Annotated[
        str | None,
        typer.Option(help="Also a run of this experiment, by its address; token, if any, in MLFLOW_TRACKING_TOKEN."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say how many labels to buy for each slice, or to wait, or to measure first; with costs, risk and reasons."""
    from labelvalue import server
    from labelvalue.decisions.advice.deciding import decide
    from labelvalue.decisions.case.case import read_case
    from labelvalue.decisions.search.cheapest import cheapest_plan
    from labelvalue.model.fitting.result import load_fit
    from labelvalue.report.numbers.alternatives import offer_numbers
    from labelvalue.report.numbers.exports import log_decision
    from labelvalue.report.numbers.plan import plan_numbers
    from labelvalue.report.render.html import write_report
    from labelvalue.report.render.terminal import plan_text, verdict_text
    from labelvalue.report.words.project import Context

    if not 0 < ci_prob < 1:
        raise input_error("must lie in 0 < … < 1", "give a share such as 0.9", column="--ci-prob", value=ci_prob)
    if page is not None:
        console.check_writable(page)
    if mlflow is not None:
        server.page(mlflow, "#/experiments")
    case, fit = read_case(case_file), load_fit(fit_file)
    case.check(fit)
    aim = _aim(case, target)
    if aim is None and probability is not None:
        why, fix = "there is no target that is to be reached with it", "give --target 0.08, or value.target in the case"
        raise input_error(why, fix, column="--probability", value=probability)
    judged = {"verdict": fit.diagnostics.verdict, REPORTS: list(fit.diagnostics.reasons)}
    if fit.diagnostics.verdict == "refused":
        _end(fit, {"verdict": None, FIT: judged}, as_json, verdict_text(fit.diagnostics))
        return
    doing(WEIGHING)
    plan = decide(fit, case, max_labels, lot=lot)
    if target is not None or probability is not None:
        doing("looking for the cheapest plan that reaches the target")
        near = cheapest_plan(fit, case, aim, **console.given(probability=probability, max_labels=max_labels))
        plan = replace(plan, cheapest=near)
    missing = console.missing_approvals(plan, approved)
    numbers = plan_numbers(plan, ci_prob=ci_prob) | {
        FIT: judged,
        "offers": offer_numbers(plan, ci_prob=ci_prob),
        "approvals": list(map(dataclasses.asdict, missing)),
    }
    text = f"{verdict_text(fit.diagnostics)}\n{plan_text(numbers)}"
    context = Context()
    if details:
        more, told = _details(plan, ci_prob)
        context = Context(details=more)
        numbers |= more
        text += f"\n\n{told}"
    if fit.diagnostics.verdict != "ok":
        numbers["verdict"] = None  # results under a banner; no decision is published
    if page is not None:
        doing("writing the page")
        write_report(plan, path=page, ci_prob=ci_prob, context=context)
        numbers["report"] = str(page)
        text += f"\n{page}"
    if mlflow is not None and fit.diagnostics.verdict == "ok":
        numbers["mlflow"] = log_decision(plan, mlflow, ci_prob=ci_prob)
        text += f"\nrun {numbers['mlflow']} of MLflow"
    _end(fit, numbers, as_json, text)
    raise typer.Exit(exits.ending(plan.state, missing))


def queue_command(
    made: Annotated[
        Path, typer.Argument(metavar="FIT", help="A fit; or a project's folder, whose case and recorded advice count.")
    ],
    data: console.Items,
    target: console.Target,
    slice_: console.SliceColumn,
    out: Annotated[Path, typer.Option(help="File to write for the annotation tool.")],
    case_file: Annotated[Path | None, typer.Option("--case", help="With a fit: costs, value and rules: .toml.")] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format", help="label-studio, argilla, doccano, prodigy or csv; csv for a .csv, else label-studio."
        ),
    ] = None,
    text: console.TextColumn = None,
    item: Annotated[str | None, typer.Option(help="Column that names the items; their rows by default.")] = None,
    allowed: Annotated[
        str | None, typer.Option(help="Column that says which items may be labelled: true or false, yes or no, 1 or 0.")
    ] = None,
    learner: console.Learner = None,
    max_labels: MaxLabels = None,
    approved: Approved = None,
    random_seed: Annotated[int | None, console.whole("Seed of what is drawn; that of the fit by default.")] = None,
    push: Annotated[
        str | None,
        typer.Option(help="Also into this project of Label Studio, by its address; token in LABEL_STUDIO_API_KEY."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Choose the very items to label next, as many of each slice as the plan says, and write them for the tool."""
    from labelvalue.observe.importers import label_studio
    from labelvalue.operate.items.choosing import order_of, queue
    from labelvalue.operate.items.tasks import push_queue, write_queue

    console.check_writable(out)
    if push is not None:
        label_studio.check(push)
    fit, case = (None, None) if made.is_dir() else _fit_and_case(made, case_file)
    if fit is None:
        _check_project(case_file, max_labels, approved)
    elif fit.diagnostics.verdict != "ok":  # no decision is published, so no item is queued
        from labelvalue.report.render.terminal import verdict_text

        judged = {"verdict": fit.diagnostics.verdict, REPORTS: list(fit.diagnostics.reasons)}
        _end(fit, {"verdict": None, FIT: judged}, as_json, verdict_text(fit.diagnostics))
        return
    model, given, called, free = console.read_items(data, target, slice_, text, learner, random_seed, item, allowed)
    of, state, reasons, missing = (
        _recorded(made) if fit is None or case is None else _decided(fit, case, max_labels, approved)
    )
    order, code = order_of(of), exits.ending(state, missing)
    if missing or not order.items:
        why = [*missing, *reasons]
        none = f"The decision is: {order.advice}. No item is to be labelled yet, and no file was written."
        console.tell({"verdict": order.advice, "items": {}, REPORTS: why}, as_json, none, *why)
        raise typer.Exit(code)
    doing("choosing items")
    found = queue(of, model, *given, items=called, allowed=free, random_state=random_seed)
    write_queue(found, out, format_ or ("csv" if out.suffix.lower() == ".csv" else "label-studio"))
    counts = {str(name): int(n) for name, n in found[names.SLICE].value_counts(sort=False).items()}
    notes = found.attrs[names.NOTES]
    numbers = {"verdict": order.advice, "items": counts, "queue": str(out), names.NOTES: notes}
    every = ", ".join(f"{name} {n:,}" for name, n in counts.items())
    if push is not None:
        push_queue(found, push)
        numbers["pushed"] = push
        notes = [*notes, f"pushed to {push}"]
    console.tell(numbers, as_json, f"{len(found):,} items to label: {every}", *notes, out)
    raise typer.Exit(code)


def _fit_and_case(fit_file: Path, case_file: Path | None) -> tuple[Fit, Case]:
    from labelvalue.decisions.case.case import read_case
    from labelvalue.model.fitting.result import load_fit

    if case_file is None:
        raise input_error("a fit needs a case", "give --case case.toml, or a project's folder", column="--case")
    case = read_case(case_file)
    return load_fit(fit_file), case


def _check_project(case_file: Path | None, max_labels: int | None, approved: list[str] | None) -> None:
    """Refuse what a project says itself."""
    told = {"--case": case_file, "--max-labels": max_labels, "--approved": approved}
    problems = [
        Problem(column=name, why="a project says it itself", fix="leave it out, or give a fit in place of the project")
        for name, value in told.items()
        if value is not None
    ]
    if problems:
        raise InputError(problems)


def _recorded(folder: Path) -> tuple[Project, str, list[str], list[str]]:
    """A project with the state and the reasons of its advice, and the approvals that are missing."""
    from labelvalue.operate.items.choosing import current
    from labelvalue.operate.project import Project
    from labelvalue.operate.refit.outcome import GIVEN, approval_line, approvals

    project = Project.open(folder)
    advised = current(project)
    needed = approvals(advised.content, advised.number, project.ledger.records("decision"))
    missing = [approval_line(one) for one in needed if one[GIVEN] is None]
    return project, advised.content["state"], advised.content[REPORTS], missing


def _decided(
    fit: Fit, case: Case, max_labels: int | None, approved: list[str] | None
) -> tuple[Decision, str, list[str], list[str]]:
    """A decision with its state and reasons, and the approvals that are missing."""
    from labelvalue.decisions.advice.deciding import decide

    doing(WEIGHING)
    made = decide(fit, case, max_labels)
    missing = [f"approval of {one.approver!r} is missing" for one in console.missing_approvals(made, approved)]
    return made, made.state, list(made.verdict.reasons), missing


def _end(fit: Fit, numbers: dict, as_json: bool, text: str) -> None:
    if not as_json:
        console.say_text(text)
    console.finish(fit, numbers, as_json)


def _aim(case: Case, error: float | None) -> Aim | None:
    """The target that is asked for: an error of what the case's target is about, or that target itself."""
    from labelvalue.decisions.case.value import MEAN_ERROR, Target

    stated = case.value.target
    if error is None:
        return stated
    return Target(error=error, of=MEAN_ERROR) if stated is None else replace(stated, error=error)


def _details(plan: Decision, ci_prob: float) -> tuple[dict, str]:
    from labelvalue.decisions.outcomes.compare import compare_pairs
    from labelvalue.decisions.outcomes.waiting import value_of_waiting
    from labelvalue.forecast.gains.prior_sensitivity import Refits
    from labelvalue.report.numbers.plan import detail_numbers
    from labelvalue.report.numbers.tables import records
    from labelvalue.report.render.terminal import details_text

    doing("trying other numbers, data and priors, by new fits where draws cannot say")
    more = detail_numbers(plan, ci_prob=ci_prob, refit=Refits(progress=True))
    more["pairs"] = records(compare_pairs(plan.outcomes, ci_prob=ci_prob))
    if plan.waiting.get("learnt"):
        more["changes"] = records(value_of_waiting(plan))
    return more, details_text(more, plan.outcomes.attrs[names.UNIT])
