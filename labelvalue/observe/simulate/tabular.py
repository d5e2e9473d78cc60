"""A classifier for a table as it comes: numbers, categories and gaps, ready for ``simulate_runs``."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pandas as pd

from labelvalue.observe.table.spreadsheets import unguard
from labelvalue.problems import InputError, Problem, did_you_mean, listed, quote

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    from labelvalue.observe.table.delimited import Rows

LEARNERS = ("hist_gradient_boosting", "logistic_regression", "random_forest")
"""Training recipes known by name."""
MAX_ROWS, MAX_CELL = 20_000_000, 1024**2
"""Examples, and characters of a cell."""


def read_table(path: str | Path, *, target: str, slices: str) -> pd.DataFrame:
    r"""Read labelled data, keeping the slices as the text they are."""
    path = Path(path)
    if path.suffix not in (".csv", ".parquet"):
        why = f"ending {path.suffix!r} is not known"
        raise InputError([Problem(file=path.name, why=why, fix="give a .csv or .parquet file")])
    table, lines = _load(path, slices)
    problems = []
    for column in dict.fromkeys((target, slices)):
        if column not in table.columns:
            hint = did_you_mean(column, map(str, table.columns))
            why, fix = f"no such column{hint}", f"give one of {listed(table.columns, 20)}"
            problems.append(Problem(file=path.name, column=column, why=why, fix=fix))
        elif table[column].isna().any():
            gap = int(table[column].isna().to_numpy().argmax())
            problems.append(
                Problem(
                    file=path.name,
                    line=lines[gap],
                    column=column,
                    why=f"{int(table[column].isna().sum())} rows have no value here",
                    fix="fill them in or leave those rows out",
                )
            )
    if not problems and table.empty:
        problems.append(Problem(file=path.name, why="0 data rows", fix="give a table with rows"))
    if problems:
        raise InputError(problems)
    return table.assign(**{slices: table[slices].astype(str)})


def _load(path: Path, slices: str) -> tuple[pd.DataFrame, Sequence[int]]:
    """Return the table, and the line in the file of every row."""
    from labelvalue.observe.table.delimited import open_rows
    from labelvalue.observe.table.tables import Limits, is_parquet, open_checked

    limits = Limits(rows=MAX_ROWS, cell=MAX_CELL, fix="give fewer examples")
    with open_checked(path) as stream:
        if is_parquet(stream, path):
            from labelvalue.observe.table.parquet import read_frame

            frame = read_frame(stream, path.name, limits)
            return frame, range(1, len(frame) + 1)
        with open_rows(stream, path.name, limits) as rows:
            rows.need_distinct()
            place = rows.header.index(slices) if slices in rows.header else None
            lines, texts = array("q"), []
            for line, row in rows:
                lines.append(line)
                if place is not None:
                    texts.append(unguard(row[place]))
            if rows.problems:
                raise InputError(rows.problems)
        stream.seek(0)
        return _typed(stream, path, rows, slices, texts), lines


def _typed(stream: BinaryIO, path: Path, rows: Rows, slices: str, texts: list[str]) -> pd.DataFrame:
    """Return a table that is sound with columns of their own kinds, the slices as the text they are.

    pandas tells the kinds, and would take the slice NA for a gap and 007 for 7.
    """
    import pandas as pd

    try:
        table = pd.read_csv(
            stream, sep=rows.separator, names=list(rows.header), header=0, index_col=False, encoding=rows.scan.encoding,
            decimal="." if rows.separator == "," else ",", low_memory=False,
        )  # fmt: skip
    except (ValueError, OverflowError) as error:
        why = f"cannot be read: {error}"
        raise InputError([Problem(file=path.name, why=why, fix="save it again as UTF-8 CSV or Parquet")]) from error
    if texts:
        table[slices] = pd.Series(texts, dtype=object)
        table[slices] = table[slices].where(table[slices] != "")
    return table


def tabular_classifier(
    features: pd.DataFrame, *, learner: str = "hist_gradient_boosting", random_state: int | None = None
) -> Pipeline:
    """Return an untrained scikit-learn pipeline that takes ``features`` as they are.

    Numbers have their gaps filled with the median and are scaled. Everything else is taken for a category:
    at most 50 values of a column are kept apart, the rare ones and those never seen in training count as one.
    """
    if learner not in LEARNERS:
        why = f"unknown learner {quote(learner)}{did_you_mean(learner, LEARNERS)}"
        raise InputError([Problem(column="learner", why=why, fix=f"give one of {', '.join(LEARNERS)}")])
    from sklearn.pipeline import make_pipeline

    return make_pipeline(preparation(features), _classifier(learner, random_state))


def preparation(features: pd.DataFrame) -> ColumnTransformer:
    """Return what turns a table as it comes into numbers of comparable scale; only its column types are looked at."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = list(features.select_dtypes(["number", "bool"]).columns)
    categories = [column for column in features.columns if column not in numbers]
    return ColumnTransformer(
        [
            (
                "numbers",
                make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()),
                numbers,
            ),
            (
                "categories",
                OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=50, sparse_output=False),
                categories,
            ),
        ]
    )


def _classifier(learner: str, random_state: int | None) -> object:
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    if learner == "logistic_regression":
        return LogisticRegression(max_iter=1_000, random_state=random_state)
    if learner == "random_forest":
        return RandomForestClassifier(n_estimators=200, min_samples_leaf=2, random_state=random_state)
    return HistGradientBoostingClassifier(random_state=random_state)


def comparable(x: Any) -> Any:
    """Return one row of numbers per row of a DataFrame, array or sparse matrix; gaps are filled, columns scaled."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MaxAbsScaler, StandardScaler

    if isinstance(x, pd.DataFrame):
        return preparation(x).fit_transform(x)
    if hasattr(x, "tocsr"):
        return MaxAbsScaler().fit_transform(x.tocsr())
    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler()).fit_transform(x)
