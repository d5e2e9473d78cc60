"""The what-if panel: a grid of decisions as rows, as texts for the page, and the script that looks them up."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import groupby
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision
from labelvalue.decisions.sensitivity.what_if import CANDIDATE, CHOSEN, FACTORS, PRICE, what_if
from labelvalue.numerals import number, significant
from labelvalue.report.numbers.tables import LOWER, MEAN, P_POSITIVE, UPPER
from labelvalue.report.words.wording import decimals, likely

TEMPLATES = "labelvalue.report.templates"
SCRIPT = "what_if.js"
TITLES = ("Labels allowed", "Price of a label", "Worth of an error point")


def what_if_numbers(plan: Decision, *, ci_prob: float = 0.9) -> dict[str, Any] | None:
    """Collect the grid of :func:`labelvalue.decisions.sensitivity.what_if` as rows."""
    if plan.interventions:
        return None
    values = FACTORS if plan.case.value.per_error_point is not None else (1.0,)
    grid = what_if(plan, values=values, ci_prob=ci_prob)
    axes = [names.BUDGET, PRICE, names.VALUE]
    taken = sorted(set(grid[CHOSEN].values.ravel().tolist()))
    table = grid.drop_vars([names.LABELS, names.SLICE]).to_dataframe().reset_index()
    table[CHOSEN] = table[CHOSEN].map({old: new for new, old in enumerate(taken)})
    rows = [
        {
            **{axis: row[axis] for axis in axes},
            "plan": row[CHOSEN],
            "verdict": row["verdict"],
            names.NET_BENEFIT: {MEAN: row[names.NET_BENEFIT], LOWER: row[LOWER], UPPER: row[UPPER]},
            P_POSITIVE: row[P_POSITIVE],
            names.COST: row[names.COST],
            names.GAIN: {MEAN: row[names.GAIN], LOWER: row["gain_lower"], UPPER: row["gain_upper"]},
        }
        for row in table.sort_values(axes, kind="stable").to_dict("records")
    ]
    return {
        **{axis: grid[axis].values.tolist() for axis in axes},
        "at": [_place(grid, axis, max(plan.max_labels, 1) if axis == names.BUDGET else 1.0) for axis in axes],
        "slices": [str(name) for name in grid[names.SLICE].values],
        "plans": grid[names.LABELS].isel({CANDIDATE: taken}).values.tolist(),
        "rows": rows,
    }


def _place(grid: xr.Dataset, axis: str, value: float) -> int:
    return int(np.argmin(np.abs(grid[axis].values - value)))


def panel(plan: Mapping[str, Any]) -> dict[str, Any] | None:
    """Prepare the panel: texts of every point, what shows without a script, and the script with its digest."""
    grid = plan["what_if"]
    if grid is None:
        return None
    unit, rows = plan[names.UNIT], grid["rows"]
    digits = decimals(row[names.GAIN][UPPER] - row[names.GAIN][LOWER] for row in rows)
    texts = [_texts(row, unit, digits) for row in rows]
    sizes = [len(grid[axis]) for axis in (names.BUDGET, PRICE, names.VALUE)]
    steps = {
        names.BUDGET: [f"{step:,} labels" for step in grid[names.BUDGET]],
        PRICE: [f"× {step:g}" for step in grid[PRICE]],
        names.VALUE: [f"× {step:g}" for step in grid[names.VALUE]],
    }
    payload = {"sizes": sizes, "at": grid["at"], "steps": list(steps.values()), "slices": grid["slices"]}
    payload |= {"plans": grid["plans"], "points": [[row["plan"], *text] for row, text in zip(rows, texts, strict=True)]}
    script = (files(TEMPLATES) / SCRIPT).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    budget, price, value = grid["at"]

    def point(b: int, p: int, v: int) -> dict[str, Any]:
        place = (b * sizes[1] + p) * sizes[2] + v
        return dict(zip(("verdict", "cost", "gain", "net", "chance"), texts[place], strict=True))

    return {
        "data": _safe(payload),
        "script": script,
        "digest": f"sha256-{digest}",
        "sliders": [
            {"id": axis, "title": title, "steps": steps[axis], "at": at}
            for axis, title, at in zip(steps, TITLES, grid["at"], strict=True)
        ],
        "matrix": [[point(budget, p, v) for v in range(sizes[2])] for p in range(sizes[1])],
        "ladder": _ladder(grid[names.BUDGET], [point(b, price, value) for b in range(sizes[0])]),
    }


def _ladder(budgets: Sequence[int], points: Sequence[Any]) -> list[tuple[str, Any]]:
    """Name points by their budgets, those in a row that say the same once."""
    found = []
    for _, run in groupby(range(len(points)), key=lambda place: list(points[place].values())):
        first, *rest = run
        title = f"{budgets[first]:,}"
        found.append((f"{title} to {budgets[rest[-1]]:,}" if rest else title, points[first]))
    return found


def _texts(row: Mapping[str, Any], unit: str, digits: int) -> list[str]:
    """Verdict, cost, gain, net benefit and its chance as the page writes them everywhere."""
    net, gain = row[names.NET_BENEFIT], row[names.GAIN]
    return [
        row["verdict"],
        f"{significant(row[names.COST])} {unit}",
        f"{number(gain[MEAN], digits)} ({number(gain[LOWER], digits)} to {number(gain[UPPER], digits)})",
        f"{significant(net[MEAN])} {unit} ({significant(net[LOWER])} to {significant(net[UPPER])})",
        likely(row[P_POSITIVE]),
    ]


def _safe(payload: Mapping[str, Any]) -> str:
    """JSON that no name can break out of, wherever in a page it stands."""
    text = json.dumps(payload, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
