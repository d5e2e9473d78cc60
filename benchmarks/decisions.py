"""Does planning save labels? A closed loop on real data, and simulated worlds whose truth is known.

Run from the repository's root:

    python -m benchmarks.decisions --quick              # minutes
    python -m benchmarks.decisions --loops all --repetitions 20
    python -m benchmarks.decisions --worlds 200

Each repetition and each world is kept in the cache folder as it is done, so that an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from benchmarks import decision_worlds
from benchmarks.downloads import cache_folder
from benchmarks.loop_data import LOOPS, LoopData
from benchmarks.loop_rules import State, ours, proportional, slice_tuner_like, uniform, water_filling

VERSION = 1
WORLDS = 2
"""Version of what is kept of a world."""
ROUNDS = 5
SEED = 20261124
FRACTIONS = (1.0, 0.5, 0.25, 0.125)
REPLICATES = 4
JITTER = 1.0
"""Doublings by which the share of a slice in a training set may lie below the others'."""
OURS = "labelvalue"
SIMPLE = ("uniform", "proportional", "water-filling", "Slice-Tuner-like")
MEASURES = {"mean": "mean error", "worst": "worst slice", "gap": "largest gap"}
RESAMPLES = 2_000


@cache
def load(name: str) -> LoopData:
    return LOOPS[name].load()


@cache
def rules() -> dict[str, Callable[[State], np.ndarray]]:
    simple = (uniform, proportional, water_filling, slice_tuner_like)
    return {**dict(zip(SIMPLE, simple, strict=True)), OURS: ours}


class Repetition:
    """One split of one data set: rows to buy from in a fixed order, rows for runs, rows for results."""

    def __init__(self, name: str, number: int):
        self.loop, self.data = LOOPS[name], load(name)
        self.seed = SEED + zlib.crc32(f"{name} {number}".encode()) % 1_000_000
        rng = np.random.default_rng(self.seed)
        self.slices = sorted(set(self.data.slices.tolist()))
        self.pool, self.validation, self.test, start = [], [], [], []
        for slice_ in self.slices:
            rows = rng.permutation(np.flatnonzero(self.data.slices == slice_))
            test = min(self.loop.test, rows.size // 3)
            validation = min(self.loop.validation, rows.size // 4)
            self.test.append(rows[:test])
            self.validation.append(rows[test : test + validation])
            self.pool.append(rows[test + validation :])
            low, high = np.log(self.loop.start)
            start.append(min(int(np.exp(rng.uniform(low, high))), rows.size // 4))
        self.start = np.array(start)

    def errors(self, rows: np.ndarray, at: list[np.ndarray]) -> np.ndarray | None:
        """Wrong answers slice by slice of a model trained on rows; None where they hold one class."""
        target = self.data.target[rows]
        if np.unique(target).size < 2:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a training that stops early is as good for one rule as for another
            model = LogisticRegression(max_iter=300, C=1.0).fit(self.data.features[rows], target)
        return np.array([(model.predict(self.data.features[a]) != self.data.target[a]).sum() for a in at])

    def rows(self, counts: np.ndarray) -> np.ndarray:
        return np.concatenate([pool[:n] for pool, n in zip(self.pool, counts, strict=True)])

    def runs(self, counts: np.ndarray, round_: int) -> pd.DataFrame:
        """Trainings on subsets of the labels at hand, slices in shares that vary, evaluated on the validation rows."""
        rng = np.random.default_rng([self.seed, round_])
        table = []
        for fraction in FRACTIONS:
            for replicate in range(REPLICATES):
                whole = fraction == 1.0 and replicate == 0
                thinner = np.zeros(counts.size) if whole else JITTER * rng.random(counts.size)
                taken = np.maximum(np.round(counts * fraction * 2.0**-thinner), 1).astype(int)
                chosen = [rng.permutation(p[:n])[:k] for p, n, k in zip(self.pool, counts, taken, strict=True)]
                wrong = self.errors(np.concatenate(chosen), self.validation)
                if wrong is None:
                    continue
                for place, name in enumerate(self.slices):
                    own = int(taken[place])
                    row = (name, own, int(taken.sum()) - own, replicate, "validation")
                    table.append((*row, int(wrong[place]), len(self.validation[place])))
        columns = ["slice", "labels", "other_labels", "replicate", "evaluation_set", "errors", "trials"]
        return pd.DataFrame(table, columns=columns)

    def go(self, rule: Callable[[State], np.ndarray], rounds: int) -> dict:
        """Buy in rounds; errors of every slice on the test rows, and labels, after each."""
        counts, trace, sizes = self.start.copy(), [], np.array([len(t) for t in self.test])
        started = time.perf_counter()
        for round_ in range(rounds + 1):
            wrong = self.errors(self.rows(counts), self.test)
            trace.append({"labels": counts.tolist(), "error": (wrong / sizes).tolist()})
            if round_ < rounds:
                available = np.array([len(p) for p in self.pool]) - counts
                state = State(
                    self.slices, counts, available, self.loop.batch, lambda c=counts, r=round_: self.runs(c, r),
                    self.seed + round_,
                )  # fmt: skip
                counts = counts + rule(state)
        return {"trace": trace, "seconds": time.perf_counter() - started}


def kept(path: Path, make: Callable[[], dict]) -> dict:
    """What was made earlier, or now and kept."""
    if path.exists():
        return json.loads(path.read_text())
    made = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".tmp")
    scratch.write_text(json.dumps(made))
    scratch.replace(path)
    return made


def run_loops(names: Sequence[str], repetitions: int, rounds: int) -> dict[str, list[dict]]:
    """Every rule on every repetition, repetition by repetition over all data sets."""
    found: dict[str, list[dict]] = {name: [] for name in names}
    folder = cache_folder() / f"decisions-v{VERSION}"
    for number in range(repetitions):
        for name in names:
            one = Repetition(name, number)
            traces = {}
            for title, rule in rules().items():
                path = folder / f"{name}-{number}-{rounds}-{title}.json"
                traces[title] = kept(path, lambda one=one, rule=rule: one.go(rule, rounds))
            found[name].append(traces)
            seconds = traces[OURS]["seconds"]
            print(f"{name} {number + 1}/{repetitions}: ours {seconds:.0f} s", file=sys.stderr, flush=True)
    return found


def measure(trace: list[dict]) -> pd.DataFrame:
    """Labels bought and the measures after each round."""
    error = np.array([step["error"] for step in trace])
    bought = np.array([sum(step["labels"]) for step in trace])
    worst = error.max(axis=1)
    columns = {"bought": bought - bought[0], "mean": error.mean(axis=1), "worst": worst}
    return pd.DataFrame(columns | {"gap": worst - error.min(axis=1)})


def labels_to_reach(bought: np.ndarray, error: np.ndarray, target: float) -> float:
    """Labels at which a curve of means first reaches a level, linear between rounds; NaN where it does not."""
    below = np.flatnonzero(error <= target)
    if below.size == 0:
        return np.nan
    first = int(below[0])
    if first == 0:
        return 0.0
    share = (error[first - 1] - target) / (error[first - 1] - error[first])
    return float(bought[first - 1] + share * (bought[first] - bought[first - 1]))


def summarise_loop(repetitions: list[dict], rng: np.random.Generator) -> dict[str, dict]:
    """Means over repetitions, paired differences to uniform and water-filling, and labels saved against uniform."""
    tables = {title: [measure(one[title]["trace"]) for one in repetitions] for title in repetitions[0]}
    picks = rng.integers(0, len(repetitions), (RESAMPLES, len(repetitions)))
    out: dict[str, dict] = {}
    for title, own in tables.items():
        row: dict = {"seconds": float(np.mean([one[title]["seconds"] for one in repetitions]))}
        row["bought"] = float(np.mean([table["bought"].iloc[-1] for table in own]))
        for what in MEASURES:
            last = np.array([table[what].iloc[-1] for table in own])
            row[what] = float(last.mean())
            for rival in ("uniform", "water-filling"):
                gap = last - np.array([table[what].iloc[-1] for table in tables[rival]])
                row[f"{what} against {rival}"] = [float(gap.mean()), *_interval(gap[picks].mean(axis=1))]
        bought = np.stack([table["bought"] for table in own])
        error = np.stack([table["mean"] for table in own])
        reference = np.stack([table["mean"] for table in tables["uniform"]])
        total = np.stack([table["bought"] for table in tables["uniform"]])[:, -1]
        saved = [
            1.0 - labels_to_reach(bought[p].mean(0), error[p].mean(0), reference[p, -1].mean()) / total[p].mean()
            for p in [np.arange(len(own)), *picks]
        ]
        row["saved"] = [saved[0], *_interval(np.array(saved[1:]))]
        row["reached"] = float(np.isfinite(saved[1:]).mean())
        out[title] = row
    return out


def _interval(values: np.ndarray) -> list[float]:
    known = np.where(np.isfinite(values), values, -np.inf)
    return [float(x) for x in np.quantile(known, [0.05, 0.95], method="nearest")]


def loop_table(name: str, summary: dict[str, dict], repetitions: int) -> str:
    """Markdown of one data set."""
    lines = [
        f"**{name}** ({repetitions} repetitions)\n",
        "| rule | mean error | against uniform | against water-filling | worst slice | against uniform "
        "| against water-filling | largest gap | labels saved against uniform | s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for title, row in summary.items():
        cells = [title]
        for what in ("mean", "worst"):
            cells.append(f"{row[what]:.4f}")
            for other in ("uniform", "water-filling"):
                middle, low, high = row[f"{what} against {other}"]
                cells.append(f"{middle:+.4f} ({low:+.4f} to {high:+.4f})")
        cells.append(f"{row['gap']:.4f}")
        cells.append(" to ".join(_percent(x) for x in row["saved"][1:]).join((f"{_percent(row['saved'][0])} (", ")")))
        cells.append(f"{row['seconds']:.0f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if np.isfinite(share) else "never there"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run loops and worlds, print tables, write one JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decisions", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two data sets, two repetitions, two rounds, ten worlds")
    parser.add_argument("--loops", default="all", help=f"some of {', '.join(LOOPS)}, by commas; all or none")
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--worlds", type=int, default=100)
    parser.add_argument("--out", type=Path, default=None, help="JSON to write")
    options = parser.parse_args(arguments)
    names = {"all": list(LOOPS), "none": []}.get(options.loops) or [n for n in options.loops.split(",") if n != "none"]
    repetitions, rounds, worlds = options.repetitions, ROUNDS, options.worlds
    if options.quick:
        names, repetitions, rounds, worlds = names[:1] + names[2:3], 2, 2, 10
    found: dict = {"rounds": rounds, "repetitions": repetitions, "loops": {}, "worlds": {}}
    for name, traces in run_loops(names, repetitions, rounds).items():
        found["loops"][name] = summarise_loop(traces, np.random.default_rng(SEED))
        print(loop_table(name, found["loops"][name], repetitions) + "\n")
    if worlds:
        folder = cache_folder() / f"decisions-v{VERSION}"
        found["worlds"] = decision_worlds.run(
            range(worlds), lambda s, make: kept(folder / f"world-v{WORLDS}-{s}.json", make)
        )
        print(decision_worlds.table(found["worlds"]))
    out = options.out or cache_folder() / f"decisions{'_quick' if options.quick else ''}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=1) + "\n")
    print(f"\n{out}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
