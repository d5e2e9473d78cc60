"""The commands on a project: from init, add, refit and round to history, verify, decide, explain and preview."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelvalue import names
from labelvalue.cli import console
from labelvalue.cli.console import (
    PROJECT,
    Cost,
    Items,
    Json,
    Learner,
    Pdf,
    RunsFile,
    Seed,
    SliceColumn,
    Target,
    TextColumn,
    add as add_command,
)
from labelvalue.numerals import readable
from labelvalue.printing import goes_on, visible, wrapped
from labelvalue.problems import input_error

if TYPE_CHECKING:
    import xarray as xr

    from labelvalue.operate.project import Project
    from labelvalue.operate.refit.outcome import Refit

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Project folder.")]


def init(folder: Folder, as_json: Json = False) -> None:
    """Make a project: labelvalue.toml to be edited, an empty ledger, folders for runs and fits.

    With LABELVALUE_LEDGER_KEY in the environment its ledger is keyed: without that key nobody writes or verifies it.
    """
    from labelvalue.operate.project import Project

    head = Project.create(folder).ledger.last().digest
    console.tell({"project": str(folder), "head": head}, as_json, folder / "labelvalue.toml", f"head {head}")


def add(
    folder: Folder,
    runs: RunsFile,
    batch: Annotated[str | None, typer.Option(help="Id of the batch; the file's name by default.")] = None,
    supersede: Annotated[bool, typer.Option("--supersede", help="Take the place of a batch of the same id.")] = False,
    cost: Cost = None,
    as_json: Json = False,
) -> None:
    """Add a batch of runs and score what was forecast for it; the same content again changes nothing.

    A table of 'labelvalue import' is a batch of annotations: where the case of the project does not state its price,
    labels a day and share of wrong labels, these are what all annotations tell.
    """
    project = _open(folder)
    before = project.ledger.last().number
    project.add(runs, batch=batch, supersede=supersede, cost=cost)
    _tell_new(project, before, as_json, f"nothing new in {runs}", measured=True)


def refit(
    folder: Folder,
    every: Annotated[bool, typer.Option("--all", help="DIR holds many projects: fit each of them again.")] = False,
    jobs: Annotated[int, console.whole("With --all: projects at a time.", least=-1000, most=1000)] = 1,
    backend: Annotated[str, typer.Option(help="With --all: joblib, or dask (extra 'distributed').")] = "joblib",
    scheduler: Annotated[str | None, typer.Option(help="With --backend dask: address of a scheduler.")] = None,
    if_changed: Annotated[
        bool, typer.Option("--if-changed/--again", help="Only if something changed; or even so, comparing the draws.")
    ] = True,
    no_backtest: Annotated[
        bool, typer.Option("--no-backtest", help="Do not check forecasts from part of the runs this time.")
    ] = False,
    pdf: Pdf = None,
    as_json: Json = False,
) -> None:
    """Fit all batches, publish the fit if it can be trusted, and judge it by the guardrails."""
    if pdf is not None:
        from labelvalue.report.render.images import find_browser, print_page

        if every:
            raise input_error("prints one project", "name it in place of their folder", column="--pdf", value=pdf)
        find_browser()
        console.check_writable(pdf)
    if every:
        _refit_all(folder, jobs, backend, scheduler, not no_backtest, as_json)
        return
    result = _open(folder).refit(again=not if_changed, backtest=not no_backtest)
    if pdf is not None and result.page is not None:
        print_page(Path(result.page), pdf)
    _end(result, as_json)


def round_command(
    folder: Folder,
    data: Items,
    target: Target,
    slice_: SliceColumn,
    text: TextColumn = None,
    learner: Learner = None,
    batch: Annotated[str | None, typer.Option(help="Id of the batch; 'round 1' and so on by default.")] = None,
    cost: Cost = None,
    random_seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Train on parts of the labels so far, add the runs as a batch, fit again and decide."""
    model, items, *_ = console.read_items(data, target, slice_, text, learner, random_seed)
    _end(_open(folder).next_round(model, *items, random_state=random_seed, batch=batch, cost=cost), as_json)


def realised(
    folder: Folder,
    data: Annotated[Path, typer.Argument(metavar="DATA", help="All items, the new labels included.")],
    test: Annotated[Path, typer.Argument(metavar="TEST", help="A test set that nobody trained on.")],
    target: Target,
    slice_: SliceColumn,
    text: TextColumn = None,
    learner: Learner = None,
    random_seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Compare what the new labels brought on a test set with what the last fit promised; nothing is recorded."""
    model, items, *_ = console.read_items(data, target, slice_, text, learner, random_seed)
    _, tested, *_ = console.read_items(test, target, slice_, text, learner, random_seed)
    found = _open(folder).realised(model, *items, test=tested, random_state=random_seed or 0)
    lines = [
        f"{row['labels']:,} labels of {visible(row['slice'])} now: promised {readable(row['promised'])} less error "
        f"({readable(row['lower'])} to {readable(row['upper'])}), came {readable(row['came'])}"
        f"{'' if row['inside'] else ', outside the interval'}"
        for row in found.to_dict("records")
    ]
    _tell({"rows": found.to_dict("records"), **found.attrs}, as_json, "\n".join(map(wrapped, lines)))


def history(
    folder: Folder,
    out: Annotated[Path | None, typer.Option(help="Also write the whole trail, verified: .json or .html.")] = None,
    as_json: Json = False,
) -> None:
    """List every record: when, by whom, and what.

    Kinds: project, settings, batch, annotations, forecast, score, fit, check, advice, decision, note, page, failure,
    migration.
    """
    import json

    from labelvalue.storage import write_whole

    project = _open(folder)
    table = project.history()
    if out is not None and out.suffix.lower() in (".html", ".htm"):
        console.check_writable(out)
        project.page(out)
    elif out is not None:
        console.check_writable(out)
        trail = json.dumps(project.export(), ensure_ascii=False, indent=2, allow_nan=False)
        write_whole(out, trail.encode())
    lines = [wrapped(f"{r.number:>4}  {r.time}  {r.kind:<8}  {r.by}  {r.what}", " " * 6) for r in table.itertuples()]
    _tell({"records": table.to_dict(orient="records")}, as_json, "\n".join(lines))


def verify(
    folder: Folder,
    head: Annotated[str | None, typer.Option(help="Digest that an earlier command printed.")] = None,
    reproduce: Annotated[bool, typer.Option("--reproduce", help="Make the last advice again and compare.")] = False,
    as_json: Json = False,
) -> None:
    """Recompute every digest of ledger, runs, fits and pages; the first that differs ends it with exit code 5.

    Without a key the chain shows what was changed by somebody who did not recompute the digests after it. Whoever may
    write the folder can, and can cut records off at the end: a digest kept elsewhere (--head) tells; so does, of the
    first, LABELVALUE_LEDGER_KEY, set since init and unknown to them. labelvalue.toml may be edited; if so it is said.
    """
    from labelvalue.operate.history.trail import settings_line

    project = _open(folder)
    digest = project.verify(head=head, reproduce=reproduce)
    again = "; the last advice was made again, the same" if reproduce else ""
    settings = settings_line(project)
    found = {"head": digest, "reproduced": True if reproduce else None, "settings": settings}
    _tell(found, as_json, f"sound{again}\n{settings}\nkeep this digest elsewhere:\n{digest}")


def decide(
    folder: Folder,
    verdict: Annotated[str, typer.Argument(metavar="VERDICT", help="Such as 'buy', 'wait' or 'measure first'.")],
    approver: Annotated[str, typer.Option(help="Who answers for it.")],
    comment: Annotated[str, typer.Option(help="Why.")] = "",
    as_json: Json = False,
) -> None:
    """Record a person's decision on the published fit and its advice."""
    project = _open(folder)
    before = project.ledger.last().number
    _tell_new(project.decide(verdict, approver=approver, comment=comment), before, as_json)


def note(
    folder: Folder,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is to be known.")],
    slice_: Annotated[str | None, typer.Option("--slice", help="Slice that it is about.")] = None,
    batch: Annotated[str | None, typer.Option(help="Batch that it is about.")] = None,
    author: Annotated[str, typer.Option(help="Who says it; you by default.")] = "",
    as_json: Json = False,
) -> None:
    """Put down what an expert says of a slice or a batch; it stands in the ledger and on the next page."""
    project = _open(folder)
    before = project.ledger.last().number
    _tell_new(project.note(text, slice=slice_, batch=batch, author=author), before, as_json)


def explain(
    folder: Folder,
    budget: Annotated[int | None, console.whole("Extra labels a slice whose gain is compared.")] = None,
    at: Annotated[int | None, console.whole("Number of an earlier advice, or of a fit's record.")] = None,
    as_json: Json = False,
) -> None:
    """Say why the advice changed, one step at a time; changes add up.

    Steps: code, data, drift, learner, model, priors, settings, width (of intervals, by past forecasts), price, case.
    """
    from labelvalue.operate.refit.outcome import change_lines

    table = _open(folder).explain(budget=budget, at=at)
    _tell({**table.attrs, "changes": _rows(table)}, as_json, "\n".join(change_lines(table)))


def assets(folder: Folder, as_json: Json = False) -> None:
    """Show labels as an asset: what each batch cost, the gain it promised and the one it delivered."""
    from labelvalue.operate.refit.outcome import over_time_lines, table_lines

    table = _open(folder).assets()
    total = ", ".join(f"{key} {readable(value)}" for key, value in table.attrs["total"].items() if value is not None)
    lines = [
        *table_lines(table),
        wrapped(f"together: {total or 'nothing yet'}"),
        *map(wrapped, over_time_lines(table)),
        *map(wrapped, table.attrs["warnings"]),
    ]
    _tell({**table.attrs, "assets": _rows(table)}, as_json, "\n".join(lines))


def assumptions(folder: Folder, as_json: Json = False) -> None:
    """List what the advice takes for granted: text, source, value, and what changes if it is wrong."""
    from labelvalue.operate.refit.outcome import table_lines

    table = _open(folder).assumptions()
    _tell({"assumptions": _rows(table)}, as_json, "\n".join(table_lines(table)))


def preview(folder: Folder, runs: RunsFile, as_json: Json = False) -> None:
    """Fit with a batch, and say what it would change; nothing is recorded."""
    from labelvalue.operate.refit.outcome import table_lines

    table = _open(folder).preview(runs)
    said = [f"gains are those of the next {table.attrs[names.BUDGET]:,} labels"]
    said += [f"the fit with the batch is {table.attrs['verdict']}"] + table.attrs["reasons"]
    _tell({**table.attrs, "preview": _rows(table)}, as_json, "\n".join([*table_lines(table), *map(wrapped, said)]))


def _refit_all(root: Path, jobs: int, backend: str, scheduler: str | None, backtest: bool, as_json: bool) -> None:
    """Every project under a folder; ends with the highest of their exit codes."""
    from labelvalue.operate.refit.many import refit_all
    from labelvalue.operate.refit.outcome import summary_lines

    goes_on("fitting the projects")
    how: Any = {"backend": backend, "scheduler": scheduler, "backtest": backtest}
    table = refit_all(root, n_jobs=jobs, **how)
    _tell({**table.attrs, "projects": _rows(table)}, as_json, "\n".join(summary_lines(table)), one_line=True)
    if table.attrs["exit_code"]:
        raise typer.Exit(table.attrs["exit_code"])


def _rows(table: Any) -> list[dict]:
    return table.astype(object).where(table.notna(), None).to_dict(orient="records")


def _open(folder: Path) -> Project:
    from labelvalue.operate.project import Project

    return Project.open(folder)


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command, example in EXAMPLES.items():
        add_command(app, PROJECT, command, example, name=example.split()[0])


EXAMPLES: dict[Callable[..., None], str] = {
    init: "init churn",
    add: "add churn runs.csv --batch march --cost 1200",
    refit: "refit churn",
    round_command: "round churn items.parquet --target label --slice country --cost 1200",
    realised: "realised churn items.parquet test.parquet --target label --slice country",
    history: "history churn --out trail.html",
    verify: "verify churn",
    decide: "decide churn buy --approver 'head of data'",
    note: "note churn 'labelled by interns' --batch march",
    explain: "explain churn --budget 2000",
    assets: "assets churn",
    assumptions: "assumptions churn",
    preview: "preview churn april.csv",
}


def _tell_new(project: Project, before: int, as_json: bool, otherwise: str = "", *, measured: bool = False) -> None:
    """The records that a command added, what a new batch leaves open, and the digest with which the ledger ends."""
    from labelvalue.operate.history.descriptions import describe_records

    head = project.ledger.last().digest
    rows = describe_records(project.ledger.records(after=before))
    lines = [wrapped(row["what"]) for row in rows] or [wrapped(otherwise)]
    measured = measured and any(row["kind"] == "batch" for row in rows)
    missing, more = console.measure_next(_last_batch(project)) if measured else ({}, [])
    document = {"records": rows, "head": head} | ({"missing": missing} if missing else {})
    _tell(document, as_json, "\n".join([*lines, *map(wrapped, more), f"head {head}"]))


def _last_batch(project: Project) -> xr.Dataset:
    from labelvalue.operate.store.batches import joint_runs
    from labelvalue.operate.store.folders import RUNS, current_batches

    return joint_runs(project.folder / RUNS, current_batches(project.ledger.records("batch"))[-1:])


def _tell(document: dict, as_json: bool, text: str, *, one_line: bool = False) -> None:
    console.tell(document, as_json, *text.split("\n"), one_line=one_line)


def _end(result: Refit, as_json: bool) -> None:
    """Tell what a re-fit came to, and end with its exit code."""
    _tell(result.as_dict(), as_json, str(result), one_line=True)
    if result.exit_code:
        raise typer.Exit(result.exit_code)
