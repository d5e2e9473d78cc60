"""From a protocol to the trainings that it asks for, in a fixed order."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from labelvalue.observe.label_errors import WrongLabels, choose_wrong, draw_wrong_labels
from labelvalue.observe.perturbations import ClassMix
from labelvalue.observe.protocol import Protocol
from labelvalue.observe.sampling import (
    CHOICE,
    NOISE,
    ORDER,
    Split,
    bootstrap_order,
    nested_order,
    stream,
    training_seed,
)
from labelvalue.observe.settings import ORDERED
from labelvalue.observe.strategies import fill_quotas
from labelvalue.observe.training import RANDOM, Loop, Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """Every training of a simulation.

    Parameters
    ----------
    protocol : Protocol
        With sizes and seed that are settled.
    learners : sequence of str
        Names of the training recipes.
    slices : numpy.ndarray
        Slice of each row.
    codes : numpy.ndarray
        Class of each row as an index, empty for numbers.
    classes : numpy.ndarray
        All classes, ascending.
    splits : sequence of Split
        One per replicate.
    entropy : int
        Seed of everything.
    labels_now : mapping of str to int
        Labels that the user has of each slice, those evaluated on included unless the user named them.
    """

    protocol: Protocol
    learners: Sequence[str]
    slices: np.ndarray
    codes: np.ndarray
    classes: np.ndarray
    splits: Sequence[Split]
    entropy: int
    labels_now: Mapping[str, int]

    @property
    def sizes(self) -> list[int]:
        """Training-set sizes, ascending."""
        return list(self.protocol.sizes or ())

    @functools.cached_property
    def slice_names(self) -> np.ndarray:
        """All slices, ascending."""
        return np.unique(self.slices)

    @functools.cached_property
    def slice_codes(self) -> np.ndarray:
        """Slice of each row, as an index into ``slice_names``."""
        return np.searchsorted(self.slice_names, self.slices)

    def labels_by_slice(self, rows: np.ndarray) -> dict[str, int]:
        """Count the rows of each slice, those with none included."""
        counts = np.bincount(self.slice_codes[rows], minlength=self.slice_names.size)
        return dict(zip(self.slice_names.tolist(), counts.tolist(), strict=True))

    def wrong_labels(self, replicate: int) -> WrongLabels | None:
        """Return the wrong labels of a replicate, ``None`` where none are asked for; the same whatever the share."""
        if not self.protocol.label_noise:
            return None
        process, rows = stream(self.entropy, NOISE), stream(self.entropy, NOISE, replicate)
        return draw_wrong_labels(self.codes, self.classes.size, self.protocol.noise_kind, process, rows)

    def jobs(self) -> Iterator[Task | Loop]:
        """Yield the trainings of fixed orders one by one, and those of strategies as loops; learners share subsets."""
        for replicate, split in enumerate(self.splits):
            rng = stream(self.entropy, ORDER, replicate)
            draw = bootstrap_order if self.protocol.resampling == "bootstrap" else nested_order
            start = draw(self.slice_codes[split.pool], self.sizes, self.protocol.jitter, rng)
            wrong = self.wrong_labels(replicate)
            for number, strategy in enumerate(self.protocol.strategies):
                rng = stream(self.entropy, CHOICE, number, replicate)
                if strategy == RANDOM:
                    yield from self._tasks(RANDOM, replicate, split.pool[start], self.sizes, wrong)
                elif isinstance(strategy, ClassMix):
                    order = split.pool[self._mixed(strategy, split.pool, rng)]
                    sizes = [size for size in self.sizes if size <= order.size]
                    yield from self._tasks(strategy.name, replicate, order, sizes, wrong)
                else:
                    first = start[: self.sizes[0]]
                    if RANDOM not in self.protocol.strategies and number == 0:
                        yield from self._tasks(RANDOM, replicate, split.pool[first], self.sizes[:1], wrong)
                    if strategy in ORDERED:
                        order = split.pool[self._even(strategy, split.pool, first, rng)]
                        yield from self._tasks(strategy, replicate, order, self.sizes[1:], wrong)
                    else:
                        yield from self._loops(strategy, replicate, split.pool, first)

    def count(self, jobs: Sequence[Task | Loop]) -> int:
        """Return the number of evaluated trainings among jobs."""
        return sum(1 if isinstance(job, Task) else len(job.sizes) for job in jobs)

    def _tasks(
        self, strategy: str, replicate: int, order: np.ndarray, sizes: list[int], drawn: WrongLabels | None
    ) -> Iterator[Task]:
        shares: Sequence[float | None] = self.protocol.label_noise or (None,)
        for size in sizes:
            for number, learner in enumerate(self.learners):
                for share in shares:
                    wrong = None
                    if share is not None and drawn is not None:
                        wrong = choose_wrong(drawn.order[order], sizes, share)[:size]
                    for ratio in self.protocol.synthetic or (0.0,):
                        yield Task(
                            learner=learner,
                            replicate=replicate,
                            size=size,
                            rows=order[:size],
                            seed=training_seed(self.entropy, number, replicate, size),
                            strategy=strategy,
                            wrong=wrong,
                            synthetic=ratio,
                            share=share,
                        )

    def _loops(self, strategy: str, replicate: int, pool: np.ndarray, start: np.ndarray) -> Iterator[Loop]:
        for number, learner in enumerate(self.learners):
            for share in self.protocol.label_noise or (None,):
                for ratio in self.protocol.synthetic or (0.0,):
                    yield Loop(
                        learner=learner,
                        strategy=strategy,
                        number=number,
                        replicate=replicate,
                        pool=pool,
                        start=start,
                        sizes=self.sizes[1:],
                        batch_size=self.protocol.batch_size,
                        share=share,
                        synthetic=ratio,
                        entropy=self.entropy,
                    )

    def _even(self, strategy: str, pool: np.ndarray, start: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Order the pool so that slices keep their shares (stratified) or classes come to equal ones (balanced)."""
        groups = (self.slice_codes if strategy == "stratified" else self.codes)[pool]
        groups = np.unique(groups, return_inverse=True)[1]
        counts = np.bincount(groups)
        shares = counts / counts.sum() if strategy == "stratified" else (counts > 0) / np.count_nonzero(counts)
        return fill_quotas(groups, shares, start, self.sizes, rng)

    def _mixed(self, mix: ClassMix, pool: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Order rows of the pool so that every size has the mix; the order ends where a class runs out."""
        texts = self.classes.astype(str).tolist()
        group_of = np.full(len(texts), -1)
        for group, name in enumerate(mix.shares):
            group_of[texts.index(name)] = group
        groups = group_of[self.codes[pool]]
        shares = np.array(list(mix.shares.values()))
        there = np.bincount(groups[groups >= 0], minlength=shares.size)
        most = int(np.min(there / shares) + 1e-9)
        sizes = [size for size in self.sizes if size <= most]
        return fill_quotas(groups, shares, np.zeros(0, dtype=int), sizes, rng)
