"""Pages beside the report: the trail of a project for whoever audits it, and all projects for whoever runs them."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from labelvalue import names
from labelvalue.exits import BAD_INPUT, BUSY, DONE, NOT_PUBLISHED, STOPPED, STORAGE, UNDECIDED, severity
from labelvalue.numerals import readable
from labelvalue.operate.history.assets import assets_of
from labelvalue.operate.history.scorecard import BIAS_MONEY, DELIVERED, PROMISED, RANK, calibration, scorecard
from labelvalue.operate.history.trail import export, history
from labelvalue.operate.refit.advice import CASE_TEXT
from labelvalue.operate.refit.outcome import calibration_line
from labelvalue.operate.store.folders import ProjectFolder
from labelvalue.report.numbers.tables import records as records_of
from labelvalue.report.render.html import templates
from labelvalue.report.render.images import over_time_images, project_images
from labelvalue.storage import write_whole

SCORES = (names.BATCH, names.SLICE, names.LABELS, names.TRUTH, "low", "high", names.CRPS, names.BIAS, RANK)
"""Columns of the scorecard that the page shows; gains and money follow where they are there."""


def write_trail(project: ProjectFolder, path: Path) -> Path:
    """Write the page, after verifying the trail."""
    write_whole(path, render(trail_values(project)).encode("utf-8"))
    return path


def trail_values(project: ProjectFolder) -> dict[str, Any]:
    """Collect what the page shows."""
    trail, records = export(project), project.ledger.records()
    rows, card, assets = records_of(history(records)), scorecard(records), assets_of(project)
    advised = [record for record in trail["records"] if record["kind"] == "advice"]
    columns = [name for name in (*SCORES, PROMISED, DELIVERED, BIAS_MONEY) if name in card]
    return {
        "project": project.folder.resolve().name,
        "head": trail["head"],
        "records": trail["records"],
        "configuration": trail["configuration"],
        "assumptions": trail["assumptions"],
        "case": advised[-1]["content"][CASE_TEXT] if advised else None,
        "history": rows,
        "decisions": [row for row in rows if row["kind"] in ("advice", "decision")],
        "calibrated": calibration_line(calibration(card)),
        "scores": records_of(card),
        "score_columns": columns or list(SCORES),
        "assets": records_of(assets),
        "pictures": list(over_time_images(assets.attrs["over_time"])),
        "advice": assets.attrs["advice"],
        "warnings": list(assets.attrs["warnings"]),
    }


def render(values: dict[str, Any]) -> str:
    """Fill the template; every text is escaped."""
    return _page("trail.html.j2", t=values)


def _page(template: str, **values: Any) -> str:
    environment = templates("labelvalue.operate")
    environment.filters |= {"short": short}
    return environment.get_template(template).render(values)


def short(value: float) -> str:
    """Write a number in a table: whole ones in full, others to four figures."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.0f}" if float(value).is_integer() else readable(value)


PROJECTS = "projects.html"  # page of all projects, in the folder that they lie in
ENDED = {
    DONE: "done", BAD_INPUT: "bad input", NOT_PUBLISHED: "not published", STOPPED: "stop", BUSY: "busy",
    STORAGE: "storage", UNDECIDED: "undecided",
}  # fmt: skip


def write_projects(root: Path, table: pd.DataFrame) -> Path:
    """Write the page of all projects, the worst first, with links to their own pages."""
    rows = sorted(records_of(table), key=lambda row: severity(row["exit_code"]), reverse=True)
    for row in rows:
        there = Path("/", os.path.relpath(row["page"], root)).as_uri() if row["page"] else ""
        row["href"] = there.replace("file:///", "./", 1)
    about = {"root": root.resolve().name, "when": datetime.now(UTC), "pictures": list(project_images(rows))}
    page = _page("projects.html.j2", rows=rows, ended=ENDED, **about)
    write_whole(root / PROJECTS, page.encode("utf-8"))
    return root / PROJECTS
