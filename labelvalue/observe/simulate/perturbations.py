"""Changed copies of the holdout: noisy features, missing values, wrong labels, another mix of classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.observe.annotations.label_errors import NOISE_KINDS, choose_wrong, draw_wrong_labels
from labelvalue.observe.annotations.tables import COLUMNS as JUDGED
from labelvalue.observe.exports.judgements import CHOICE
from labelvalue.observe.simulate.learners import take
from labelvalue.observe.table.schema import COLUMNS
from labelvalue.problems import input_error, quote
from labelvalue.settings import Positive, Settings, Share, word


@dataclasses.dataclass(frozen=True)
class Copy:
    """Changed evaluation rows: which of the given rows are left (``keep``), their features and target."""

    x: Any
    y: np.ndarray
    keep: np.ndarray


@dataclasses.dataclass(frozen=True)
class FeatureNoise(Settings):
    """The holdout with Gaussian noise on every numeric feature.

    Parameters
    ----------
    scale : float
        Standard deviation of the noise over that of the feature, > 0.

    Examples
    --------
    >>> FeatureNoise(0.5).name
    'noise 0.5'
    """

    scale: Positive

    @property
    def name(self) -> str:
        """Name in column ``suite``."""
        return f"noise {self.scale:g}"

    def copy(self, x: Any, y: np.ndarray, slices: np.ndarray, rng: np.random.Generator) -> Copy:
        """Return the changed copy.

        Parameters
        ----------
        x, y, slices : table and arrays
            Features, target and slice of the holdout's rows.
        rng : numpy.random.Generator
            The suite's random stream.

        Returns
        -------
        Copy
            The rows that are left, as they are evaluated on.
        """

        def blur(values: np.ndarray) -> np.ndarray:
            numbers = values.astype(float)
            return numbers + self.scale * np.nanstd(numbers) * rng.normal(size=numbers.size)

        return Copy(_change_columns(x, blur, numeric_only=True), y, np.arange(y.size))


@dataclasses.dataclass(frozen=True)
class MissingValues(Settings):
    """The holdout with cells emptied at random; the learner must take gaps.

    Parameters
    ----------
    share : float
        Share of cells that is emptied, 0 < share < 1.

    Examples
    --------
    >>> MissingValues(0.1).name
    'missing 0.1'
    """

    share: Share

    @property
    def name(self) -> str:
        """Name in column ``suite``."""
        return f"missing {self.share:g}"

    def copy(self, x: Any, y: np.ndarray, slices: np.ndarray, rng: np.random.Generator) -> Copy:
        """Return the changed copy.

        Parameters
        ----------
        x, y, slices : table and arrays
            Features, target and slice of the holdout's rows.
        rng : numpy.random.Generator
            The suite's random stream.

        Returns
        -------
        Copy
            The rows that are left, as they are evaluated on.

        Raises
        ------
        InputError
            If the features are sparse.
        """

        def empty(values: np.ndarray) -> np.ndarray:
            numeric = values.dtype.kind in "fiu"
            out = values.astype(float if numeric else object)
            out[rng.random(out.size) < self.share] = np.nan
            return out

        return Copy(_change_columns(x, empty, numeric_only=False), y, np.arange(y.size))


@dataclasses.dataclass(frozen=True)
class WrongEvaluation(Settings):
    """The holdout with wrong labels: what an evaluation looks like whose labels err.

    Parameters
    ----------
    share : float
        Share of wrong labels in each slice, 0 < share < 1.
    noise_kind : {"uniform", "class_conditional", "annotators"}
        Who errs, as for wrong training labels.

    Examples
    --------
    >>> WrongEvaluation(0.1).name
    'wrong labels 0.1 uniform'
    """

    share: Share
    noise_kind: Annotated[str, word(NOISE_KINDS)] = "uniform"

    @property
    def name(self) -> str:
        """Name in column ``suite``."""
        return f"wrong labels {self.share:g} {self.noise_kind}"

    def copy(self, x: Any, y: np.ndarray, slices: np.ndarray, rng: np.random.Generator) -> Copy:
        """Return the changed copy.

        Parameters
        ----------
        x, y, slices : table and arrays
            Features, target and slice of the holdout's rows.
        rng : numpy.random.Generator
            The suite's random stream.

        Returns
        -------
        Copy
            The rows that are left, as they are evaluated on.

        Raises
        ------
        InputError
            If there is one class only.
        """
        classes, codes = np.unique(y, return_inverse=True)
        if classes.size < 2:
            raise input_error("only one class to evaluate on", "hold more rows out", column="y")
        drawn = draw_wrong_labels(codes, classes.size, self.noise_kind, rng, rng)
        out = y.copy()
        for name in np.unique(slices):
            here = np.flatnonzero(slices == name)
            wrong = here[choose_wrong(drawn.order[here], [here.size], self.share)]
            out[wrong] = classes[drawn.codes[wrong]]
        return Copy(x, out, np.arange(y.size))


@dataclasses.dataclass(frozen=True)
class ClassMix:
    """A stated mix of classes: as a suite, of each slice's holdout; as a strategy, of the training set.

    Parameters
    ----------
    shares : mapping of str to float
        Share of each class, > 0, summing to 1; classes are matched as text.

    Examples
    --------
    >>> ClassMix({"no": 0.8, "yes": 0.2}).name
    'mix no=0.8 yes=0.2'
    """

    shares: Mapping[str, float]

    def __post_init__(self) -> None:
        given = self.shares if isinstance(self.shares, Mapping) else {}
        if not given or not all(map(_is_share, given.values())) or abs(sum(given.values()) - 1) > 1e-9:
            why = f"shares {quote(self.shares)} are not all > 0 with sum 1"
            raise input_error(why, "give a share per class", column="shares")
        shares = {str(k): float(v) for k, v in sorted(given.items(), key=lambda item: str(item[0]))}
        object.__setattr__(self, "shares", shares)

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def name(self) -> str:
        """Name in column ``suite`` or ``strategy``."""
        return "mix " + " ".join(f"{name}={share:g}" for name, share in self.shares.items())

    def copy(self, x: Any, y: np.ndarray, slices: np.ndarray, rng: np.random.Generator) -> Copy:
        """Return the most rows of each slice that have the mix; a slice that lacks one of the classes has none.

        Parameters
        ----------
        x, y, slices : table and arrays
            Features, target and slice of the holdout's rows.
        rng : numpy.random.Generator
            The suite's random stream.

        Returns
        -------
        Copy
            The rows that are left.
        """
        texts = y.astype(str)
        keep = []
        for name in np.unique(slices):
            by_class = {c: np.flatnonzero((slices == name) & (texts == c)) for c in self.shares}
            total = min(rows.size / self.shares[c] for c, rows in by_class.items())
            counts = {c: int(total * share + 1e-9) for c, share in self.shares.items()}
            if min(counts.values()):
                keep += [rng.permutation(rows)[: counts[c]] for c, rows in by_class.items()]
        rows = np.sort(np.concatenate(keep)) if keep else np.zeros(0, dtype=int)
        return Copy(take(x, rows), y[rows], rows)


def _change_columns(x: Any, change: Callable[[np.ndarray], np.ndarray], *, numeric_only: bool) -> Any:
    """Return a copy of dense features, column by column."""
    if hasattr(x, "tocsr"):
        raise input_error("sparse features cannot be perturbed", "give dense ones", column="X")
    frame = x if isinstance(x, pd.DataFrame) else pd.DataFrame(x)
    out = frame.copy()
    for place in range(frame.shape[1]):
        values = frame.iloc[:, place].to_numpy()
        if values.dtype.kind in "fiu" or not numeric_only:
            kind = frame.dtypes.iloc[place]
            changed = pd.Series(change(values), index=frame.index)
            if isinstance(kind, pd.CategoricalDtype):
                changed = changed.astype(kind)
            out.isetitem(place, changed)  # type: ignore[arg-type]
    return out if isinstance(x, pd.DataFrame) else out.to_numpy()


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1


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
}
"""Optional columns in the order of their use, and the answer that each makes possible."""

OF_JUDGEMENTS = {
    names.SECONDS: "how long a label takes, and so what it costs by the hour",
    names.TIME: "how many labels come a day, and so when the next ones are there",
    names.ITEM: "judged more than once: how many labels are wrong, from how far judgements differ",
    names.REFERENCE: "how many labels are wrong where all annotators err alike, from items whose truth is known",
    names.ANNOTATOR: "who errs how often, and how many labels a person gives a day",
    names.SLICE: "which slice takes longer, and where labels are wrong more often",
}
"""The same for annotations; ``item`` stands for items with several judgements."""

COLUMN, ANSWER = "column", "answer"


def what_is_missing(table: xr.Dataset | pd.DataFrame) -> pd.DataFrame:
    """Name each optional column that says nothing in this table, and the answer that it would make possible.

    A column of runs says nothing where it is absent, or holds one value in every run and so compares nothing; one of
    annotations, where it is empty in every row. ``item`` is named where no item was judged more than once, ``slice``
    where all are in one.

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
    if name not in runs:
        return True
    values = runs[name].values
    match COLUMNS[name].kind:
        case "time":
            return bool(np.isnat(values).all())
        case "number":
            return bool(np.isnan(values).all())
        case _:
            described = name in (names.EVALUATION_SET, names.BATCH, names.PROTOCOL, names.LABELS_NOW)
            return (
                bool((values == COLUMNS[name].default).all()) if described else np.unique(values.astype(str)).size < 2
            )
