"""Which rows are evaluated on, and which are trained on: split, nesting, jittered composition.

Everything here depends on seeds alone, never on the order in which trainings finish.
"""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np

SPLIT, ORDER, TRAINING, NOISE, SUITE, CHOICE, SYNTHESIS, DIVERSITY = range(8)
"""Branches of the seed: what a random stream is used for."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Split:
    """Rows for training and for evaluation.

    Parameters
    ----------
    pool : numpy.ndarray
        Positions of the rows that may be trained on, ascending.
    evaluation : mapping of str to numpy.ndarray
        Positions of each slice's evaluation rows, ascending.
    """

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


def nested_order(slices: np.ndarray, sizes: list[int], jitter: float, rng: np.random.Generator) -> np.ndarray:
    """Return an order of rows whose first n, for each size n, are one training set.

    Rows are drawn without replacement. Each slice has a weight for the replicate and another for
    every step from one size to the next, both log-normal, so that the slices' shares differ between
    replicates and along the sizes, and a slice's labels say little about the labels of the others.

    Parameters
    ----------
    slices : numpy.ndarray
        Slice of each row of the pool.
    sizes : list of int
        Ascending training-set sizes, at most the number of rows.
    jitter : float
        Standard deviation of the log-weights; at 0 rows are drawn evenly.
    rng : numpy.random.Generator
        The replicate's random stream.

    Returns
    -------
    numpy.ndarray
        ``sizes[-1]`` positions in ``slices``.
    """
    _, codes = np.unique(slices, return_inverse=True)
    count = codes.max() + 1
    lasting = rng.normal(0.0, jitter, count)
    left = np.arange(slices.size)
    chosen, done = [], 0
    for size in sizes:
        passing = rng.normal(0.0, jitter, count)
        log_weight = (lasting + passing)[codes[left]]
        # Exponential race: sorting by log(Exp(1)) − log(weight) draws without replacement by weight.
        keys = np.log(rng.standard_exponential(left.size)) - log_weight
        step = _smallest(keys, size - done)
        chosen.append(left[step])
        left = np.delete(left, step)
        done = size
    return np.concatenate(chosen)


def _smallest(keys: np.ndarray, count: int) -> np.ndarray:
    """Return the positions of the ``count`` smallest keys, ascending."""
    low = np.argpartition(keys, count - 1)[:count] if count else np.zeros(0, dtype=int)
    return low[np.argsort(keys[low])]


def bootstrap_order(slices: np.ndarray, sizes: list[int], jitter: float, rng: np.random.Generator) -> np.ndarray:
    """Return draws with replacement whose first n, for each size n, are one training set.

    The slices' weights vary between replicates and sizes as those of :func:`nested_order` do.

    Parameters
    ----------
    slices : numpy.ndarray
        Slice of each row of the pool.
    sizes : list of int
        Ascending training-set sizes.
    jitter : float
        Standard deviation of the log-weights; at 0 rows are drawn evenly.
    rng : numpy.random.Generator
        The replicate's random stream.

    Returns
    -------
    numpy.ndarray
        ``sizes[-1]`` positions in ``slices``, some of them more than once.
    """
    _, codes = np.unique(slices, return_inverse=True)
    count = codes.max() + 1
    lasting = rng.normal(0.0, jitter, count)
    drawn, done = [], 0
    for size in sizes:
        weight = np.exp(lasting + rng.normal(0.0, jitter, count))[codes]
        drawn.append(rng.choice(slices.size, size - done, p=weight / weight.sum()))
        done = size
    return np.concatenate(drawn)
