"""Whether the error now is the population's: intervals from small evaluation sets beside errors on thousands of items.

Run from the repository's root; data and halves as in `benchmarks.slice_data`:

    python -m benchmarks.error_now
    python -m benchmarks.error_now --half test
    python -m benchmarks.error_now --items 40 400 --only adult,mails

Each world is real data cut into slices, half of the rows to train on. A learner is trained at seven sizes, five times
each, and evaluated on the same few items of every slice, as a team would. The truth is the mean error of five other
trainings at the largest size on all rows that were neither trained on nor evaluated on. Beside the 90 % interval of
`error_now` stands the one that a careful analyst would write down: Jeffreys's, of the mean error on these items.
"""

import argparse
import json
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

import labelvalue as lv
from benchmarks.problems import half_of
from benchmarks.slice_data import MIN_ROWS, REPLICATES, pipeline
from benchmarks.slice_sources import SOURCES, LabelledData

ITEMS = (40, 100, 400)
SIZES = 7  # half a doubling apart
MOST_LABELS, TRAINED_SHARE = 2_000, 0.25  # labels of the largest training set: at most, and of the rows to train on
MOST_ROWS = 30_000
FAR_MORE = 4  # how many times as many items a slice's truth rests on at least
PROB = 0.9


def worlds(half: str, only: Sequence[str] = ()) -> list[tuple[str, str, str]]:
    """Data, slicing and learner of each world of a half: the first learner there is."""
    return [
        (data, slicing, source.learners[0])
        for data, source in SOURCES.items()
        for slicing in source.slicings
        if (source.half or half_of(data)) == half and (not only or data in only)
    ]


def evaluated(loaded: LabelledData, slicing: str, learner: str, rng: np.random.Generator) -> tuple[pd.DataFrame, ...]:
    """Train and predict: rows of the trainings that are seen and of the truth's, an item of a slice, wrong or right."""
    slices = loaded.slicings[slicing]
    rows = np.flatnonzero(slices.groupby(slices).transform("size") >= MIN_ROWS)
    rows = rng.permutation(rows)[:MOST_ROWS]
    pool, asked = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    largest = int(min(MOST_LABELS, TRAINED_SHARE * len(pool)))
    sizes = [int(largest / 2 ** (k / 2)) for k in range(SIZES)]

    def train(size: int, order: np.ndarray) -> pd.DataFrame:
        chosen = order[:size]
        model = pipeline(loaded.features, learner).fit(loaded.features.iloc[chosen], loaded.target.iloc[chosen])
        wrong = model.predict(loaded.features.iloc[asked]) != loaded.target.iloc[asked].to_numpy()
        counts = slices.iloc[chosen].value_counts()
        labels = slices.iloc[asked].map(counts).fillna(0).astype(int).to_numpy()
        return pd.DataFrame(
            {"slice": slices.iloc[asked].astype(str).to_numpy(), "item": asked, "wrong": wrong, "labels": labels,
             "other_labels": size - labels}
        )  # fmt: skip

    orders = [rng.permutation(pool) for _ in range(2 * REPLICATES)]
    seen = [train(n, order).assign(replicate=k) for k, order in enumerate(orders[:REPLICATES]) for n in sizes]
    truth = [train(largest, order).assign(replicate=k) for k, order in enumerate(orders[REPLICATES:])]
    return pd.concat(seen), pd.concat(truth)


def judged(seen: pd.DataFrame, truth: pd.DataFrame, items: int, seed: int) -> list[dict]:
    """Fit what so many items of each slice show; both intervals beside the truth, one row a slice."""
    position = truth.groupby("slice")["item"].transform(lambda item: pd.factorize(item)[0])
    chosen = truth.loc[position < items, "item"].unique()
    few, many = seen[seen["item"].isin(chosen)], truth[~truth["item"].isin(chosen)]
    keys = ["slice", "labels", "other_labels", "replicate"]
    runs = few.groupby(keys)["wrong"].agg(errors="sum", trials="size").reset_index().assign(evaluation_set="the same")
    total = few["labels"] + few["other_labels"]
    now = few[total == total.max()]
    labels_now = now.groupby("slice")["labels"].mean().round().astype(int).to_dict()
    fit = lv.fit(lv.read_runs(runs), labels_now=labels_now, random_seed=seed, progress=False)
    rng, found = np.random.default_rng(seed), []
    for name, part in many.groupby("slice"):
        by_training = part.groupby("replicate")["wrong"].mean()
        rest, true = part["item"].nunique(), float(by_training.mean())
        if rest < FAR_MORE * items or fit.diagnostics.verdict == "refused":
            continue
        variance = true * (1 - true) / rest + by_training.var(ddof=1) / REPLICATES
        draws = fit.tree["posterior"]["error_now"].sel(slice=name).values.ravel()
        mean = float(now.loc[now["slice"] == name, "wrong"].mean())
        jeffreys = stats.beta(items * mean + 0.5, items * (1 - mean) + 0.5).rvs(draws.size, random_state=rng)
        row = {"slice": name, "items": items, "true": true, "verdict": fit.diagnostics.verdict}
        for method, sample in (("labelvalue", draws), ("jeffreys", jeffreys)):
            low, high = np.quantile(
                sample + rng.normal(0.0, np.sqrt(variance), sample.size), [(1 - PROB) / 2, (1 + PROB) / 2]
            )
            row |= {f"{method} held": bool(low <= true <= high), f"{method} width": float(high - low)}
            row |= {f"{method} miss": float(abs(np.median(sample) - true))}
        found.append(row)
    return found


def table(found: pd.DataFrame) -> str:
    """Share held, width and median's miss of both methods, by items; intervals by bootstrap over worlds."""
    lines = ["| items a slice | slices, worlds | held: labelvalue | Jeffreys | width, ratio | miss, ratio (90 %) |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for items, part in [*found.groupby("items"), ("all", found)]:
        by_world = part.groupby("world")[[c for c in part if c.endswith((" held", " width", " miss"))]].mean()
        again = np.random.default_rng(0).integers(0, len(by_world), (2000, len(by_world)))
        ours, theirs = (by_world[f"{method} miss"].to_numpy()[again].mean(1) for method in ("labelvalue", "jeffreys"))
        low, high = np.quantile(ours / theirs, [0.05, 0.95])
        widths, misses = (
            by_world[f"labelvalue {what}"].mean() / by_world[f"jeffreys {what}"].mean() for what in ("width", "miss")
        )
        lines.append(
            f"| {items} | {len(part)}, {len(by_world)} | {100 * part['labelvalue held'].mean():.0f} % "
            f"| {100 * part['jeffreys held'].mean():.0f} % | {widths:.2f} | {misses:.2f} ({low:.2f}-{high:.2f}) |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.error_now", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--items", type=int, nargs="+", default=list(ITEMS), help="items of a slice (default: 40 100 400)"
    )
    parser.add_argument("--half", default="development", choices=["development", "test"])
    parser.add_argument("--only", default="", help="comma-separated data sets (default: all of the half)")
    parser.add_argument("--out", type=Path, default=Path("out/error_now.json"))
    options = parser.parse_args(arguments)
    found, loaded = [], {}
    for data, slicing, learner in worlds(options.half, [name for name in options.only.split(",") if name]):
        loaded = loaded if data in loaded else {data: SOURCES[data].load()}
        seed = zlib.crc32(f"{data}.{slicing}".encode())
        seen, truth = evaluated(loaded[data], slicing, learner, np.random.default_rng(seed))
        for items in options.items:
            rows = judged(seen, truth, items, seed % 1000)
            found += [{"world": f"{data}.{slicing}", "learner": learner, **row} for row in rows]
            held = sum(row["labelvalue held"] for row in rows)
            print(f"{data}.{slicing} {learner}, {items} items: {held} of {len(rows)} held", file=sys.stderr, flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    print(table(pd.DataFrame(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
