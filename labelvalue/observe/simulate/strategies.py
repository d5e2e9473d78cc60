"""Strategies: which rows of the pool to label next, given a model trained on those labelled so far."""

import dataclasses
import functools
import hashlib
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scipy

from labelvalue.observe.simulate.learners import Trained, take

COMMITTEE = 5  # members of a committee, each trained on a bootstrap draw of the labels
NEAR, NEAR_TEXTS = 0.1, 0.4  # shares of the median distance within which rows of a table, or texts, nearly repeat
SAMPLED, HALVINGS = 400, 10  # rows that this median is of; times that the radius is halved where rows run out
AT_ONCE = 64  # rows that are compared with all others together
ROUNDS = 16  # rounds in which a batch is spread over the features; within a round rows do not know of each other


@dataclasses.dataclass(frozen=True, kw_only=True)
class Query:
    """What a strategy may look at when it chooses.

    Parameters
    ----------
    trained : Trained or None
        Model trained on the labels so far; ``None`` where they are of one class.
    train : callable
        ``(rows, labels, seed) -> Trained``, for strategies that need models of their own.
    x : table
        Features of the whole pool, as the learner takes them.
    features : numpy.ndarray or sparse matrix
        The same as numbers of comparable scale.
    labelled, candidates : numpy.ndarray
        Rows of the pool that are labelled, and those that may be chosen.
    labels : numpy.ndarray
        Labels of the labelled rows, as they were given.
    classes : numpy.ndarray
        All classes, ascending; empty for numbers.
    count : int
        Rows to choose, at most as many as there are candidates.
    seed : int
        Seed of whatever is drawn.

    Examples
    --------
    >>> import numpy as np
    >>> empty = np.zeros(0, dtype=int)
    >>> Query(trained=None, train=None, x=np.eye(3), features=np.eye(3), labelled=empty, candidates=np.arange(3),
    ...       labels=empty, classes=empty, count=1, seed=0).count
    1
    """

    trained: Trained | None
    train: Callable[[np.ndarray, np.ndarray, int], Trained]
    x: Any
    features: Any
    labelled: np.ndarray
    candidates: np.ndarray
    labels: np.ndarray
    classes: np.ndarray
    count: int
    seed: int


Strategy = Callable[[Query], np.ndarray]  # from a query to ``count`` of its candidates


class StrategyError(RuntimeError):
    """A strategy that does not return what strategies must return."""


def choose_checked(strategy: Strategy, query: Query, name: str) -> np.ndarray:
    """Return the rows that the strategy chooses; at random where there is no model to ask."""
    rng = np.random.default_rng(query.seed)
    if query.trained is None:
        return rng.choice(query.candidates, query.count, replace=False)
    chosen = np.asarray(strategy(query))
    legal = chosen.shape == (query.count,) and np.unique(chosen).size == query.count
    if not legal or not np.isin(chosen, query.candidates).all():
        raise StrategyError(f"strategy {name!r} must return {query.count} different rows of query.candidates")
    return chosen


def _highest(query: Query, score: np.ndarray) -> np.ndarray:
    """Return the candidates of highest score; equal scores are put in a random order."""
    rng = np.random.default_rng(query.seed)
    return query.candidates[np.lexsort((rng.random(score.size), -score))[: query.count]]


def _least_sure(method: str, query: Query) -> np.ndarray:
    """Choose what the model is least sure of, by a score of scikit-activeml."""
    from skactiveml.pool import uncertainty_scores

    if query.trained is None:
        raise RuntimeError("no model to ask")
    probabilities = query.trained.probabilities(take(query.x, query.candidates), query.classes)
    return _highest(query, uncertainty_scores(probabilities, method=method))


def committee(query: Query) -> np.ndarray:
    """Choose where five models, each of a bootstrap draw of the labels, disagree most, by scikit-activeml's score."""
    from skactiveml.pool import vote_entropy

    rng = np.random.default_rng(query.seed)
    x = take(query.x, query.candidates)
    votes = np.zeros((query.candidates.size, COMMITTEE), dtype=int)
    for member in range(COMMITTEE):
        drawn = rng.integers(query.labelled.size, size=query.labelled.size)
        labels = query.labels[drawn]
        several = np.unique(labels).size > 1
        asked = query.train(query.labelled[drawn], labels, int(rng.integers(2**32))) if several else None
        votes[:, member] = np.searchsorted(query.classes, labels[:1] if asked is None else asked.predict(x))
    return _highest(query, vote_entropy(votes, np.arange(query.classes.size)))


def diversity(query: Query) -> np.ndarray:
    """Choose rows far from those labelled, and from each other: k-means++ in rounds (Bahmani et al. 2012)."""
    from sklearn.metrics import pairwise_distances_argmin_min

    rng = np.random.default_rng(query.seed)
    rest = take(query.features, query.candidates)
    _, distance = pairwise_distances_argmin_min(rest, take(query.features, query.labelled))
    chosen = np.zeros(0, dtype=int)
    step = math.ceil(query.count / ROUNDS)
    while chosen.size < query.count:
        weight = distance**2
        weight[chosen] = 0.0
        count = min(step, query.count - chosen.size)
        far = np.flatnonzero(weight > 0)
        if far.size < count:  # what is left lies on rows that are labelled already
            free = np.setdiff1d(np.arange(weight.size), chosen)
            new = rng.choice(free, count, replace=False)
        else:
            new = rng.choice(weight.size, count, replace=False, p=weight / weight.sum())
        distance = np.minimum(distance, pairwise_distances_argmin_min(rest, take(rest, new))[1])
        chosen = np.concatenate([chosen, new])
    return query.candidates[chosen]


def spread_out(ordered: np.ndarray, features: Any, count: int) -> np.ndarray:
    """Take the first rows of an order (rows,) but those that nearly repeat one before; these follow where rows lack."""
    from sklearn.metrics import pairwise_distances

    rest = take(features, ordered)
    some = take(rest, np.unique(np.linspace(0, ordered.size - 1, SAMPLED).astype(int)))
    apart = pairwise_distances(some)[np.triu_indices(some.shape[0], 1)]
    radius = float(np.median(apart)) * (NEAR_TEXTS if hasattr(features, "tocsr") else NEAR) if apart.size else 0.0
    least = radius / 2**HALVINGS
    nearest, free, chosen = np.full(ordered.size, np.inf), np.ones(ordered.size, dtype=bool), np.zeros(0, dtype=int)
    while chosen.size < count:
        far = np.flatnonzero(free & (nearest > radius))[:AT_ONCE]
        if not far.size and radius > least:
            radius /= 2
            continue
        left = count - chosen.size
        new = far[_apart(pairwise_distances(take(rest, far)), radius)] if far.size else np.flatnonzero(free)
        new = new[:left]  # where none is far, what is left repeats what is taken
        chosen, free[new] = np.concatenate([chosen, new]), False
        if far.size:
            nearest = np.minimum(nearest, pairwise_distances(rest, take(rest, new)).min(axis=1))
    return ordered[chosen]


def _apart(distances: np.ndarray, radius: float) -> list[int]:
    """Go through rows in their order and keep each that is farther than a radius from all kept before."""
    kept: list[int] = []
    for row in range(len(distances)):
        if (distances[row, kept] > radius).all():
            kept.append(row)
    return kept


QUERIES: dict[str, Strategy] = {
    "uncertainty": functools.partial(_least_sure, "least_confident"),  # Lewis and Gale 1994
    "margin": functools.partial(_least_sure, "margin_sampling"),  # Scheffer et al. 2001
    "entropy": functools.partial(_least_sure, "entropy"),
    "committee": committee,
    "diversity": diversity,
}  # strategies by name that ask a model, or look at features
ORDERED = ("stratified", "balanced")  # strategies that look at slices or classes and ask no model
STRATEGIES = ("random", *ORDERED, *QUERIES)

ASK_PROBABILITIES = ("uncertainty", "margin", "entropy")
ASK_CLASSES = (*ASK_PROBABILITIES, "committee")


def fill_quotas(
    groups: np.ndarray, shares: np.ndarray, start: np.ndarray, sizes: list[int], rng: np.random.Generator
) -> np.ndarray:
    """Return an order of rows that begins with ``start`` and brings each group near its share."""
    free = np.setdiff1d(np.arange(groups.size), start)
    queues = [rng.permutation(free[groups[free] == g]) for g in range(shares.size)]
    order = [start]
    have = np.bincount(groups[start], minlength=shares.size) if start.size else np.zeros(shares.size, dtype=int)
    for size in sizes:
        while have.sum() < size and any(q.size for q in queues):
            left = np.array([q.size for q in queues])
            lack = np.where(left > 0, np.maximum(shares * size - have, 0.0), 0.0)
            lack = lack if lack.sum() > 0 else left.astype(float)
            need = size - int(have.sum())
            exact = np.minimum(lack * need / lack.sum(), left)
            counts = np.floor(exact + 1e-9).astype(int)
            if not counts.any():
                counts[np.argmax(exact)] = 1
            order += [q[:n] for q, n in zip(queues, counts, strict=True)]
            queues = [q[n:] for q, n in zip(queues, counts, strict=True)]
            have = have + counts
    return np.concatenate(order).astype(int)


SPLIT, ORDER, TRAINING, NOISE, SUITE, CHOICE, SYNTHESIS, DIVERSITY = range(8)
"""Branches of the seed: what a random stream is used for."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Split:
    """Rows for training and for evaluation."""

    pool: np.ndarray
    evaluation: dict[str, np.ndarray]


def fresh_seed() -> int:
    """Return a seed that nobody chose."""
    return int(np.random.SeedSequence().generate_state(1)[0])


def stream(entropy: int, *branch: int) -> np.random.Generator:
    """Return the random stream of one branch of the seed."""
    return np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=branch))


def seed_of(entropy: int, *branch: int) -> int:
    """Return 32 bits of one branch of the seed."""
    return int(np.random.SeedSequence(entropy, spawn_key=branch).generate_state(1)[0])


def training_seed(entropy: int, learner: int, replicate: int, size: int) -> int:
    """Return the ``random_state`` (32 bits) of one training."""
    return seed_of(entropy, TRAINING, learner, replicate, size)


def split_by_share(slices: np.ndarray, free: np.ndarray, test_size: float, entropy: int) -> Split:
    """Set aside a share of each slice's free rows, at least one, drawn without replacement."""
    rng = stream(entropy, SPLIT)
    evaluation = {}
    for name in np.unique(slices[free]):
        rows = np.flatnonzero((slices == name) & free)
        count = max(1, round(test_size * rows.size))
        evaluation[str(name)] = np.sort(rng.permutation(rows)[:count])
    return _split(free, evaluation)


def split_by_rows(slices: np.ndarray, free: np.ndarray, rows: np.ndarray) -> Split:
    """Set aside the rows that the user named."""
    held = np.unique(rows)
    held = held[free[held]]
    return _split(free, {str(name): held[slices[held] == name] for name in np.unique(slices[free])})


def split_by_folds(slices: np.ndarray, free: np.ndarray, folds: int, entropy: int) -> list[Split]:
    """Deal each slice's free rows to folds; split k sets fold k aside and trains on the others."""
    rng = stream(entropy, SPLIT)
    evaluation: list[dict[str, np.ndarray]] = [{} for _ in range(folds)]
    for name in np.unique(slices[free]):
        rows = rng.permutation(np.flatnonzero((slices == name) & free))
        for fold, held in enumerate(evaluation):
            held[str(name)] = np.sort(rows[fold::folds])
    return [_split(free, held) for held in evaluation]


def _split(free: np.ndarray, evaluation: dict[str, np.ndarray]) -> Split:
    left = free.copy()
    for rows in evaluation.values():
        left[rows] = False
    return Split(pool=np.flatnonzero(left), evaluation=evaluation)


def evaluation_id(rows: np.ndarray, copy: str = "") -> str:
    """Return a short id of an evaluation set: a digest of its row positions, and of what was done to a copy."""
    kind = "copy" if copy else "rows"
    return f"{kind}-" + hashlib.sha256(rows.astype("<i8").tobytes() + copy.encode()).hexdigest()[:12]


def nested_order(
    slices: np.ndarray, sizes: list[int], jitter: float, rng: np.random.Generator, *, again: bool = False
) -> np.ndarray:
    """Return an order of rows whose first n, for each size n, are one training set; slices' shares differ at random.

    Rows are drawn without replacement, or ``again`` as in a bootstrap.
    """
    _, codes = np.unique(slices, return_inverse=True)
    lasting = rng.normal(0.0, jitter, codes.max() + 1)
    left, chosen = np.arange(slices.size), []
    for count in np.diff(sizes, prepend=0).tolist():
        log_weight = (lasting + rng.normal(0.0, jitter, lasting.size))[codes[left]]
        if again:
            weight = np.exp(log_weight)
            chosen.append(rng.choice(left, count, p=weight / weight.sum()))
            continue
        # Exponential race: sorting by log(Exp(1)) − log(weight) draws without replacement by weight.
        step = np.argsort(np.log(rng.standard_exponential(left.size)) - log_weight)[:count]
        chosen.append(left[step])
        left = np.delete(left, step)
    return np.concatenate(chosen)


CLUSTERS = 32  # clusters of a slice, at most
ROWS_PER_CLUSTER = 10  # rows of a slice for each of its clusters, at least
LOOKED_AT = 3_000  # rows of a slice that the clusters are made from, at most
DRAWS = 64  # random draws that a training set is compared with


@dataclasses.dataclass(frozen=True, eq=False)
class Clusters:
    """Clusters of the rows of each slice."""

    codes: np.ndarray  # cluster of each row, numbered within its slice
    sizes: Mapping[str, np.ndarray]
    entropy: int
    _expected: dict[tuple[str, int], float] = dataclasses.field(default_factory=dict, repr=False)

    def score(self, name: str, rows: np.ndarray) -> float:
        """Effective clusters of a slice's rows over those of random rows: the Vendi score (Friedman and Dieng 2023)."""
        if not rows.size:
            return float("nan")
        counts = np.bincount(self.codes[rows], minlength=self.sizes[name].size)
        at = (name, int(rows.size))
        if at not in self._expected:
            self._expected[at] = self._at_random(name, rows.size)
        return float(effective_number(counts[None])[0] / self._expected[at])

    def _at_random(self, name: str, count: int) -> float:
        sizes = self.sizes[name]
        rng = stream(self.entropy, DIVERSITY, count)
        if count <= sizes.sum():
            drawn = rng.multivariate_hypergeometric(sizes, count, size=DRAWS)
        else:  # a bootstrap may draw more rows than there are
            drawn = rng.multinomial(count, sizes / sizes.sum(), size=DRAWS)
        return float(effective_number(drawn).mean())


def effective_number(counts: np.ndarray) -> np.ndarray:
    """Exponential of the entropy of the shares in each row of counts."""
    return np.exp(scipy.special.entr(counts / counts.sum(axis=1, keepdims=True)).sum(axis=1))


def find_clusters(features: Any, slices: np.ndarray, pool: np.ndarray, entropy: int) -> Clusters:
    """Cluster the rows of each slice by their features (k-means on at most a few thousand of them)."""
    from sklearn.cluster import MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    codes = np.zeros(slices.size, dtype=np.int64)
    sizes = {}
    for number, name in enumerate(np.unique(slices)):
        rows = pool[slices[pool] == name]
        count = min(CLUSTERS, max(1, rows.size // ROWS_PER_CLUSTER))
        if count > 1:
            seed = seed_of(entropy, DIVERSITY, number)
            seen = np.random.default_rng(seed).permutation(rows)[:LOOKED_AT]
            with threadpool_limits(1):  # threads that wait for each other cost more than such a small job
                made = MiniBatchKMeans(count, random_state=seed, n_init=1, batch_size=1024).fit(take(features, seen))
                codes[rows] = made.predict(take(features, rows))
        sizes[str(name)] = np.bincount(codes[rows], minlength=max(count, 1))
    return Clusters(codes, sizes, entropy)


CLASSIFIER, FIT_CLASSIFIER = "clf", "fit_clf"
UNMET = ("ensemble", "discriminator", "reg", "estimator")
"""Models that some strategies ask for, and that cannot be made from a classifier."""


def activeml_strategy(query_strategy: Any, *, classifier: Any = None) -> Strategy:
    """Return a strategy for ``simulate_runs`` that asks a query strategy of scikit-activeml.

    It sees the pool as numbers of comparable scale: gaps filled, columns scaled, one column per category.

    Parameters
    ----------
    query_strategy : skactiveml.base.SingleAnnotatorPoolQueryStrategy
        Such as ``skactiveml.pool.CoreSet()`` or ``Badge()``; its ``random_state`` is set at each query.
    classifier : scikit-learn classifier, optional
        Model that the strategy asks, where it asks one, fitted to these numbers; by default logistic regression. It
        need not be the learner.

    Returns
    -------
    callable
        From a ``Query`` to the rows to label; a value for the mapping ``strategies``.

    Raises
    ------
    TypeError
        If this is no query strategy, or one that asks for another kind of model.

    Examples
    --------
    >>> from skactiveml.pool import CoreSet
    >>> strategies = {"random": None, "core set": activeml_strategy(CoreSet())}
    """
    from skactiveml.base import SingleAnnotatorPoolQueryStrategy
    from sklearn.linear_model import LogisticRegression

    name = type(query_strategy).__name__
    if not isinstance(query_strategy, SingleAnnotatorPoolQueryStrategy):
        raise TypeError(f"query_strategy must be a pool query strategy of scikit-activeml, not {name}")
    asked = inspect.signature(query_strategy.query).parameters
    unmet = [model for model in UNMET if model in asked]
    if unmet:
        raise TypeError(f"{name} asks for {unmet[0]!r}; only strategies that ask for 'clf', or for no model, are known")
    model = LogisticRegression() if classifier is None else classifier

    def choose(query: Query) -> np.ndarray:
        from skactiveml.classifier import SklearnClassifier
        from sklearn.base import clone

        features = query.features.toarray() if hasattr(query.features, "toarray") else query.features
        codes = np.full(features.shape[0], np.nan)
        codes[query.labelled] = np.searchsorted(query.classes, query.labels)
        options: dict[str, Any] = {}
        if CLASSIFIER in asked:
            classes = np.arange(query.classes.size)
            options[CLASSIFIER] = SklearnClassifier(clone(model), classes=classes, random_state=query.seed)
            options[FIT_CLASSIFIER] = True
        fresh = clone(query_strategy).set_params(random_state=query.seed, missing_label=np.nan)
        return fresh.query(X=features, y=codes, candidates=query.candidates, batch_size=query.count, **options)

    return choose
