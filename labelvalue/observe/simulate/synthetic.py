"""Synthetic examples on top of real labels: two generators for tables, and the place where one's own comes in."""

import functools
import os.path
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labelvalue import names
from labelvalue.observe.simulate.evaluation import COUNTED
from labelvalue.observe.simulate.learners import stack, take
from labelvalue.observe.simulate.protocol import beside, measured_by, read_protocol
from labelvalue.observe.table.columns import Columns, places
from labelvalue.observe.table.schema import CATALOGUE
from labelvalue.problems import InputError, Problem, quote

NEIGHBOURS = 5  # neighbours among which ``smote`` chooses
BLUR = 0.1  # noise of ``bootstrap`` on a number, in standard deviations of its column

Synthesise = Callable[[Any, np.ndarray, int, int], tuple[Any, np.ndarray]]
"""``(X, y, n, seed) -> (X, y)``: n synthetic examples from the labelled rows of one slice."""


def add_synthetic(
    x: Any, y: np.ndarray, slices: np.ndarray, ratio: float, synthesise: Synthesise, seed: int
) -> tuple[Any, np.ndarray, dict[str, int]]:
    """Return the training set with ``round(ratio · labels)`` synthetic examples of each slice, and their numbers."""
    tables, targets, counts = [x], [y], {}
    for number, name in enumerate(np.unique(slices)):
        rows = np.flatnonzero(slices == name)
        count = round(ratio * rows.size)
        if not count:
            continue
        made_x, made_y = synthesise(take(x, rows), y[rows], count, seed + number)
        if len(made_y) != count or made_x.shape[0] != count:
            raise ValueError(f"the generator made {made_x.shape[0]} rows and {len(made_y)} targets, not {count}")
        tables.append(made_x)
        targets.append(np.asarray(made_y))
        counts[str(name)] = count
    return stack(tables), np.concatenate(targets), counts


def smote(x: Any, y: np.ndarray, n: int, seed: int, *, numeric_target: bool = False) -> tuple[Any, np.ndarray]:
    """Make examples between a row and one of its five nearest neighbours of the same class (Chawla et al. 2002)."""
    rng = np.random.default_rng(seed)
    first = rng.integers(y.size, size=n)
    second = _neighbours(_scaled(x), np.zeros(y.size) if numeric_target else y, first, rng)
    along = rng.random(n)
    made = _combine(x, first, second, along, rng)
    target = y[first] + along * (y[second] - y[first]) if numeric_target else y[first]
    return made, target


def noisy_bootstrap(x: Any, y: np.ndarray, n: int, seed: int) -> tuple[Any, np.ndarray]:
    """Make examples by drawing rows with replacement and adding a little noise to their numbers."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(y.size, size=n)

    def blur(values: np.ndarray) -> np.ndarray:
        return values[drawn] + BLUR * np.nanstd(values) * rng.normal(size=n)

    return _each_column(x, blur, lambda values: values[drawn]), y[drawn]


GENERATORS = ("smote", "bootstrap")


def find_generator(generator: str | Synthesise, *, numeric_target: bool) -> Synthesise:
    """Return the generator of a name; one's own is returned as it is."""
    if not isinstance(generator, str):
        return generator
    return functools.partial(smote, numeric_target=numeric_target) if generator == "smote" else noisy_bootstrap


def _neighbours(features: np.ndarray, groups: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return for each of ``rows`` one of its nearest neighbours of the same group; itself where it is alone."""
    from sklearn.neighbors import NearestNeighbors

    out = rows.copy()
    for group in np.unique(groups[rows]):
        members = np.flatnonzero(groups == group)
        here = np.flatnonzero(groups[rows] == group)
        k = min(NEIGHBOURS, members.size - 1)
        if not k:
            continue
        near = NearestNeighbors(n_neighbors=k + 1).fit(features[members])
        asked = np.unique(rows[here])
        found = near.kneighbors(features[asked], return_distance=False)
        itself = np.searchsorted(members, asked)
        # Each row's own entry goes; where equal rows crowd it out, the farthest goes instead.
        place = np.where(found == itself[:, None], -1, np.arange(k + 1))
        others = np.take_along_axis(found, np.argsort(place, axis=1, kind="stable")[:, 1:], axis=1)
        mine = others[np.searchsorted(asked, rows[here])]
        out[here] = members[mine[np.arange(here.size), rng.integers(k, size=here.size)]]
    return out


def _scaled(x: Any) -> np.ndarray:
    """Return numbers in standard deviations, gaps at the mean; categories as one column per value."""
    frame = pd.DataFrame(x)
    numeric = frame.select_dtypes(["number", "bool"]).astype(float)
    scaled = (numeric - numeric.mean()) / numeric.std(ddof=0).replace(0.0, 1.0)
    rest = frame.drop(columns=numeric.columns)
    parts = [scaled.fillna(0.0).to_numpy()]
    if rest.shape[1]:
        parts.append(pd.get_dummies(rest.astype(str)).to_numpy(float) * np.sqrt(0.5))
    return np.concatenate(parts, axis=1)


def _combine(x: Any, first: np.ndarray, second: np.ndarray, along: np.ndarray, rng: np.random.Generator) -> Any:
    def between(values: np.ndarray) -> np.ndarray:
        return values[first] + along * (values[second] - values[first])

    def either(values: np.ndarray) -> np.ndarray:
        return np.where(rng.random(first.size) < 0.5, values[first], values[second])

    return _each_column(x, between, either)


def _each_column(
    x: Any, numbers: Callable[[np.ndarray], np.ndarray], others: Callable[[np.ndarray], np.ndarray]
) -> Any:
    """Return a table made column by column, of the kind and the column types of ``x``; whole numbers stay whole."""
    if hasattr(x, "tocsr"):
        raise ValueError("synthetic examples need dense features")
    frame = x if isinstance(x, pd.DataFrame) else pd.DataFrame(x)
    columns = []
    for place in range(frame.shape[1]):
        series = frame.iloc[:, place]
        values = series.to_numpy()
        if values.dtype.kind in "fiu":
            made = numbers(values.astype(float))
            made = np.round(made) if values.dtype.kind in "iu" else made
        else:
            made = others(values.astype(object))
        columns.append(pd.Series(made).astype(series.dtype))
    out = pd.concat(columns, axis=1)
    out.columns = frame.columns
    return out if isinstance(x, pd.DataFrame) else out.to_numpy()


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
