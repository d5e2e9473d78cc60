"""A runs table read and checked, and written; whether its protocols go together; and what a table lacks."""

import os
import zoneinfo
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.observe.exports.annotations import COLUMNS as JUDGED
from labelvalue.observe.exports.judgements import CHOICE
from labelvalue.observe.simulate.protocol import beside, is_of, measured_by, read_protocol
from labelvalue.observe.simulate.training import COUNTED
from labelvalue.observe.table.columns import (
    Columns,
    assemble,
    check_classes,
    check_evaluation_sets,
    check_keys,
    check_noise,
    check_slices,
    check_values,
    drop_repeated,
    note_future,
    parse_columns,
    places,
)
from labelvalue.observe.table.delimited import PARQUET_SUFFIXES, TEXT_SUFFIXES
from labelvalue.observe.table.files import csv_parts, is_default, read_table, written_columns
from labelvalue.observe.table.schema import CATALOGUE, COLUMNS, choose_metric, read_header
from labelvalue.problems import InputError, Problem, input_error, quote
from labelvalue.storage import write_whole


def read_runs(
    source: str | os.PathLike[str] | pd.DataFrame,
    *,
    metric: str | None = None,
    direction: str | None = None,
    bounds: tuple[float, float] | None = None,
    encoding: str = "utf-8",
    timezone: str | None = None,
    drop_missing: bool = False,
    merge_similar_slices: bool = False,
    classes: int | None = None,
) -> xr.Dataset:
    """Read a runs table and check all of it.

    Text stays text: slices ``NA``, ``007`` and ``1e5`` are what they are. Rows are sorted. Runs of several protocols
    are noted, and refused where the protocols measure different things.

    Parameters
    ----------
    source : path or pandas.DataFrame
        A CSV file (comma, semicolon or tab; decimal comma where the separator is none), a Parquet
        file, or a DataFrame. At most 1 GiB, 200 000 rows and 5 000 slices.
    metric : str, optional
        What ``value`` measures: ``accuracy``, ``balanced_accuracy``, ``f1``, ``auc``, ``precision``,
        ``recall``, ``error_rate``, ``brier``, ``ece``, ``log_loss``, ``rmse``, ``mae``, or any other
        name together with ``direction`` and ``bounds``. Tables of counts need none
        (``error_rate``), nor do runs whose ``protocol`` names it.
    direction : {"lower", "higher"}, optional
        Which way is better, for a metric that is not known by name.
    bounds : tuple of float, optional
        (lowest, highest) legal value of such a metric; finite on its better side.
    encoding : str
        Encoding of a CSV file without a byte-order mark.
    timezone : str, optional
        Where zone-less times of ``measured_at`` were written, such as ``Europe/Paris``; without it
        they are read as UTC.
    drop_missing : bool
        Leave out rows in which a required number is missing, and say so in the notes.
    merge_similar_slices : bool
        Merge slices that differ only in outer blanks, case or Unicode form into the most frequent
        spelling, and say so in the notes.
    classes : int, optional
        Number of classes (≥ 2); refuses a ``label_noise`` at which labels carry no information.

    Returns
    -------
    xarray.Dataset
        Dim ``run``. Always ``slice``, ``learner``, ``strategy``, ``suite``, ``batch``, ``evaluation_set``, ``protocol``
        (text), ``labels``, ``other_labels``, ``synthetic_labels``, ``other_synthetic_labels``, ``replicate`` (int64),
        ``label_noise`` (share), ``seconds`` (NaN where unknown), ``measured_at`` (UTC, NaT where unknown); ``errors``
        and ``trials`` (int64), or ``value`` and ``stderr`` (the metric's unit) and ``trials`` (0 where not given);
        ``error`` and ``error_stderr`` (≥ 0; NaN for counts, else from ``stderr``, or from ``trials`` as the largest
        that a mean of answers can have). Attrs: ``metric``, ``direction``, ``bounds``, ``upper``, ``source``,
        ``sha256``, ``notes``; ``protocol`` (TOML) where ``write_runs`` left that of all these runs beside the file.

    Raises
    ------
    InputError
        With every problem of the table and its place; a ``ValueError``.
    TypeError
        If an argument is of the wrong type.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"slice": ["FR", "FR"], "labels": [100, 200],
    ...                       "errors": [30, 22], "trials": [100, 100]})
    >>> read_runs(table)["error"].values.tolist()
    [0.3, 0.22]
    """
    texts = {"metric": metric, "direction": direction, "encoding": encoding or 0, "timezone": timezone}
    flags = {"drop_missing": drop_missing, "merge_similar_slices": merge_similar_slices}
    _check_arguments(source, texts, flags, classes, bounds)
    zone = _zone(timezone)
    table = read_table(source, encoding=encoding)
    form, wrong, ignored = read_header(table.header, table.file, table.header_line)
    columns = parse_columns(table, form, zone=zone, drop_missing=drop_missing)
    columns.problems[:0] = wrong
    columns.notes[:0] = ignored
    if not len(columns) and not table.problems:
        columns.problems.append(Problem(file=table.file, why="0 data rows", fix="add rows"))
    metric = check_protocols(columns, metric) or metric
    chosen = None
    if form is not None:
        chosen, problems = choose_metric(metric, direction, bounds, counts=form == "counts", file=columns.file)
        columns.problems += problems
    check_classes(columns, classes)
    _fill(columns)
    if names.SLICE in table.cells:
        check_slices(columns, merge_similar=merge_similar_slices)
    if chosen is not None and form == "value" and names.VALUE in columns.values:
        check_values(columns, chosen)
        check_noise(columns, chosen)
    if not wrong:
        drop_repeated(columns)
        check_keys(columns)
        check_evaluation_sets(columns)
        note_future(columns)
    if columns.problems or chosen is None or form is None:
        raise InputError(_in_order(columns.problems, table.header))
    protocol = None if isinstance(source, pd.DataFrame) else protocol_beside(columns, Path(source))
    runs = assemble(columns, chosen, form, source=table.file, sha256=table.sha256)
    if protocol is not None:
        runs.attrs[names.PROTOCOL] = protocol
    return runs


def _in_order(problems: list[Problem], header: tuple[str, ...]) -> list[Problem]:
    """Return problems of the whole table first, then line by line, cell by cell."""

    def place(problem: Problem) -> tuple[int, int]:
        line = -1 if problem.line is None else problem.line
        column = header.index(problem.column) if problem.column in header else -1
        return line, column

    return sorted(problems, key=place)


def _fill(columns: Columns) -> None:
    """Put defaults where cells of optional columns are empty, and add the columns that are absent."""
    for name, column in COLUMNS.items():
        if column.default is None:
            continue
        if name not in columns.values or (not column.added and all(v is None for v in columns.values[name])):
            columns.values.pop(name, None)
            if column.added:
                columns.values[name] = [column.default] * len(columns)
        else:
            cells = columns.values[name]
            columns.values[name] = [column.default if v is None else v for v in cells]


def _zone(name: str | None) -> zoneinfo.ZoneInfo | None:
    if name is None:
        return None
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise input_error(f"unknown time zone {name!r}", "give a name such as Europe/Paris") from None


def _check_arguments(
    source: object, texts: Mapping[str, object], flags: Mapping[str, object], classes: object, bounds: object
) -> None:
    if not isinstance(source, str | os.PathLike | pd.DataFrame):
        raise TypeError(f"source must be a path or a pandas DataFrame, not {type(source).__name__}")
    kinds = [(name, value, isinstance(value, str | None), "text") for name, value in texts.items()]
    kinds += [(name, value, isinstance(value, bool), "True or False") for name, value in flags.items()]
    whole = isinstance(classes, int | None) and not isinstance(classes, bool)
    kinds += [("classes", classes, whole, "a whole number"), ("bounds", bounds, _is_pair(bounds), "(lowest, highest)")]
    for name, value, sound, what in kinds:
        if not sound:
            raise TypeError(f"{name} must be {what}, not {type(value).__name__}")
    if isinstance(classes, int) and classes < 2:
        raise input_error(f"{classes} classes", "give a number ≥ 2")


def _is_pair(bounds: object) -> bool:
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        return bounds is None
    return all(isinstance(b, int | float) and not isinstance(b, bool) for b in bounds)


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


def write_runs(runs: xr.Dataset, path: str | os.PathLike[str], *, spreadsheet: bool = True) -> Path:
    """Write runs as CSV or Parquet, by the suffix of ``path``.

    ``read_runs`` of the file gives the same variables; columns of nothing but their default are left out. The file
    appears whole or not at all. The protocol that runs carry is written to ``<path>.protocol.toml``.

    Parameters
    ----------
    runs : xarray.Dataset
        Runs as ``read_runs`` returns them, dim ``run``.
    path : path
        A file that ends in ``.csv`` or ``.parquet``; replaced where it exists.
    spreadsheet : bool
        CSV only: put an apostrophe before text that a spreadsheet would run as a formula, which ``read_runs`` removes.
        Without it the texts are exactly what they are, for other readers.

    Returns
    -------
    pathlib.Path
        ``path``.

    Raises
    ------
    InputError
        If the suffix is another one.
    StorageError
        If the file cannot be written; an older file of that name is left as it was.
    TypeError
        If ``runs`` is no dataset of runs.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from labelvalue import read_runs
    >>> table = pd.DataFrame({"slice": ["FR"], "labels": [100], "errors": [30], "trials": [100]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(write_runs(read_runs(table), Path(folder) / "runs.csv").read_text())
    slice,labels,errors,trials
    FR,100,30,100
    <BLANKLINE>
    """
    if not isinstance(runs, xr.Dataset) or not {names.SLICE, names.LABELS} <= set(runs):
        raise TypeError(f"runs must be a dataset as read_runs returns it, not {type(runs).__name__}")
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in PARQUET_SUFFIXES:
        content = _to_parquet(runs)
    elif suffix in TEXT_SUFFIXES and suffix not in (".tsv", ".tab"):
        content = b"".join(part.encode() for part in csv_parts(runs, spreadsheet=spreadsheet))
    else:
        raise input_error(f"cannot write {suffix!r}", "end the name in .csv or .parquet", file=path.name)
    protocol = str(runs.attrs.get(names.PROTOCOL, ""))
    if names.PROTOCOL in runs and is_of(protocol, runs[names.PROTOCOL].values.tolist()):
        write_whole(beside(path), protocol.encode())
    write_whole(path, content)
    return path


def _to_parquet(runs: xr.Dataset) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {}
    for name in written_columns(runs):
        values = runs[name].values
        if COLUMNS[name].kind == "text":
            arrays[name] = pa.array(values.tolist(), type=pa.string())
        elif COLUMNS[name].kind == "time":
            arrays[name] = pa.array(values, type=pa.timestamp("ns", tz="UTC"))
        elif COLUMNS[name].kind == "number":
            arrays[name] = pa.array(values, mask=np.isnan(values))
        else:
            optional = name == names.TRIALS
            arrays[name] = pa.array(values, mask=(values == 0) if optional else None)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(arrays), sink)
    return sink.getvalue().to_pybytes()


ANSWERS = {
    names.OTHER_LABELS: "what labels of other slices are worth to a slice",
    names.EVALUATION_SET: "which runs share evaluation items, and so their noise: narrower intervals on gains",
    names.REPLICATE: "how much training varies from run to run, apart from evaluation noise",
    names.MEASURED_AT: "whether the error drifts with time while labels stay the same",
    names.STRATEGY: "what a label chosen by a strategy is worth in labels chosen at random",
    names.DIVERSITY: "whether varied labels are worth more than as many that are alike",
    names.LABEL_NOISE: "what better labels would bring, next to more labels",
    names.SUITE: "whether gains hold on later, shifted or perturbed data",
    names.LEARNER: "whether another learner makes more of the same labels",
    names.SYNTHETIC_LABELS: "what a synthetic example is worth in labels",
    names.BATCH: "how past forecasts compare with what their batch of labels delivered",
    names.SECONDS: "what retraining costs at the next size",
    names.PROTOCOL: "whether runs added later were measured in the same way",
    names.LABELS_NOW: "from how many labels of a slice its gains count, where runs were trained on fewer",
}  # optional columns in the order of their use, and the answer that each makes possible

OF_JUDGEMENTS = {
    names.SECONDS: "how long a label takes, and so what it costs by the hour",
    names.TIME: "how many labels come a day, and so when the next ones are there",
    names.ITEM: "judged more than once: how many labels are wrong, from how far judgements differ",
    names.REFERENCE: "how many labels are wrong where all annotators err alike, from items whose truth is known",
    names.ANNOTATOR: "who errs how often, and how many labels a person gives a day",
    names.SLICE: "which slice takes longer, and where labels are wrong more often",
}  # the same for annotations; ``item`` stands for items with several judgements

COLUMN, ANSWER = "column", "answer"


def what_is_missing(table: xr.Dataset | pd.DataFrame) -> pd.DataFrame:
    """Name each optional column that says nothing in this table, and the answer that it would make possible.

    A column of runs says nothing where it is absent or holds one value in every run; one of annotations, where it is
    empty in every row. ``item`` is named where no item was judged more than once, ``slice`` where all are in one.

    Parameters
    ----------
    table : xarray.Dataset or pandas.DataFrame
        Runs as ``read_runs`` returns them, dim ``run``; or annotations as ``read_annotations`` returns them.

    Returns
    -------
    pandas.DataFrame
        Columns ``column`` and ``answer``, what is most useful to measure next first; empty where nothing is missing.

    Raises
    ------
    TypeError
        If it is neither.

    Examples
    --------
    >>> from labelvalue.testing import fake_annotations, fake_runs
    >>> what_is_missing(fake_runs(seed=1))["column"].tolist()[:3]
    ['evaluation_set', 'measured_at', 'strategy']
    >>> what_is_missing(fake_annotations(seed=1))["column"].tolist()
    ['reference']
    """
    if isinstance(table, xr.Dataset) and names.RUN in table.dims:
        answers, missing = ANSWERS, [name for name in ANSWERS if _says_nothing(table, name)]
    elif isinstance(table, pd.DataFrame) and {*JUDGED} <= {*table.columns}:
        answers, missing = OF_JUDGEMENTS, [name for name in OF_JUDGEMENTS if not _is_told(table, name)]
    else:
        what = "a dataset as read_runs returns it, or a table as read_annotations does"
        raise TypeError(f"the table must be {what}, not {type(table).__name__}")
    return pd.DataFrame({COLUMN: missing, ANSWER: [answers[name] for name in missing]}, dtype=object)


def _is_told(annotations: pd.DataFrame, name: str) -> bool:
    match name:
        case names.SECONDS | names.TIME:
            return bool(annotations[name].notna().any())
        case names.REFERENCE:
            return bool(annotations[name].any())
        case names.ANNOTATOR:
            return bool((annotations[name] != "").any())
        case names.SLICE:
            return bool((annotations[name] != annotations[name].iloc[0]).any())
        case _:
            votes = annotations[(annotations[names.KIND] == CHOICE) & ~annotations[names.REFERENCE]]
            return bool(votes.duplicated([names.SOURCE, names.ITEM, names.QUESTION]).any())


def _says_nothing(runs: xr.Dataset, name: str) -> bool:
    if name not in runs or is_default(runs[name].values, name):
        return True
    compared = {names.OTHER_LABELS, names.REPLICATE, names.STRATEGY, names.SUITE, names.LEARNER, names.SYNTHETIC_LABELS}
    return name in compared and np.unique(runs[name].values.astype(str)).size < 2
