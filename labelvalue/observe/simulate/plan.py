"""From a protocol to the trainings that it asks for, in a fixed order; and from what they gave to a runs table."""

import dataclasses
import functools
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.observe.simulate.protocol import Protocol
from labelvalue.observe.simulate.strategies import (
    CHOICE,
    NOISE,
    ORDER,
    ORDERED,
    Clusters,
    Split,
    fill_quotas,
    nested_order,
    stream,
)
from labelvalue.observe.simulate.suites import ClassMix, WrongLabels, draw_wrong_labels
from labelvalue.observe.simulate.training import COUNTED, RANDOM, EvaluationSet, Job, Key, Outcome
from labelvalue.observe.table.runs import read_runs
from labelvalue.observe.table.schema import KEY
from labelvalue.printing import as_lines
from labelvalue.problems import input_error, quote, some_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """Every training of a simulation."""

    protocol: Protocol
    learners: Sequence[str]
    slices: np.ndarray
    codes: np.ndarray  # class of each row as an index, empty for numbers
    classes: np.ndarray
    splits: Sequence[Split]
    entropy: int
    labels_now: Mapping[str, int]  # those evaluated on included, unless the user named them

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

    def jobs(self) -> Iterator[Job]:
        """Yield the trainings of fixed orders one by one, and those of strategies in a row; learners share subsets."""
        for replicate, split in enumerate(self.splits):
            rng = stream(self.entropy, ORDER, replicate)
            slices, again = self.slice_codes[split.pool], self.protocol.resampling == "bootstrap"
            start = nested_order(slices, self.sizes, self.protocol.jitter, rng, again=again)
            for number, strategy in enumerate(self.protocol.strategies):
                rng = stream(self.entropy, CHOICE, number, replicate)
                if strategy == RANDOM:
                    yield from self._fixed(RANDOM, replicate, split.pool[start], self.sizes)
                elif isinstance(strategy, ClassMix):
                    order = split.pool[self._mixed(strategy, split.pool, rng)]
                    sizes = [size for size in self.sizes if size <= order.size]
                    yield from self._fixed(strategy.name, replicate, order, sizes)
                else:
                    first = start[: self.sizes[0]]
                    if RANDOM not in self.protocol.strategies and number == 0:
                        yield from self._fixed(RANDOM, replicate, split.pool[first], self.sizes[:1])
                    if strategy in ORDERED:
                        order = split.pool[self._even(strategy, split.pool, first, rng)]
                        yield from self._fixed(strategy, replicate, order, self.sizes[1:])
                    else:
                        smallest, larger = self.sizes[:1], self.sizes[1:]
                        yield from self._each(strategy, replicate, split.pool, first, larger, smallest)

    def _fixed(self, strategy: str, replicate: int, order: np.ndarray, sizes: list[int]) -> Iterator[Job]:
        """Trainings on the first rows of an order."""
        every = np.arange(order.size)
        for place, size in enumerate(sizes):
            yield from self._each(strategy, replicate, order[:size], every[:size], [size], sizes[: place + 1])

    def _each(
        self, strategy: str, replicate: int, pool: np.ndarray, start: np.ndarray, sizes: list[int], ends: list[int]
    ) -> Iterator[Job]:
        """The same of every learner, share of wrong labels and of synthetic examples."""
        for (number, learner), share, ratio in itertools.product(enumerate(self.learners), *self._shares):
            yield Job(
                learner=learner,
                number=number,
                strategy=strategy,
                replicate=replicate,
                sizes=sizes,
                pool=pool,
                start=start,
                ends=ends,
                share=share,
                synthetic=ratio,
                entropy=self.entropy,
                batch_size=self.protocol.batch_size,
            )

    @property
    def _shares(self) -> tuple[Sequence[float | None], Sequence[float]]:
        """Shares of wrong labels, and synthetic examples per label, that are each combined with all else."""
        return self.protocol.label_noise or (None,), self.protocol.synthetic or (0.0,)

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


REPLICATES = 5
TEST_SIZE = 0.25
ENOUGH_ITEMS = 200
"""Evaluation rows of a slice from which on one split is enough: an error of 0.2 is then known to about ±0.03."""
LEAST_TRAINED_ON = 0.8  # share of the rows that folds leave to train on, at least
MOST_FOLDS = 10
BELOW_ALL = 0.85
"""Share of the rows left to train on that the largest training set takes where all of them would always be the same."""
PER_CLASS, PER_SLICE = 5, 10
"""Labels that the smallest training set is to hold, in expectation, of every class and slice that is not rare."""
RARE = 0.25  # of an even share: a class or slice with less is rare, and does not make the smallest training set larger
FEWEST_SIZES, MOST_SIZES, A_DOUBLING = 6, 10, 2
"""How many sizes there are, and how many to a doubling between these limits."""
SPAN = 8
"""By how much the largest training set is larger than the smallest, at least; less tells little of how errors fall."""


def settle(
    protocol: Protocol, rows: Mapping[str, int], *, evaluation_given: bool = False
) -> tuple[Protocol, list[str]]:
    """Choose where replicates come from, and how many there are, where the protocol leaves it open."""
    resampling, said = protocol.resampling, []
    if resampling is None:
        resampling, why = _choose(protocol, rows, evaluation_given)
        said = [why] if why else []
    replicates = protocol.replicates or (_folds(rows) if resampling == "folds" else REPLICATES)
    test_size = TEST_SIZE if protocol.test_size is None else protocol.test_size
    chosen = dataclasses.replace(protocol, resampling=resampling, replicates=replicates, test_size=test_size)
    return chosen, said


def _choose(protocol: Protocol, rows: Mapping[str, int], evaluation_given: bool) -> tuple[str, str]:
    """Return subsets of one split or folds, and why; no reason where what was asked for decides."""
    if evaluation_given or protocol.test_size is not None:
        return "subsets", ""
    name, least = min(rows.items(), key=lambda item: item[1])
    items = max(1, round(TEST_SIZE * least))
    if items >= ENOUGH_ITEMS:
        return "subsets", f"one split, because it leaves every slice {ENOUGH_ITEMS} rows or more to evaluate on"
    folds = protocol.replicates or _folds(rows)
    if folds < REPLICATES:
        return "subsets", f"one split, because folds that train on most rows take {REPLICATES} replicates, not {folds}"
    if least < folds:
        return "subsets", f"one split, because slice {quote(name)} has {least} rows, too few for {folds} folds"
    if protocol.sizes is not None and max(protocol.sizes) > _left(rows, folds):
        return "subsets", f"one split, because {folds} folds leave less than {max(protocol.sizes)} rows to train on"
    return "folds", f"{folds} folds, because one split would leave slice {quote(name)} {items} rows to evaluate on"


def _folds(rows: Mapping[str, int]) -> int:
    """Return the fewest folds that leave enough to train on, or those that leave most; every slice is in each fold."""
    total = sum(rows.values())
    possible = range(REPLICATES, max(REPLICATES, min(MOST_FOLDS, *rows.values())) + 1)
    enough = [folds for folds in possible if _left(rows, folds) >= LEAST_TRAINED_ON * total]
    return enough[0] if enough else max(possible, key=lambda folds: (_left(rows, folds), -folds))


def _left(rows: Mapping[str, int], folds: int) -> int:
    """Return how many rows the largest fold leaves to train on."""
    return sum(count - math.ceil(count / folds) for count in rows.values())


def choose_sizes(
    pool: int, protocol: Protocol, slices: np.ndarray, classes: np.ndarray | None = None
) -> tuple[list[int], str]:
    """Choose sizes half a doubling apart or farther, from a few labels of every class and slice to all there are."""
    whole = protocol.resampling != "subsets" or protocol.replicates == 1
    whole = whole and all(s == "random" or isinstance(s, ClassMix) for s in protocol.strategies)
    largest = pool if whole else max(2, math.floor(BELOW_ALL * pool))
    groups = (
        [(slices, PER_SLICE)] if classes is None or not classes.size else [(slices, PER_SLICE), (classes, PER_CLASS)]
    )
    smallest = max(2, min(max(_needed(of, least) for of, least in groups), largest // SPAN))
    steps = round(A_DOUBLING * math.log2(largest / smallest)) + 1
    spaced = np.geomspace(smallest, largest, min(max(steps, FEWEST_SIZES), MOST_SIZES)).round().astype(int)
    sizes = np.unique(spaced).tolist()
    left = "folds leave to train on" if protocol.resampling == "folds" else "is left to train on"
    end = f"all that {left}" if whole else f"{100 * BELOW_ALL:.0f} % of what {left}, because all is one training set"
    return sizes, f"sizes {sizes[0]} to {sizes[-1]} in {len(sizes)} steps, {end}"


def _needed(groups: np.ndarray, least: int) -> int:
    """Return how many labels hold so many of each group, in expectation, the rare ones left aside."""
    counts = np.unique(groups, return_counts=True)[1]
    shares = counts / counts.sum()
    return math.ceil(least / shares[shares >= RARE / counts.size].min())


@dataclasses.dataclass(kw_only=True)
class Gathering:
    """Outcomes as they come, and what was lost."""

    plan: Plan
    evaluations: Sequence[Sequence[EvaluationSet]]
    clusters: Clusters | None
    outcomes: list[Outcome] = dataclasses.field(default_factory=list)
    dead: list[Key] = dataclasses.field(default_factory=list)

    def runs(self, notes: Sequence[str], jobs: Sequence[Job], classes: int) -> xr.Dataset:
        """Return the runs table; raise where there is nothing to put into it."""
        place = {key: number for number, key in enumerate(key for job in jobs for key in job.keys)}
        done = sorted(self.outcomes, key=lambda outcome: place[outcome.key])
        rows = [row for outcome in done for row in self._rows(outcome)]
        if not rows:
            raise self._nothing(done)
        said = [*notes, *self._counted(done), *self._lost(done), *self._shortened(jobs)]
        return self._checked(rows, said, classes)

    def _nothing(self, done: Sequence[Outcome]) -> Exception:
        failed = [outcome for outcome in done if outcome.failed]
        if failed:
            error = RuntimeError(f"training failed ({failed[0].key.text}): {failed[0].failed}")
            error.add_note(failed[0].trace)
            return error
        if self.dead:
            return RuntimeError(f"the worker died twice: {_named(key.text for key in self.dead)}")
        reasons = ", ".join(sorted({outcome.skipped for outcome in done if outcome.skipped})) or "no size fits"
        return input_error(f"no training could be done: {reasons}", "give larger sizes, more time or other data")

    def _counted(self, done: Sequence[Outcome]) -> list[str]:
        counts = Counter(f"trainings skipped: {outcome.skipped}" for outcome in done if outcome.skipped)
        undefined = sum(measure is None for outcome in done for measure in outcome.measures.values())
        counts[f"measurements left out: {self.plan.protocol.metric} not defined, or without noise"] = undefined
        return [f"{count} {why}" for why, count in sorted(counts.items()) if count]

    def _lost(self, done: Sequence[Outcome]) -> list[str]:
        failed = [f"{outcome.key.text}: {outcome.failed}" for outcome in done if outcome.failed]
        notes = [f"trainings failed: {len(failed)} ({_named(failed)})"] if failed else []
        if self.dead:
            lost = _named(key.text for key in self.dead)
            notes.append(f"trainings missing, their worker died twice: {len(self.dead)} ({lost})")
        return notes

    def _rows(self, outcome: Outcome) -> list[dict[str, object]]:
        """Return the rows of the runs table that one training gives, one per suite and slice."""
        key, counts = outcome.key, self.plan.labels_by_slice(outcome.rows)
        ids = {e.suite: e.ids for e in self.evaluations[key.replicate]}
        shared: dict[str, object] = {
            names.LEARNER: key.learner,
            names.STRATEGY: key.strategy,
            names.REPLICATE: key.replicate,
            names.PROTOCOL: self.plan.protocol.id,
            names.SECONDS: outcome.seconds,
            names.MEASURED_AT: outcome.measured_at,
        }
        if outcome.noise is not None:
            shared[names.LABEL_NOISE] = outcome.noise
        by_slice = self._by_slice(outcome, {name for _, name in outcome.measures})
        return [
            {
                names.SLICE: name,
                names.SUITE: suite,
                names.LABELS: counts[name],
                names.OTHER_LABELS: key.size - counts[name],
                names.EVALUATION_SET: ids[suite][name],
                names.LABELS_NOW: self.plan.labels_now.get(name, 0),
                **by_slice[name],
                **measure,
                **shared,
            }
            for (suite, name), measure in outcome.measures.items()
            if measure is not None
        ]

    def _by_slice(self, outcome: Outcome, slices: set[str]) -> dict[str, dict[str, object]]:
        """What is said of each slice's part of a training set: its synthetic examples, its diversity."""
        out: dict[str, dict[str, object]] = {name: {} for name in slices}
        here = self.plan.slices[outcome.rows]
        made = sum(outcome.synthetic.values())
        for name, cells in out.items():
            if self.plan.protocol.synthetic:
                own = outcome.synthetic.get(name, 0)
                cells |= {names.SYNTHETIC_LABELS: own, names.OTHER_SYNTHETIC_LABELS: made - own}
            if self.clusters is not None:
                known = name in self.clusters.sizes
                rows = outcome.rows[here == name]
                cells[names.DIVERSITY] = self.clusters.score(name, rows) if known else float("nan")
        return out

    def _shortened(self, jobs: Sequence[Job]) -> list[str]:
        """Return a note per mix of classes that the pool cannot serve at every size."""
        wanted = set(self.plan.sizes)
        notes = []
        for mix in [s for s in self.plan.protocol.strategies if isinstance(s, ClassMix)]:
            served = {size for job in jobs if job.strategy == mix.name for size in job.sizes}
            if wanted - served:
                lost = ", ".join(map(str, sorted(wanted - served)))
                notes.append(f"{mix.name}: too few rows of a class for sizes {lost}")
        return notes

    def _checked(self, rows: list[dict[str, object]], notes: list[str], classes: int) -> xr.Dataset:
        """Pass the rows through the reader, as any other runs table."""
        protocol = self.plan.protocol
        frame = pd.DataFrame(rows)
        if protocol.label_noise or protocol.synthetic:  # shares that come to the same count are one run
            frame = frame.drop_duplicates([name for name in KEY if name in frame], ignore_index=True)
        metric = None if protocol.metric in COUNTED[:1] else protocol.metric
        runs = read_runs(frame, metric=metric, classes=classes if classes > 1 else None)
        notes += runs.attrs[names.NOTES].splitlines()
        runs.attrs |= {names.SOURCE: "simulate_runs", names.PROTOCOL: protocol.to_toml(), names.NOTES: as_lines(notes)}
        return runs


def _named(jobs: Iterable[str]) -> str:
    return some_of(jobs, 5, "; ")
