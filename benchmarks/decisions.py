"""Is the plan better than simple rules? A closed loop on real data, and simulated worlds whose truth is known.

Run from the repository's root:

    python -m benchmarks.decisions --quick              # minutes
    python -m benchmarks.decisions --loops all --repetitions 20
    python -m benchmarks.decisions --worlds 200

Each repetition and each world is kept in the cache folder as it is done, so that an interrupted run goes on.
"""

import argparse
import itertools
import json
import sys
import warnings
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

import labelvalue as lv
from benchmarks import decision_worlds
from benchmarks.downloads import cache_folder
from benchmarks.loop_data import LOOPS, LoopData
from benchmarks.loop_rules import State, by_error, ours, slice_tuner_like, spread, uniform, water_filling

VERSION = 2
WORLDS = 3  # version of what is kept of a world
ROUNDS = 5
SEED = 20261124
NOTHING = "nothing"
SHARES = (0.25, 0.5)  # parts of the way from an equal split to ours
REDRAWS = 12  # drawings of all rows over which what a purchase brings is averaged
LEARNER = LogisticRegression(max_iter=300)
OURS = "labelvalue"
STEPS = "steps"
SIMPLE = ("uniform", "by error", "water-filling", "Slice-Tuner-like")
MEASURES = {"mean": "mean error", "worst": "worst slice", "gap": "largest gap"}


@cache
def load(name: str) -> LoopData:
    return LOOPS[name].load()


@cache
def rules() -> dict[str, Callable[[State], np.ndarray]]:
    simple = (uniform, by_error, water_filling, slice_tuner_like)
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

    def errors(self, counts: np.ndarray, pool: list[np.ndarray] | None = None) -> list[float]:
        """Error of each slice on its test rows, of a model trained on the first rows of each pool."""
        rows = self.rows(counts, pool)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a training that stops early is as good for one rule as for another
            model = clone(LEARNER).fit(self.data.features[rows], self.data.target[rows])
        return [float((model.predict(self.data.features[at]) != self.data.target[at]).mean()) for at in self.test]

    def rows(self, counts: np.ndarray, pool: list[np.ndarray] | None = None) -> np.ndarray:
        return np.concatenate([rows[:n] for rows, n in zip(pool or self.pool, counts, strict=True)])

    def runs(self, counts: np.ndarray, round_: int) -> xr.Dataset:
        """Trainings on subsets of the labels at hand, evaluated on the validation rows."""
        labelled = self.rows(counts)
        rows = np.concatenate([labelled, *self.validation])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return lv.simulate_runs(
                LEARNER, self.data.features[rows], self.data.target[rows], self.data.slices[rows],
                evaluation=np.arange(labelled.size, rows.size), random_state=self.seed + round_,
                execution=lv.Execution(progress=False),
            )  # fmt: skip

    def go(self, rule: Callable[[State], np.ndarray], rounds: int) -> dict:
        """Buy in rounds; errors of every slice on the test rows, and labels, after each."""
        counts, trace = self.start.copy(), []
        for round_ in range(rounds + 1):
            trace.append({"labels": counts.tolist(), "error": self.errors(counts)})
            if round_ < rounds:
                available = np.array([len(p) for p in self.pool]) - counts
                state = State(
                    self.slices, counts, available, self.loop.batch, lambda c=counts, r=round_: self.runs(c, r),
                    self.seed + round_,
                )  # fmt: skip
                counts = counts + rule(state)
                trace[-1]["promised"] = state.promised
        return {"trace": trace}

    def steps(self, trace: list[dict]) -> dict:
        """What ours bought in each round and what else could be bought bring, on average over rows drawn anew."""
        found = []
        for round_, (step, after) in enumerate(itertools.pairwise(trace)):
            if not step["promised"]:
                continue
            counts, batch = np.array(step["labels"]), self.loop.batch
            bought, available = np.array(after["labels"]) - counts, np.array([len(p) for p in self.pool]) - counts
            state = State(self.slices, counts, available, batch, lambda: None, 0)
            even, filling = uniform(state), water_filling(state)
            plans = {NOTHING: 0 * bought, "uniform": even, "water-filling": filling, OURS: bought}
            plans |= {f"{100 * s:g} % ours": spread(s * bought + (1 - s) * even, available, batch) for s in SHARES}
            rng = np.random.default_rng([self.seed, round_, REDRAWS])
            pools = [[rng.permutation(rows) for rows in self.pool] for _ in range(REDRAWS)]
            came = {t: float(np.mean([self.errors(counts + b, p) for p in pools])) for t, b in plans.items()}
            found.append({"promised": step["promised"], "error": came})
        return {"steps": found}


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
            path = folder / f"{name}-{number}-{rounds}-steps.json"
            traces[STEPS] = kept(path, lambda one=one, ours=traces[OURS]["trace"]: one.steps(ours))
            found[name].append(traces)
            print(f"{name} {number + 1}/{repetitions}", file=sys.stderr, flush=True)
    return found


def measure(trace: list[dict]) -> pd.DataFrame:
    """Labels bought and the measures after each round."""
    error = np.array([step["error"] for step in trace])
    bought = np.array([sum(step["labels"]) for step in trace])
    worst = error.max(axis=1)
    columns = {"bought": bought - bought[0], "mean": error.mean(axis=1), "worst": worst}
    return pd.DataFrame(columns | {"gap": worst - error.min(axis=1)})


def summarise_loop(repetitions: list[dict]) -> dict[str, dict]:
    """Means over repetitions of what every rule reaches, and ours less each, paired, with standard errors."""
    last = {
        t: pd.DataFrame([measure(one[t]["trace"]).iloc[-1] for one in repetitions])
        for t in repetitions[0]
        if t != STEPS
    }
    out: dict[str, dict] = {}
    for title, own in last.items():
        less = last[OURS] - own
        row: dict = {name: float(value) for name, value in own.mean().items()}
        error = less.std(ddof=1) / np.sqrt(len(repetitions))
        out[title] = row | {f"ours less, {what}": [float(less[what].mean()), float(error[what])] for what in MEASURES}
    return out


def loop_table(name: str, summary: dict[str, dict], repetitions: int) -> str:
    """Markdown of one data set."""
    lines = [f"**{name}** ({repetitions} repetitions)\n"]
    lines.append("| rule | " + " | ".join(f"{said} | ours less it" for said in MEASURES.values()) + " |")
    lines.append("|---" * (2 * len(MEASURES) + 1) + "|")
    for title, row in summary.items():
        cells = [title]
        for what in MEASURES:
            middle, error = row[f"ours less, {what}"]
            cells += [f"{row[what]:.4f}", "" if title == OURS else f"{middle:+.4f} ± {error:.4f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def summarise_steps(repetitions: list[dict]) -> dict[str, dict]:
    """Means over rounds of the fall of mean error by one purchase, and how far beyond an equal split's, with errors."""
    steps = [step for one in repetitions for step in one[STEPS]["steps"]]
    error = pd.DataFrame([step["error"] for step in steps])
    promised = pd.DataFrame([step["promised"] for step in steps])
    out: dict[str, dict] = {"rounds": {"of": len(steps)}}
    for title in error.columns.drop(NOTHING):
        more = error["uniform"] - error[title]
        row = {"came": float((error[NOTHING] - error[title]).mean())}
        row |= {"more": float(more.mean()), "more, error": float(more.std(ddof=1) / np.sqrt(len(steps)))}
        if title in promised:
            beyond = promised[title] - promised["uniform"]
            row |= {"promised": float(promised[title].mean()), "more, promised": float(beyond.mean())}
        out[title] = row
    return out


def steps_table(summary: dict[str, dict]) -> str:
    """Markdown of single purchases."""
    rounds = summary["rounds"]["of"]
    lines = [f"| one purchase, {rounds} rounds | promised | came | promised beyond uniform | came beyond uniform |"]
    lines.append("|---" * 5 + "|")
    for title, row in summary.items():
        if title != "rounds":
            said, more = (f"{row[key]:.4f}" if key in row else "" for key in ("promised", "more, promised"))
            came = f"{row['more']:+.5f} ± {row['more, error']:.5f}"
            lines.append(f"| {title} | {said} | {row['came']:.4f} | {more} | {came} |")
    return "\n".join(lines)


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
        names, repetitions, rounds, worlds = names[1:3], 2, 2, 10
    found: dict = {"rounds": rounds, "repetitions": repetitions, "loops": {}, "steps": {}, "worlds": {}}
    for name, traces in run_loops(names, repetitions, rounds).items():
        found["loops"][name] = summarise_loop(traces)
        print(loop_table(name, found["loops"][name], repetitions) + "\n")
        found["steps"][name] = summarise_steps(traces)
        print(steps_table(found["steps"][name]) + "\n")
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
