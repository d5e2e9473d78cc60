"""What a simulation's trainings gave, as a runs table, with notes on what is not in it."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.observe.simulate.evaluation import COUNTED, EvaluationSet
from labelvalue.observe.simulate.execution import name_jobs
from labelvalue.observe.simulate.plan import Plan
from labelvalue.observe.simulate.strategies import Clusters
from labelvalue.observe.simulate.suites import ClassMix
from labelvalue.observe.simulate.training import Loop, Outcome, Task
from labelvalue.observe.table.runs import read_runs
from labelvalue.observe.table.schema import KEY
from labelvalue.problems import input_error


@dataclasses.dataclass(kw_only=True)
class Gathering:
    """Outcomes as they come, and what was lost."""

    plan: Plan
    evaluations: Sequence[Sequence[EvaluationSet]]
    clusters: Clusters | None
    outcomes: list[Outcome] = dataclasses.field(default_factory=list)
    dead: list[Task] = dataclasses.field(default_factory=list)

    def runs(self, notes: Sequence[str], jobs: Sequence[Task | Loop], classes: int) -> xr.Dataset:
        """Return the runs table; raise where there is nothing to put into it."""
        place = {key: number for number, key in enumerate(_keys(jobs))}
        done = sorted(self.outcomes, key=lambda outcome: place[outcome.task.key])
        rows = [row for outcome in done for row in self._rows(outcome)]
        if not rows:
            raise self._nothing(done)
        said = [*notes, *self._counted(done), *self._lost(done), *self._shortened(jobs)]
        return self._checked(rows, said, classes)

    def _nothing(self, done: Sequence[Outcome]) -> Exception:
        failed = [outcome for outcome in done if outcome.failed]
        if failed:
            error = RuntimeError(f"training failed ({failed[0].task.text}): {failed[0].failed}")
            error.add_note(failed[0].trace)
            return error
        if self.dead:
            return RuntimeError(f"the worker died twice: {name_jobs([task.text for task in self.dead])}")
        reasons = ", ".join(sorted({outcome.skipped for outcome in done if outcome.skipped})) or "no size fits"
        return input_error(f"no training could be done: {reasons}", "give larger sizes, more time or other data")

    def _counted(self, done: Sequence[Outcome]) -> list[str]:
        counts = Counter(f"trainings skipped: {outcome.skipped}" for outcome in done if outcome.skipped)
        undefined = sum(measure is None for outcome in done for measure in outcome.measures.values())
        counts[f"measurements left out: {self.plan.protocol.metric} not defined, or without noise"] = undefined
        return [f"{count} {why}" for why, count in sorted(counts.items()) if count]

    def _lost(self, done: Sequence[Outcome]) -> list[str]:
        failed = [f"{outcome.task.text}: {outcome.failed}" for outcome in done if outcome.failed]
        notes = [f"trainings failed: {len(failed)} ({name_jobs(failed)})"] if failed else []
        if self.dead:
            lost = name_jobs([task.text for task in self.dead])
            notes.append(f"trainings missing, their worker died twice: {len(self.dead)} ({lost})")
        return notes

    def _rows(self, outcome: Outcome) -> list[dict[str, object]]:
        """Return the rows of the runs table that one training gives, one per suite and slice."""
        task, protocol = outcome.task, self.plan.protocol
        counts = self.plan.labels_by_slice(task.rows)
        ids = {e.suite: e.ids for e in self.evaluations[task.replicate]}
        shared: dict[str, object] = {
            names.LEARNER: task.learner,
            names.STRATEGY: task.strategy,
            names.REPLICATE: task.replicate,
            names.PROTOCOL: protocol.id,
            names.SECONDS: outcome.seconds,
            names.MEASURED_AT: outcome.measured_at,
        }
        if task.wrong is not None:
            shared[names.LABEL_NOISE] = np.count_nonzero(task.wrong) / task.size
        by_slice = self._by_slice(outcome, {name for _, name in outcome.measures})
        return [
            {
                names.SLICE: name,
                names.SUITE: suite,
                names.LABELS: counts[name],
                names.OTHER_LABELS: task.size - counts[name],
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
        here = self.plan.slices[outcome.task.rows]
        made = sum(outcome.synthetic.values())
        for name, cells in out.items():
            if self.plan.protocol.synthetic:
                own = outcome.synthetic.get(name, 0)
                cells |= {names.SYNTHETIC_LABELS: own, names.OTHER_SYNTHETIC_LABELS: made - own}
            if self.clusters is not None:
                known = name in self.clusters.sizes
                rows = outcome.task.rows[here == name]
                cells[names.DIVERSITY] = self.clusters.score(name, rows) if known else float("nan")
        return out

    def _shortened(self, jobs: Sequence[Task | Loop]) -> list[str]:
        """Return a note per mix of classes that the pool cannot serve at every size."""
        wanted = set(self.plan.sizes)
        notes = []
        for mix in [s for s in self.plan.protocol.strategies if isinstance(s, ClassMix)]:
            served = {job.size for job in jobs if isinstance(job, Task) and job.strategy == mix.name}
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
        notes += json.loads(runs.attrs[names.NOTES])
        runs.attrs |= {
            names.SOURCE: "simulate_runs",
            names.PROTOCOL: protocol.to_toml(),
            names.NOTES: json.dumps(notes, ensure_ascii=False),
        }
        return runs


def _keys(jobs: Sequence[Task | Loop]) -> list[Any]:
    return [t.key for job in jobs for t in ([job] if isinstance(job, Task) else map(job.task, job.sizes))]
