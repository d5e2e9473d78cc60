"""What a case takes for granted: every number of it with its source, and what would be decided if it were wrong."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labelvalue import names
from labelvalue.decisions.case.case import Case, as_text
from labelvalue.numerals import significant
from labelvalue.report.words.doubts import Limit, along
from labelvalue.report.words.wording import percent, probability, spoken

LABELS_OF = ("currency", "name", "learner", "suite", "approvals", names.LABEL_NOISE_ORIGIN)
"""Keys of a case that choose, name or ask, and assume nothing."""
NOT_TESTED = "not tested"  # what stands where nobody computed what would be decided instead
REASONS = {
    "guardrails": "a rule only takes plans away",
    "classes": "its stakes are varied as those of its slices, and a rule only takes plans away",
    "slices": "a limit only takes plans away",
    "scenarios": "a plan that is stated, and no number",
    "interventions": "each is weighed against doing without it",
    "score": "it orders plans and decides nothing",
    "risk": "how much risk is borne is chosen, not estimated",
    **dict.fromkeys(LABELS_OF, "it names, chooses or asks, and is no number"),
}  # why a number is not varied, by the longest beginning of its key
DECIDED = "decided"
"""Of an assumption: what would be decided if it were wrong, without what the plan as it is would then bring."""
BRINGS = "brings"  # of an assumption: what the plan as it is would then bring
KEPT = "A tighter rule may ask for another plan; the guardrails' table has the level kept."
CASE = "case/"
CASE_SOURCE = "the case, "
IN_PYTHON = "given in Python"
SILENT = {
    "costs.labels_per_day": ("labels are there at once", "no rate"),
    "costs.delay_per_day": ("a day of waiting costs nothing", "0"),
    "costs.rework": ("no label is paid for twice", "0"),
    "costs.retraining": ("retraining costs nothing", "0"),
    "costs.retraining_fails": ("retraining always works", "0"),
    "value.horizon_days": ("a gain is worth the same whenever it comes", "no horizon"),
    "value.drift": ("errors do not rise where nothing is bought", "0"),
    "label_errors": ("new labels are as right as those of the runs", "0"),
    "guardrails": ("no guardrail limits the plan", "none"),
}  # what a case assumes where it says nothing: in words, and as a value
TESTED_AS = {"label_errors": "wrong labels among new ones"}
"""Rows of the sensitivity analysis that have a name of their own."""
VOLUME = "value.volume."
RULE = "guardrails."
SLICE_LIMIT = "slices."


def case_assumptions(case: Case, plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List every number of a case as an assumption, with what follows if it is wrong as far as that was computed."""
    table = tomllib.loads(as_text(case))
    source = f"{CASE_SOURCE}{case.source or IN_PYTHON}"
    rows = [
        {
            "id": f"case/{key}",
            "text": spoken(key),
            "value": quantity_text(value),
            "source": source + (f"; reason: {reason}" if reason else "") + _origin(key, case),
            **consequences(key, case, plan),
        }
        for key, value, reason in leaves(table)
        if key not in LABELS_OF
    ]
    for key, (text, value) in SILENT.items():
        if not _given(table, key):
            if key == "value.drift" and plan.get("drift"):
                text, value = plan["drift"][0], names.FROM_RUNS
            row = {"id": f"case/{key}", "text": text, "value": value, "source": f"{source}: not stated there"}
            rows.append(row | consequences(key, case, plan))
    return rows


def _origin(key: str, case: Case) -> str:
    """Where a number that was estimated comes from."""
    of_noise = key.partition(".")[0] == names.LABEL_NOISE
    return f"; {names.FROM_ANNOTATIONS}" if of_noise and case.label_noise_origin == names.FROM_ANNOTATIONS else ""


def with_consequences(told: Sequence[Mapping[str, Any]], computed: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Put a project's assumptions and those of its case together, none twice."""
    known = {row["id"]: row for row in computed}
    rows = [
        {**row, **{key: known[row["id"]][key] for key in ("if_wrong", DECIDED, BRINGS)}}
        if row["if_wrong"] == NOT_TESTED and row["id"] in known
        else dict(row)
        for row in told
    ]
    there = {row["id"] for row in rows}
    return rows + [dict(row) for row in computed if row["id"] not in there]


def grouped(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Put together assumptions of the same consequence; what the page says elsewhere is left out."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["id"].startswith("prior/"):
            continue
        key = row["id"].removeprefix(CASE)
        plain = row["id"].startswith(CASE) and row["text"] in (spoken(key), f"the case says {key}")
        shown = {"key": key, "text": "" if plain else row["text"], "value": row["value"]}
        own = str(row["source"])
        shown["source"] = "".join(re.split("[;:] ", own, maxsplit=1)[1:]) if own.startswith(CASE_SOURCE) else own
        shown |= {"known": bool(own.strip()), BRINGS: row.get(BRINGS, "")}
        found.setdefault(row.get(DECIDED, row["if_wrong"]), []).append(shown)
    return [{"if_wrong": text, "rows": own} for text, own in found.items()]


def consequences(key: str, case: Case, plan: Mapping[str, Any]) -> dict[str, str]:
    """What follows if a number is another: all of it, and for the page only what it does not say elsewhere."""
    decided, money = " ".join(_decided(key, case, plan)), " ".join(_money(key, plan))
    why, worth = why_untested(key), _worth(key, plan)
    untested = f"{NOT_TESTED}: {why}" if why and plan else NOT_TESTED
    kept = key.startswith(RULE) and bool(plan) and all(row["kept"] for row in plan.get("rules", []))
    return {
        "if_wrong": " ".join(filter(None, (decided, money))) or untested,
        DECIDED: KEPT if kept else decided or money or untested,
        BRINGS: worth if worth and worth in money else "",
    }


def why_untested(key: str) -> str:
    """Say why nobody varies a number of a case, empty where it can be varied."""
    return next((why for start, why in REASONS.items() if key == start or key.startswith(f"{start}.")), "")


def _decided(key: str, case: Case, plan: Mapping[str, Any]) -> list[str]:
    found = [*_elsewhere(key, plan), *_rule(key, plan), *_limit(key, case, plan)]
    if key.partition(".")[0] == names.LABEL_NOISE and plan.get("label_quality"):
        found.append(plan["label_quality"]["sentence"])
    return found


def _varied(key: str, plan: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Rows in which the number, or the table that it stands in, is another."""
    return [row for row in plan.get("varied", []) if key == row["key"] or key.startswith(f"{row['key']}.")]


def _elsewhere(key: str, plan: Mapping[str, Any]) -> Iterator[str]:
    """What is bought at half and twice a number, where it is another, and where an uncertain one lies low or high."""
    grid, axes = plan.get("what_if"), {"costs.price_per_label": "price", "value.per_error_point": names.VALUE}
    axis = next((axis for own, axis in axes.items() if key == own or key.startswith(f"{own}.")), None)
    if grid is not None and axis is not None and len(grid[axis]) > 1:
        line, whole = along(grid, axis), " (of all slices)" if key.count(".") > 1 else ""
        ends = {f"÷ {1 / min(line):g}{whole}": min(line), f"× {max(line):g}{whole}": max(line)}
        plans = {where: grid["plans"][line[factor]["plan"]] for where, factor in ends.items()}
        yield _at_ends({where: dict(zip(grid["slices"], one, strict=True)) for where, one in plans.items()}, plan)
    elif rows := _varied(key, plan):
        whole = " (all of them)" if key != rows[0]["key"] else ""
        yield _at_ends({f"{row['end']}{whole}": row[names.LABELS] for row in rows}, plan)
    information = plan.get("information", {"rows": []})
    for row in information["rows"]:
        if row["input"].partition("/")[0] == key and row["moves"] is not None:
            taken = {end: information["plans"][row["moves"][end][names.PLAN]] for end in ("low", "high")}
            bought = {f"at its {end}est": {n: o[names.LABELS] for n, o in one.items()} for end, one in taken.items()}
            yield _at_ends(bought, plan)


def _at_ends(ends: Mapping[str, Mapping[str, int]], plan: Mapping[str, Any]) -> str:
    """What is bought at one end or two, against the plan."""
    own = {name: n for name, n in plan["plan"][names.LABELS].items() if n}
    said: dict[str, list[str]] = {}
    for where, bought in ends.items():
        said.setdefault(_bought({name: n for name, n in bought.items() if n}, own), []).append(where)
    text = "; ".join(f"{' or '.join(places)}: {what}" for what, places in said.items())
    return f"{text[0].upper()}{text[1:]}."


def _bought(bought: Mapping[str, int], own: Mapping[str, int]) -> str:
    if bought == own:
        return "the same plan"
    total = sum(bought.values())
    otherwise = ", split otherwise" if total == sum(own.values()) else ""
    return f"{total:,} labels{otherwise}" if total else "nothing is bought"


def _rule(key: str, plan: Mapping[str, Any]) -> Iterator[str]:
    """How far a guardrail could be tightened before the plan breaks it."""
    if not key.startswith(RULE):
        return
    kind, _, field = key.removeprefix(RULE).partition(".")
    kind = {"floors": "floor"}.get(kind, kind.replace("_", " "))
    rows = [row for row in plan.get("rules", []) if row["rule"] == kind]
    for row in rows:
        of = f" in {row[names.SLICE]}" if len(rows) > 1 else ""
        if not row["kept"]:
            yield f"The plan breaks it{of}: P(kept) {probability(row['p_kept'])}."
        elif field == names.PROBABILITY:
            yield f"The plan keeps it with a probability of up to {row['p_kept']:.2f}."
        else:
            least = significant(row["reached"])
            yield f"The plan would keep a limit{of} as tight as {least}; a tighter one asks for another."


def _limit(key: str, case: Case, plan: Mapping[str, Any]) -> Iterator[str]:
    """Whether a limit on the labels of a slice binds."""
    labels = plan.get("plan", {}).get(names.LABELS, {})
    name, _, field = key.removeprefix(SLICE_LIMIT).rpartition(".")
    if not key.startswith(SLICE_LIMIT) or name not in labels or field not in ("minimum", "maximum", "available"):
        return
    limit, bought, low = case.slices[name], labels[name], field == "minimum"
    usable = limit.most if limit.maximum is None or limit.most < limit.maximum else float("inf")
    ends = {"minimum": limit.minimum, "maximum": limit.maximum, "available": usable}
    if bought == ends[field]:
        yield f"It binds: with a {'lower' if low else 'higher'} one, another plan may be better."
    else:
        same = "up to there" if low else "down to there"
        yield f"It does not bind: {bought:,} labels of {name} are bought, and the plan is the same {same}."


def _money(key: str, plan: Mapping[str, Any]) -> Iterator[str]:
    """What the sensitivity analysis says of the plan as it is: its expected net benefit at a number's low and high."""
    wanted = TESTED_AS.get(key, key)
    for row in plan.get("sensitivity", []):
        name = row["what"].partition(" ÷ ")[0].partition("/")[0]
        if name.startswith("volume of "):
            name = VOLUME + name.removeprefix("volume of ")
        if name == wanted or (row["kind"] == "setting" and wanted.startswith(f"{name}.")):
            if name == TESTED_AS.get(key):
                low = significant(row["low"])
                yield f"With as many as are likely the plan would bring {low} {plan[names.UNIT]}."
            else:
                how = row["what"].partition(" ÷ ")[2]
                ends = f" (÷ {how})" if how else ""
                both = f"{significant(row['low'])} or {significant(row['high'])}"
                yield f"The plan as it is would bring{ends} {both} {plan[names.UNIT]}."
            return
    if worth := _worth(key, plan):
        yield f"The plan as it is would bring {worth} {plan[names.UNIT]}."


def _worth(key: str, plan: Mapping[str, Any]) -> str:
    """What the plan as it is would bring with another number that the sensitivity analysis does not have."""
    return " or ".join(significant(row["enb"]) for row in _varied(key, plan))


def quantity_text(value: Any) -> str:
    """Write a quantity of a case as people read it."""
    if isinstance(value, dict) and "low" in value:
        kind = f", {value['distribution']}" if "distribution" in value else ""
        return f"{value['low']:,g} to {value['high']:,g} ({percent(value.get('probability', 0.9))}{kind})"
    if isinstance(value, list):
        return "; ".join(map(_said_one, value))
    if isinstance(value, dict):
        return _said_one(value)
    return f"{value:,g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _said_one(part: Any) -> str:
    if isinstance(part, dict):
        return ", ".join(f"{k} {_said_one(v)}" for k, v in part.items())
    return ", ".join(map(_said_one, part)) if isinstance(part, list) else str(part)


def leaves(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any, str]]:
    """Go through the numbers of a case."""
    reason = str(table.get("reason", "")) if before else ""
    for key, value in table.items():
        if isinstance(value, dict) and not {"low", "high"} & set(value):
            yield from leaves(value, f"{before}{key}.")
        elif key != "reason" or not before or not isinstance(value, str):
            yield before + key, value, reason


def _given(table: Mapping[str, Any], key: str) -> bool:
    section, _, own = key.partition(".")
    return own in table.get(section, {}) if own else section in table


def unsourced(rows: list[dict[str, Any]]) -> list[str]:
    """Name the assumptions that give no source."""
    return [row["id"] for row in rows if not str(row.get("source", "")).strip()]


def unsourced_limits(rows: list[dict[str, Any]]) -> Iterator[Limit]:
    """Warn of assumptions that name no source."""
    if missing := unsourced(rows):
        text = f"{len(missing)} of {len(rows)} assumptions name no source: {', '.join(missing)}. Nobody can check them."
        yield "assumptions", "assumptions without a source", text
