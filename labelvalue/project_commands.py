"""The commands on a project: init, add, refit, history, verify, decide, explain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labelvalue import console

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Project folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


def init(folder: Folder, as_json: Json = False) -> None:
    """Make a project: labelvalue.toml to be edited, an empty ledger, folders for runs and fits."""
    from labelvalue.operate import Project

    Project.create(folder)
    _tell({"project": str(folder)}, as_json, str(folder / "labelvalue.toml"))


def add(
    folder: Folder,
    runs: Annotated[Path, typer.Argument(metavar="RUNS", help="A runs table: .csv or .parquet.")],
    batch: Annotated[str | None, typer.Option(help="Id of the batch; the file's name by default.")] = None,
    supersede: Annotated[bool, typer.Option("--supersede", help="Take the place of a batch of the same id.")] = False,
    as_json: Json = False,
) -> None:
    """Add a batch of runs and score what was forecast for it; the same content again changes nothing."""
    from labelvalue.operate import Project

    project = Project.open(folder)
    before = len(project.ledger.records())
    project.add(runs, batch=batch, supersede=supersede)
    new = project.history().iloc[before:]
    lines = new["what"].tolist() or [f"nothing new in {runs}"]
    _tell({"records": new.to_dict(orient="records")}, as_json, "\n".join(lines))


def refit(
    folder: Folder,
    if_changed: Annotated[
        bool,
        typer.Option("--if-changed/--again", help="Only if something changed; or even so, comparing the draws."),
    ] = True,
    as_json: Json = False,
) -> None:
    """Fit all batches, publish the fit if it can be trusted, and judge it by the guardrails."""
    from labelvalue.operate import Project
    from labelvalue.operate.wording import refit_lines

    result = Project.open(folder).refit(again=not if_changed, progress=not as_json)
    _tell(result.as_dict(), as_json, "\n".join(refit_lines(result)), one_line=True)
    if result.exit_code:
        raise typer.Exit(result.exit_code)


def history(
    folder: Folder,
    out: Annotated[Path | None, typer.Option(help="Also write the whole trail, verified: .json.")] = None,
    as_json: Json = False,
) -> None:
    """List every batch, forecast, score, fit, check and decision: when, by whom, and what."""
    import json

    from labelvalue.operate import Project
    from labelvalue.storage import write_whole

    project = Project.open(folder)
    table = project.history()
    if out is not None:
        console.check_writable(out)
        trail = json.dumps(project.export(), ensure_ascii=False, indent=2, allow_nan=False)
        write_whole(out, trail.encode())
    lines = [f"{r.number:>4}  {r.time}  {r.kind:<8}  {r.by}  {r.what}" for r in table.itertuples()]
    _tell({"records": table.to_dict(orient="records")}, as_json, "\n".join(lines))


def verify(
    folder: Folder,
    head: Annotated[str | None, typer.Option(help="Digest that an earlier verify printed.")] = None,
    as_json: Json = False,
) -> None:
    """Recompute every digest of ledger, runs and fits; the first that differs ends it with exit code 5."""
    from labelvalue.operate import Project

    digest = Project.open(folder).verify(head=head)
    _tell({"head": digest}, as_json, f"sound; keep this digest elsewhere:\n{digest}")


def decide(
    folder: Folder,
    verdict: Annotated[str, typer.Argument(metavar="VERDICT", help="Such as 'buy', 'wait' or 'measure first'.")],
    approver: Annotated[str, typer.Option(help="Who answers for it.")],
    comment: Annotated[str, typer.Option(help="Why.")] = "",
    as_json: Json = False,
) -> None:
    """Record a decision on the published fit."""
    from labelvalue.operate import Project

    project = Project.open(folder).decide(verdict, approver=approver, comment=comment)
    last = project.history().iloc[-1]
    _tell(last.to_dict(), as_json, str(last["what"]))


def explain(
    folder: Folder,
    budget: Annotated[int | None, typer.Option(help="Extra labels a slice whose gain is compared.")] = None,
    as_json: Json = False,
) -> None:
    """Say why gains changed between the last two published fits: code, data, model and priors, settings."""
    from labelvalue.operate import Project

    table = Project.open(folder).explain(budget=budget, progress=not as_json)
    rows = table.astype(object).where(table.notna(), None).to_dict(orient="records")
    _tell({"changes": rows}, as_json, table.to_string(index=False, float_format="{:+.5f}".format))


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (init, add, refit, history, verify, decide, explain):
        app.command()(command)


def _tell(document: dict, as_json: bool, text: str, *, one_line: bool = False) -> None:
    if not as_json:
        typer.echo(text)
    elif one_line:
        import json

        typer.echo(json.dumps(document, ensure_ascii=False, allow_nan=False))
    else:
        console.print_json(document)
