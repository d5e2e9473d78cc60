"""Data changed or made: suites beside the holdout, wrong labels at a stated share, synthetic examples beside labels."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, override

import numpy as np
import pandas as pd

from labelvalue.observe.simulate.learners import stack, take
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
class FeatureNoise(Settings, _Named):
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
            return values + self.scale * np.nanstd(values) * rng.normal(size=values.size)

        return Copy(by_column(x, blur), y, np.arange(y.size))


@dataclasses.dataclass(frozen=True)
class MissingValues(Settings, _Named):
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
            values[rng.random(values.size) < self.share] = np.nan
            return values

        return Copy(by_column(x, empty, empty), y, np.arange(y.size))


@dataclasses.dataclass(frozen=True)
class WrongEvaluation(Settings, _Named):
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
class ClassMix(Settings, _Named):
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


def by_column(
    x: Any,
    numbers: Callable[[np.ndarray], np.ndarray],
    others: Callable[[np.ndarray], np.ndarray] | None = None,
    *,
    alike: bool = False,
) -> Any:
    """Return dense features made anew column by column, from floats or objects; ``alike`` keeps the columns' types."""
    if hasattr(x, "tocsr"):
        raise input_error("sparse features cannot be perturbed", "give dense ones", column="X")
    frame = x if isinstance(x, pd.DataFrame) else pd.DataFrame(x)
    made = []
    for place, kind in enumerate(frame.dtypes):
        series = frame.iloc[:, place].reset_index(drop=True)
        values = series.to_numpy()
        if values.dtype.kind in "fiu":
            found = numbers(values.astype(float))
            series = pd.Series(np.round(found) if alike and values.dtype.kind in "iu" else found)
        elif others is not None:
            series = pd.Series(others(values.astype(object)))
        made.append(series.astype(kind) if alike or isinstance(kind, pd.CategoricalDtype) else series)
    out = pd.concat(made, axis=1).set_axis(frame.columns, axis=1)
    return out if isinstance(x, pd.DataFrame) else out.to_numpy()


HOLDOUT = "holdout"


@dataclasses.dataclass(frozen=True)
class TimeSplit(Settings, _Named):
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
class DomainSplit(Settings, _Named):
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


SplitSuite = TimeSplit | DomainSplit  # rows kept from training: those of the latest time, or of some domains
CopySuite = FeatureNoise | MissingValues | WrongEvaluation | ClassMix  # a changed copy of the holdout
Suite = SplitSuite | CopySuite


def held_rows(suite: SplitSuite, column: Callable[[str], np.ndarray]) -> np.ndarray:
    """Which rows a suite keeps from training, a truth value each, given the values of a column by its name."""
    return suite._held(column)


def changed_copy(suite: CopySuite, x: Any, y: np.ndarray, slices: np.ndarray, rng: np.random.Generator) -> Copy:
    """A suite's copy of the holdout's rows, those that are left of them."""
    return suite._copy(x, y, slices, rng)


SUITES: dict[str, type] = {
    "time": TimeSplit,
    "domain": DomainSplit,
    "noise": FeatureNoise,
    "missing": MissingValues,
    "wrong_labels": WrongEvaluation,
    "mix": ClassMix,
}  # suites by the ``kind`` that a protocol file gives


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


def noisy_bootstrap(
    x: Any, y: np.ndarray, n: int, seed: int, *, numeric_target: bool = False
) -> tuple[Any, np.ndarray]:
    """Make examples by drawing rows with replacement and adding a little noise to their numbers."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(y.size, size=n)

    def blur(values: np.ndarray) -> np.ndarray:
        return values[drawn] + BLUR * np.nanstd(values) * rng.normal(size=n)

    return by_column(x, blur, lambda values: values[drawn], alike=True), y[drawn]


GENERATORS = {"smote": smote, "bootstrap": noisy_bootstrap}


def find_generator(generator: str | Synthesise, *, numeric_target: bool) -> Synthesise:
    """Return the generator of a name; one's own is returned as it is."""
    if not isinstance(generator, str):
        return generator
    if generator not in GENERATORS:
        why = f"unknown generator {quote(generator)}{did_you_mean(generator, GENERATORS)}"
        raise input_error(why, f"give one of {', '.join(GENERATORS)}, or a function", column="generator")
    return functools.partial(GENERATORS[generator], numeric_target=numeric_target)


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

    return by_column(x, between, either, alike=True)
