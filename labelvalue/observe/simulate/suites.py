"""Suites: what else a trained model is evaluated on, beside the holdout; and wrong labels at a stated share."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, override

import numpy as np
import pandas as pd

from labelvalue.observe.simulate.learners import take
from labelvalue.problems import did_you_mean, input_error, quote
from labelvalue.settings import Checks, Positive, Settings, Share, Text, is_number, listed, word

NOISE_KINDS = ("uniform", "class_conditional", "annotators")
ANNOTATORS = 5  # annotators of the kind ``annotators``; each labels a random fifth of the rows
SKILL_SPREAD = 1.0  # standard deviation of the log of how error-prone a class or an annotator is


@dataclasses.dataclass(frozen=True, kw_only=True)
class WrongLabels:
    """A wrong class per row (an index), and an order in which rows go wrong, those with smaller numbers first."""

    codes: np.ndarray
    order: np.ndarray


def draw_wrong_labels(
    codes: np.ndarray, classes: int, kind: str, process: np.random.Generator, rows: np.random.Generator
) -> WrongLabels:
    """Draw wrong labels for every row: all alike, ``class_conditional``, or so for five ``annotators`` that differ."""
    workers = ANNOTATORS if kind == "annotators" else 1
    if kind == "uniform":
        weight = np.ones((workers, classes))
        confusion = np.ones((workers, classes, classes))
    else:
        weight = np.exp(process.normal(0.0, SKILL_SPREAD, (workers, classes)))
        weight *= np.exp(process.normal(0.0, SKILL_SPREAD, (workers, 1)))
        confusion = process.standard_exponential((workers, classes, classes))
    confusion[:, np.arange(classes), np.arange(classes)] = 0.0
    cumulative = np.cumsum(confusion, axis=2)
    cumulative /= cumulative[:, :, -1:]
    worker = rows.integers(workers, size=codes.size)
    said = (rows.random(codes.size)[:, None] >= cumulative[worker, codes]).sum(axis=1)
    # Exponential race: sorting by Exp(1) / weight draws without replacement by weight.
    order = rows.standard_exponential(codes.size) / weight[worker, codes]
    return WrongLabels(codes=said, order=order)


def choose_wrong(order: np.ndarray, ends: list[int], share: float) -> np.ndarray:
    """Return which rows of a growing training set are wrong (bool), ``round(share · size)`` of them at each size."""
    wrong = np.zeros(order.size, dtype=bool)
    start = 0
    for end in ends:
        more = round(share * end) - int(np.count_nonzero(wrong[:start]))
        step = np.argsort(order[start:end], kind="stable")[: max(more, 0)]
        wrong[start + step] = True
        start = end
    return wrong


@dataclasses.dataclass(frozen=True)
class Copy:
    """Changed evaluation rows: which of the given rows are left (``keep``), their features and target."""

    x: Any
    y: np.ndarray
    keep: np.ndarray


@dataclasses.dataclass(frozen=True)
class _Named:
    """What else a model is evaluated on; its name says all settings, so that suites of one name mean the same."""

    _said: ClassVar[str] = ""

    @property
    def name(self) -> str:
        """Name in column ``suite``; of a mix of classes, also in ``strategy``."""
        return self._said.format(self)


@dataclasses.dataclass(frozen=True)
class SplitSuite(_Named):
    """Rows kept from training: those of the latest time, or of some domains."""

    def _held(self, column: Callable[[str], np.ndarray]) -> np.ndarray:
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class CopySuite(_Named):
    """A changed copy of the holdout."""

    def _copy(self, x: Any, y: np.ndarray, slices: np.ndarray, rng: np.random.Generator) -> Copy:
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class FeatureNoise(Settings, CopySuite):
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

    _said = "noise {0.scale:g}"
    scale: Positive

    def _copy(self, x: Any, y: np.ndarray, slices: np.ndarray, rng: np.random.Generator) -> Copy:

        def blur(values: np.ndarray) -> np.ndarray:
            numbers = values.astype(float)
            return numbers + self.scale * np.nanstd(numbers) * rng.normal(size=numbers.size)

        return Copy(_change_columns(x, blur, numeric_only=True), y, np.arange(y.size))


@dataclasses.dataclass(frozen=True)
class MissingValues(Settings, CopySuite):
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

    _said = "missing {0.share:g}"
    share: Share

    def _copy(self, x: Any, y: np.ndarray, slices: np.ndarray, rng: np.random.Generator) -> Copy:

        def empty(values: np.ndarray) -> np.ndarray:
            numeric = values.dtype.kind in "fiu"
            out = values.astype(float if numeric else object)
            out[rng.random(out.size) < self.share] = np.nan
            return out

        return Copy(_change_columns(x, empty, numeric_only=False), y, np.arange(y.size))


@dataclasses.dataclass(frozen=True)
class WrongEvaluation(Settings, CopySuite):
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

    _said = "wrong labels {0.share:g} {0.noise_kind}"
    share: Share
    noise_kind: Annotated[str, word(NOISE_KINDS)] = "uniform"

    def _copy(self, x: Any, y: np.ndarray, slices: np.ndarray, rng: np.random.Generator) -> Copy:
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


def _mix(checks: Checks, key: str, given: Any) -> Any:
    """Expect a share of each class; what is kept is in order, its classes as text."""
    shares = given.values() if isinstance(given, Mapping) else ()
    if not shares or not all(is_number(share) and 0 < share <= 1 for share in shares) or abs(sum(shares) - 1) > 1e-9:
        checks.wrong(key, f"shares {quote(given)} are not all > 0 with sum 1", "give a share per class")
        return given
    return {str(name): float(share) for name, share in sorted(given.items(), key=lambda item: str(item[0]))}


@dataclasses.dataclass(frozen=True)
class ClassMix(Settings, CopySuite):
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

    shares: Annotated[Mapping[str, float], _mix]

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    @override
    def name(self) -> str:
        return "mix " + " ".join(f"{name}={share:g}" for name, share in self.shares.items())

    def _copy(self, x: Any, y: np.ndarray, slices: np.ndarray, rng: np.random.Generator) -> Copy:
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


HOLDOUT = "holdout"


@dataclasses.dataclass(frozen=True)
class TimeSplit(Settings, SplitSuite):
    """The latest rows, kept from training, to see whether the model holds tomorrow.

    Parameters
    ----------
    column : str
        Column of ``metadata`` or ``X`` that sorts by time: times, numbers or ISO 8601 text.
    share : float
        Share of all rows that is latest, 0 < share < 1; rows of equal time stay together.

    Examples
    --------
    >>> TimeSplit("day", 0.2).name
    'time day 0.2'
    """

    _said = "time {0.column} {0.share:g}"
    column: Text
    share: Share = 0.2

    def _held(self, column: Callable[[str], np.ndarray]) -> np.ndarray:
        times = pd.Series(column(self.column)).rank(method="min").to_numpy()
        latest = max(1, round(self.share * times.size))
        return times >= np.sort(times)[-latest]


@dataclasses.dataclass(frozen=True)
class DomainSplit(Settings, SplitSuite):
    """All rows of some domains, kept from training, to see whether the model holds elsewhere.

    Parameters
    ----------
    column : str
        Column of ``metadata`` or ``X`` that names the domain: site, customer, language.
    domains : tuple of str
        Domains to leave out.

    Examples
    --------
    >>> DomainSplit("site", ("Lyon",)).name
    'domain site=Lyon'
    """

    column: Text
    domains: Annotated[tuple[str, ...], listed(lambda checks, key, given: str(given))]

    @property
    @override
    def name(self) -> str:
        return f"domain {self.column}={', '.join(self.domains)}"

    def _held(self, column: Callable[[str], np.ndarray]) -> np.ndarray:
        domains = column(self.column).astype(str)
        known = set(domains.tolist())
        unknown = sorted(set(self.domains) - known)
        if unknown or not self.domains:
            why = f"no rows of {', '.join(map(quote, unknown)) or 'any domain'}"
            hint = did_you_mean(unknown[0], known) if unknown else ""
            raise input_error(why + hint, "name domains that are there", column=self.column)
        return np.isin(domains, self.domains)


def held_rows(suite: SplitSuite, column: Callable[[str], np.ndarray]) -> np.ndarray:
    """Which rows a suite keeps from training, a truth value each, given the values of a column by its name."""
    return suite._held(column)


def changed_copy(suite: CopySuite, x: Any, y: np.ndarray, slices: np.ndarray, rng: np.random.Generator) -> Copy:
    """A suite's copy of the holdout's rows, those that are left of them."""
    return suite._copy(x, y, slices, rng)


Suite = SplitSuite | CopySuite

SUITES: dict[str, type] = {
    "time": TimeSplit,
    "domain": DomainSplit,
    "noise": FeatureNoise,
    "missing": MissingValues,
    "wrong_labels": WrongEvaluation,
    "mix": ClassMix,
}  # suites by the ``kind`` that a protocol file gives
