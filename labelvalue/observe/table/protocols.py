"""The protocols of a runs table: whether its runs measured the same things, and the one that stands beside it."""

import os.path
from collections import defaultdict
from pathlib import Path

from labelvalue import names
from labelvalue.observe.simulate.evaluation import COUNTED
from labelvalue.observe.simulate.protocol import beside, measured_by, read_protocol
from labelvalue.observe.table.columns import Columns, places
from labelvalue.observe.table.schema import CATALOGUE
from labelvalue.problems import InputError, Problem, quote


def check_protocols(columns: Columns, asked: str | None) -> str | None:
    """Note mixed protocols, refuse those of different things, or not of what was ``asked``; return their metric."""
    if names.PROTOCOL not in columns.values:
        return None
    ids = [identity or "" for identity in columns.values[names.PROTOCOL]]
    by_id: dict[str, list[int]] = defaultdict(list)
    for row in columns.sound():
        by_id[ids[row]].append(row)
    if len(by_id) > 1:
        counts = ", ".join(f"{quote(identity)} ({len(by_id[identity])} runs)" for identity in sorted(by_id))
        columns.notes.append(f"runs of {len(by_id)} protocols are mixed: {counts}")
    by_metric: dict[str, list[int]] = defaultdict(list)
    for identity, rows in by_id.items():
        measured = measured_by(identity)
        if measured is not None:
            by_metric[measured] += rows
    _check_metrics(columns, by_metric, asked)
    _check_suites(columns, ids)
    metrics = {measured.partition("(")[0] for measured in by_metric}
    if asked is not None or not metrics <= set(CATALOGUE):
        return asked
    return metrics.pop() if len(metrics) == 1 else None


def protocol_beside(columns: Columns, table: Path) -> str | None:
    """Return the protocol that stands beside a table, as TOML, if all runs are of it; note one that is another's."""
    place = beside(table)
    if not os.path.lexists(place):
        return None
    try:
        found = read_protocol(place)
    except InputError as error:
        columns.notes.append(f"{place.name} is left aside, it is no protocol: {error.problems[0].why}")
        return None
    ids = columns.values.get(names.PROTOCOL, [""])
    known = sorted({identity or "" for identity in ids})
    if known == [found.id]:
        return found.to_toml()
    others = ", ".join(quote(identity) for identity in known if identity != found.id)
    columns.notes.append(f"{place.name} is left aside: it is {quote(found.id)}, and there are runs of {others}")
    return None


def _check_metrics(columns: Columns, by_metric: dict[str, list[int]], asked: str | None) -> None:
    different = set(by_metric) - set(COUNTED) if len(by_metric) > 1 else set()
    if different:
        found = ", ".join(f"{quote(m)} ({places(columns, by_metric[m])})" for m in sorted(by_metric))
        why = f"protocols measure different things: {found}"
        problem = Problem(file=columns.file, column=names.PROTOCOL, why=why, fix="read them apart, table by table")
        columns.problems.append(problem)
        return
    for measured in sorted(by_metric):
        metric = measured.partition("(")[0]
        if asked is not None and metric != asked and not {metric, asked} <= set(COUNTED):
            why = f"metric {quote(asked)} was asked for, and the protocol measured {quote(measured)}"
            fix = "leave the metric out, or read other runs"
            columns.problems.append(Problem(file=columns.file, column=names.PROTOCOL, why=why, fix=fix))


def _check_suites(columns: Columns, ids: list[str]) -> None:
    """Refuse an evaluation set that two protocols count among different suites."""
    if not {names.EVALUATION_SET, names.SUITE} <= columns.values.keys():
        return
    first: dict[tuple[str, str], int] = {}
    reported = set()
    sets, suites = columns.values[names.EVALUATION_SET], columns.values[names.SUITE]
    for row in columns.sound():
        key = (columns.values[names.SLICE][row], sets[row])
        if not sets[row] or key in reported:
            continue
        known = first.setdefault(key, row)
        if ids[known] != ids[row] and suites[known] != suites[row]:
            reported.add(key)
            why = (
                f"evaluation set {quote(sets[row])} is suite {quote(suites[known])} in one protocol and "
                f"{quote(suites[row])} in another ({places(columns, [known, row])})"
            )
            columns.fault(row, names.EVALUATION_SET, why, "read them apart, or name the suites alike")
