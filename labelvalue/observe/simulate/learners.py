"""Learners in one shape, objects that fit or functions; and classifiers for tables as they come, or for texts."""

from __future__ import annotations

import copy
import importlib
from array import array
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from labelvalue.observe.table.schema import unguard
from labelvalue.problems import InputError, Problem, did_you_mean, input_error, listed, quote

if TYPE_CHECKING:
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    from labelvalue.observe.table.delimited import Rows


ESTIMATOR_METHODS = ("fit", "predict")


class Trained:
    """A trained learner, an object with ``predict`` or a function: labels and class probabilities for rows."""

    def __init__(self, model: Any, labels: np.ndarray):
        self.model = model
        self._labels = labels

    def predict(self, x: Any) -> np.ndarray:
        """Return one label, or one number, per row."""
        return np.asarray(self.model.predict(x) if hasattr(self.model, "predict") else self.model(x))

    def probabilities(self, x: Any, classes: np.ndarray) -> np.ndarray:
        """Return the probability of each class (rows, classes); 0 for classes that training never saw."""
        given = np.asarray(self.model.predict_proba(x), dtype=float)
        out = np.zeros((given.shape[0], classes.size))
        seen = self.model.classes_ if hasattr(self.model, "classes_") else np.unique(self._labels)
        out[:, np.searchsorted(classes, np.asarray(seen))] = given
        return out


def check_learners(estimator: Any) -> dict[str, Any]:
    """Return the learners by name; raise ``TypeError`` for what is neither an estimator nor a function."""
    learners = dict(estimator) if isinstance(estimator, Mapping) else {"default": estimator}
    for name, learner in learners.items():
        lacking = [m for m in ESTIMATOR_METHODS if not hasattr(learner, m)]
        if isinstance(learner, type) or (lacking and not callable(learner)):
            lack = f"; it lacks {', '.join(lacking)}" if lacking else ""
            raise TypeError(
                f"learner {name!r} must be an object with fit and predict, such as a scikit-learn estimator, or a "
                f"function (X, y, seed) that returns what predicts{lack}"
            )
    if not learners:
        raise input_error("no estimator given", "give at least one")
    return learners


def is_estimator(learner: Any) -> bool:
    """Tell an object that fits and predicts from a plain function."""
    return all(hasattr(learner, m) for m in ESTIMATOR_METHODS)


def find_regressors(learners: Mapping[str, Any]) -> bool | None:
    """Tell whether the learners are regressors, ``None`` where none says so; a mix has no common error."""
    kinds = {name: _regresses(learner) for name, learner in learners.items() if hasattr(learner, "__sklearn_tags__")}
    if len(set(kinds.values())) > 1:
        mixed = ", ".join(f"{n!r} is a {'regressor' if k else 'classifier'}" for n, k in kinds.items())
        raise input_error(f"errors have no common unit: {mixed}", "simulate them apart")
    return next(iter(kinds.values()), None)


def lacking_probabilities(learners: Mapping[str, Any]) -> list[str]:
    """Return the names of estimators that give no class probabilities."""
    return [n for n, learner in learners.items() if is_estimator(learner) and not hasattr(learner, "predict_proba")]


def _regresses(learner: Any) -> bool:
    from sklearn.base import is_regressor

    return bool(is_regressor(learner))


def fit_learner(learner: Any, x: Any, y: np.ndarray, seed: int) -> Trained:
    """Train on ``x`` and ``y``: a seeded copy of an estimator, or the function with the seed."""
    if not is_estimator(learner):
        return Trained(learner(x, y, seed), y)
    fresh = seeded(learner, seed)
    fitted = fresh.fit(x, y)  # by custom itself, but a plain class may return nothing
    return Trained(fitted if hasattr(fitted, "predict") else fresh, y)


def seeded(estimator: Any, seed: int | None) -> Any:
    """Return an unfitted copy whose every ``random_state`` is ``seed``."""
    if not hasattr(estimator, "get_params"):
        fresh = copy.deepcopy(estimator)
        if hasattr(fresh, "random_state"):
            fresh.random_state = seed
        return fresh
    from sklearn.base import clone

    fresh = clone(estimator)
    params = fresh.get_params(deep=True)
    states = [p for p in params if p == "random_state" or p.endswith("__random_state")]
    return fresh.set_params(**dict.fromkeys(states, seed)) if states else fresh


def take(table: Any, rows: np.ndarray) -> Any:
    """Return some rows of a DataFrame, Series, array or sparse matrix."""
    return table.iloc[rows] if isinstance(table, pd.DataFrame | pd.Series) else table[rows]


def stack(tables: list[Any]) -> Any:
    """Return tables of one kind, one under the other."""
    first = tables[0]
    if isinstance(first, pd.DataFrame | pd.Series):
        return pd.concat(tables, ignore_index=True)
    if hasattr(first, "tocsr"):
        from scipy import sparse

        return sparse.vstack(tables, format="csr")
    return np.concatenate(tables)


LEARNERS: dict[str, tuple[str, str, dict[str, int]]] = {
    "hist_gradient_boosting": ("ensemble", "HistGradientBoostingClassifier", {}),
    "logistic_regression": ("linear_model", "LogisticRegression", {"max_iter": 1_000}),
    "random_forest": ("ensemble", "RandomForestClassifier", {"n_estimators": 200, "min_samples_leaf": 2}),
}  # training recipes known by name
OF_TEXTS = ("logistic_regression",)  # those that take texts, as TF-IDF of words and pairs of words
MAX_ROWS, MAX_CELL = 20_000_000, 1024**2  # examples, and characters of a cell
SUFFIXES = (".csv", ".parquet", ".jsonl", ".json")
MOST_KINDS = 50  # values of a column that are kept apart
MANY_WORDS = 4  # words of the median cell from which a column whose cells mostly differ is free text


def read_table(
    path: str | Path, *, target: str, slices: str, texts: str | None = None, unlabelled: bool = False
) -> pd.DataFrame:
    """Read labelled data, slices and some columns as text; a JSON column may stand in its record: ``data.country``."""
    path = Path(path)
    if path.suffix not in SUFFIXES:
        why = f"ending {path.suffix!r} is not known"
        raise input_error(why, f"give a {', '.join(SUFFIXES[:-1])} or .json file", file=path.name)
    wanted = tuple(dict.fromkeys(name for name in (target, slices, texts) if name is not None))
    table, lines = _load(path, slices) if path.suffix in SUFFIXES[:2] else _load_json(path, wanted)
    problems = []
    for column in wanted:
        if column not in table.columns:
            hint = did_you_mean(column, map(str, table.columns))
            why, fix = f"no such column{hint}", f"give one of {listed(table.columns, 20)}"
            problems.append(Problem(file=path.name, column=column, why=why, fix=fix))
        elif table[column].isna().any() and not (unlabelled and column == target):
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
    as_text = [name for name in (slices, texts) if name is not None]
    return table.assign(**{name: table[name].astype(str) for name in as_text})


def _load(path: Path, slices: str) -> tuple[pd.DataFrame, Sequence[int]]:
    """Return the table, and the line in the file of every row."""
    from labelvalue.observe.table.delimited import Limits
    from labelvalue.observe.table.files import ParquetRows, open_table, read_frame
    from labelvalue.observe.table.schema import repeated

    with open_table(path, Limits(rows=MAX_ROWS, cell=MAX_CELL, fix="give fewer examples")) as rows:
        if problems := repeated(rows.header, path.name, rows.header_line):
            raise InputError(problems)
        if isinstance(rows, ParquetRows):
            frame = read_frame(rows)
            return frame, range(1, len(frame) + 1)
        lines = array("q", (line for line, _ in rows))
        if rows.problems:
            raise InputError(rows.problems)
        return _typed(rows, path, slices), lines


def _load_json(path: Path, wanted: Sequence[str]) -> tuple[pd.DataFrame, Sequence[int]]:
    """Return records of JSON as a table of what is wanted and of every plain value, and the place of every record."""
    from labelvalue.observe.exports.judgements import find
    from labelvalue.observe.exports.streams import beginning, json_lines, json_records, open_export

    rows: list[dict[str, Any]] = []
    places = array("q")
    with open_export(path) as stream:
        reader = json_records if beginning(stream)[:1] == b"[" else json_lines
        for place, record in reader(stream, path.name):
            if not isinstance(record, Mapping):
                why, fix = f"record {place} is no object", "write one object with its columns for each example"
                raise input_error(why, fix, file=path.name, line=place)
            plain = {str(key): value for key, value in record.items() if not isinstance(value, list | Mapping)}
            row = plain | {name: find(record, name)[1] for name in wanted}
            rows.append({name: _plain(value, path, place, name) for name, value in row.items()})
            places.append(place)
    return pd.DataFrame(rows).infer_objects(), places


def _plain(value: Any, path: Path, place: int, column: str) -> Any:
    """One value of a cell: a list of one is that one, a number as written a number."""
    from labelvalue.observe.exports.streams import Written

    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, list | Mapping):
        what = f"a list of {len(value)}" if isinstance(value, list) else f"an object with {listed(list(value), 5)}"
        why, fix = f"record {place} holds {what} here", f"name what is inside, such as {column}.0, or leave it out"
        raise input_error(why, fix, file=path.name, line=place, column=column)
    if isinstance(value, Written):
        return int(value) if value.lstrip("-").isdigit() else float(value)
    return value


def _typed(rows: Rows, path: Path, slices: str) -> pd.DataFrame:
    """Return columns of the kinds that pandas tells, but slices as text: it takes NA for a gap and 007 for 7."""
    try:
        table = pd.read_csv(
            rows.again(), sep=rows.separator, names=list(rows.header), header=0, index_col=False,
            encoding=rows.encoding, decimal="." if rows.separator == "," else ",", low_memory=False,
            converters={slices: lambda cell: f"={unguard(cell)}"},
        )  # fmt: skip
    except (ValueError, OverflowError) as error:
        why = f"cannot be read: {error}"
        raise input_error(why, "save it again as UTF-8 CSV or Parquet", file=path.name) from error
    if slices in table:
        table[slices] = table[slices].str[1:].where(table[slices] != "=")
    return table


def tabular_classifier(
    features: pd.DataFrame, *, learner: str = "hist_gradient_boosting", random_state: int | None = None
) -> Pipeline:
    """Return an untrained pipeline that takes ``features`` as they are; a column that names the rows is left out."""
    _known(learner, LEARNERS)
    from sklearn.pipeline import make_pipeline

    free = [str(name) for name in features.columns if is_free_text(features[name])]
    if free:
        raise InputError(
            Problem(
                column=name,
                value=_shortened(str(features[name].iloc[0])),
                why="free text, which a learner of tables takes for as many categories as there are texts",
                fix=f"learn from it (--text {name}; in Python text_classifier), or leave the column out",
            )
            for name in free
        )
    return make_pipeline(preparation(features), _classifier(learner, random_state))


def text_classifier(*, learner: str = OF_TEXTS[0], random_state: int | None = None) -> Pipeline:
    """Return an untrained scikit-learn pipeline that takes texts: TF-IDF of words and pairs, and a linear model."""
    _known(learner, OF_TEXTS)
    from sklearn.pipeline import make_pipeline

    return make_pipeline(_text_numbers(), _classifier(learner, random_state))


def learners_of(
    features: pd.DataFrame | pd.Series, wanted: Sequence[str] | None, random_state: int | None
) -> dict[str, Any]:
    """Return learners by name for a table, or for texts; the first that is known where none is asked for."""

    def known(name: str) -> Pipeline:
        if isinstance(features, pd.Series):
            return text_classifier(learner=name, random_state=random_state)
        return tabular_classifier(features, learner=name, random_state=random_state)

    default = OF_TEXTS if isinstance(features, pd.Series) else [*LEARNERS]
    return {name: named_learner(name) if ":" in name else known(name) for name in wanted or default[:1]}


def named_learner(name: str) -> Any:
    """Import a learner that is the user's own: ``package.module:name`` of an estimator, or a function of X, y, seed."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        fix = "give package.module:name of what can be imported here (PYTHONPATH=. for a file beside you)"
        raise input_error(f"not found: {error}", fix, column="learner", value=name) from error
    return found() if isinstance(found, type) else found


def is_free_text(column: pd.Series) -> bool:
    """Tell sentences from categories: most cells differ, and the median one has several words."""
    if column.dtype.kind in "biufcmM" or isinstance(column.dtype, pd.CategoricalDtype):
        return False
    cells = column.dropna().astype(str)
    if cells.empty or cells.nunique() <= 0.5 * len(cells):
        return False
    return bool(cells.str.count(r"\s+\S").median() + 1 >= MANY_WORDS)


def naming_rows(features: pd.DataFrame) -> list[Any]:
    """Columns of texts that are all different, such as ids; none where nothing else would be left to learn from."""
    texts = features.select_dtypes(["object", "string"])
    named = [name for name in texts.columns if len(features) > MOST_KINDS and texts[name].is_unique]
    return named if len(named) < features.shape[1] else []


def _known(learner: str, known: Collection[str]) -> None:
    if learner not in known:
        of = " of texts" if tuple(known) == OF_TEXTS else ""
        why = f"unknown learner{of} {quote(learner)}{did_you_mean(learner, known)}"
        raise input_error(why, f"give one of {', '.join(known)}", column="learner")


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def _text_numbers() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), max_features=100_000)


def preparation(features: pd.DataFrame) -> ColumnTransformer:
    """Return what turns a table into numbers of comparable scale, without the columns that name its rows."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = list(features.select_dtypes(["number", "bool"]).columns)
    named = naming_rows(features)
    categories = [column for column in features.columns if column not in numbers and column not in named]
    return ColumnTransformer(
        [
            (
                "numbers",
                make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()),
                numbers,
            ),
            (
                "categories",
                OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MOST_KINDS, sparse_output=False),
                categories,
            ),
        ]
    )


def _classifier(learner: str, random_state: int | None) -> Any:
    module, name, options = LEARNERS[learner]
    return getattr(importlib.import_module(f"sklearn.{module}"), name)(**options, random_state=random_state)


def comparable(x: Any) -> Any:
    """Return one row of numbers per row of a table, or per text of a Series; gaps are filled, columns scaled."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MaxAbsScaler, StandardScaler

    if isinstance(x, pd.Series):
        return _text_numbers().fit_transform(x)
    if isinstance(x, pd.DataFrame):
        return preparation(x).fit_transform(x)
    if hasattr(x, "tocsr"):
        return MaxAbsScaler().fit_transform(x.tocsr())
    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler()).fit_transform(x)
