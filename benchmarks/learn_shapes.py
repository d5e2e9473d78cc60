"""Learn what real curves of a shape did next, from the curves of learners.

    python -m benchmarks.learn_shapes > models/priors/shapes.toml    # some minutes on one core

Every curve of the development half of LCDB is seen as it was at several sizes, by all its runs and by few, and what
came up to three doublings later. The network of `labelvalue.model.curve.discrepancy` is moved until the CRPS of a
normal distribution of the log error ahead is lowest, weighted by the error at that time, data sets counting alike. Told
on standard error is that CRPS for data sets that were left out in turn, beside that of curves that stay where they are.
"""

import dataclasses
import sys

import numpy as np
import pandas as pd
from scipy.special import ndtr

import labelvalue as lv
from benchmarks import lcdb_data
from benchmarks.learned import FOLDS, fold_of
from benchmarks.problems import Problem
from labelvalue.model.curve.discrepancy import FARTHEST, INPUTS, Network, ahead, shapes

SEED = 20_261_129
CUTS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)  # doublings before the last observed size at which a curve is seen
AHEAD = np.arange(0.5, 3.5, 0.5)  # doublings after that at which it is asked what came
NEAR = 0.1  # doublings within which a size counts as asked for
FEW = 5  # runs a size at most, of every curve seen once more: less is known of its shape
HIDDEN, ROUNDS, BATCH = 16, 3000, 2000
RATE, LAST_RATE, SHRINK = 1e-2, 1e-4, 2e-5
BEGIN = np.array([-0.1, 0.0, -2.5, 0.0])  # the four numbers of a curve of any shape, before anything is learned
LEAST, LOWEST, HIGHEST = 0.01, -3.0, 1.0  # least share of the error that may be left; ends of the log of what came


def seen_and_came(problem: Problem) -> pd.DataFrame:
    """One row per curve, cut and distance of one problem.

    Returns: inputs by number, ``distance``, ``came`` (log error then over error now), ``now``, ``weight``, ``data``.
    """
    error = problem.runs["errors"] / problem.runs["trials"]
    measured = error.groupby([problem.runs[key] for key in ("slice", "learner", "labels")]).mean()
    rows = []
    for cut in CUTS:
        most = problem.now.max() / 2.0**cut
        runs = problem.runs[problem.runs["labels"] <= most * 2.0 ** (NEAR / 2.0)]
        if runs.empty:
            break
        seen = shapes(lv.read_runs(runs))
        for at, curve in enumerate(problem.curves):
            if curve[0] not in seen["slice"].values or curve[1] not in seen["learner"].values:
                continue
            inputs = seen.sel(slice=curve[0], learner=curve[1]).values
            later = measured.loc[curve]
            sizes = np.concatenate([later.index.to_numpy(), problem.targets[at]])
            values = np.concatenate([later.to_numpy(), problem.truth[at]])
            now = int(np.flatnonzero(sizes <= most * 2.0 ** (NEAR / 2.0))[-1])
            far = np.log2(sizes / sizes[now])
            for asked in AHEAD if np.isfinite(inputs).all() else ():
                place = int(np.abs(far - asked).argmin())
                if abs(far[place] - asked) <= NEAR:
                    came = np.log(max(values[place] / values[now], LEAST))
                    rows.append([*inputs, far[place], came, values[now]])
    named = [*range(INPUTS), "distance", "came", "now"]
    return pd.DataFrame(rows, columns=named).assign(weight=1.0 / len(problem.curves), data=problem.name)


def slopes(network: Network, rows: pd.DataFrame) -> list[np.ndarray]:
    """Derivatives of the weighted CRPS of some rows by what the network is made of."""
    seen, far, came, weight = parts(rows)
    hidden = np.tanh(seen @ network.inner + network.inner_at)
    location, spread = ahead((hidden @ network.outer + network.outer_at).T, far)
    z = (came - location) / spread
    by_location = weight * (1.0 - 2.0 * ndtr(z))
    by_spread = weight * spread * (np.sqrt(2.0 / np.pi) * np.exp(-0.5 * z**2) - 1.0 / np.sqrt(np.pi))
    near = np.minimum(far, FARTHEST)
    bend = by_location * near * (2.0 * far - near) / FARTHEST
    outer = np.stack([by_location * far, bend, by_spread, by_spread * np.log(far)], axis=1)
    inner = (outer @ network.outer.T) * (1.0 - hidden**2)
    return [seen.T @ inner, inner.sum(0), hidden.T @ outer, outer.sum(0)]


def parts(rows: pd.DataFrame) -> tuple[np.ndarray, ...]:
    """Inputs (row, input), distance, what came and weight (row,) of a table, for numbers alone."""
    weight = (rows["weight"] * rows["now"]).to_numpy()
    came = rows["came"].clip(LOWEST, HIGHEST).to_numpy()
    return rows[[*range(INPUTS)]].to_numpy(), rows["distance"].to_numpy(), came, weight / weight.mean()


def learn(rows: pd.DataFrame) -> Network:
    """Learn a network by stochastic gradients (Adam, Kingma and Ba 2015)."""
    rng = np.random.default_rng(SEED)
    inner = rng.normal(0.0, INPUTS**-0.5, (INPUTS, HIDDEN))
    network = Network(inner, np.zeros(HIDDEN), rng.normal(0.0, 0.1, (HIDDEN, BEGIN.size)), BEGIN.copy())
    arrays = [getattr(network, field.name) for field in dataclasses.fields(Network)]
    mean, square = ([np.zeros_like(array) for array in arrays] for _ in range(2))
    for number in range(1, ROUNDS + 1):
        some = rows.iloc[rng.integers(0, len(rows), BATCH)]
        rate = RATE * (1.0 - number / ROUNDS) + LAST_RATE
        for place, slope in enumerate(slopes(network, some)):
            slope = slope / BATCH + (SHRINK * arrays[place] if arrays[place].ndim == 2 else 0.0)
            mean[place] = 0.9 * mean[place] + 0.1 * slope
            square[place] = 0.999 * square[place] + 0.001 * slope**2
            steps = mean[place] / (1.0 - 0.9**number), np.sqrt(square[place] / (1.0 - 0.999**number))
            arrays[place] -= rate * steps[0] / (steps[1] + 1e-8)
    return network


def crps_of(network: Network, rows: pd.DataFrame) -> float:
    """Weighted mean CRPS of the log error ahead."""
    seen, far, came, weight = parts(rows)
    location, spread = ahead(network(seen).T, far)
    z = (came - location) / spread
    each = spread * (z * (2.0 * ndtr(z) - 1.0) + np.sqrt(2.0 / np.pi) * np.exp(-0.5 * z**2) - 1.0 / np.sqrt(np.pi))
    return float(np.average(each, weights=weight))


def main() -> None:
    """Write the network, and say what it is worth on data sets that were left out."""
    few = lcdb_data.load_problems("development", replicates=FEW)
    problems = lcdb_data.load_problems("development") + few
    rows = pd.concat([seen_and_came(problem) for problem in problems], ignore_index=True)
    fold = rows["data"].map(fold_of)
    told = [(crps_of(learn(rows[fold != k]), rows[fold == k]), rows[fold == k]) for k in range(FOLDS)]
    left_out = np.average([crps for crps, _ in told], weights=[len(part) for _, part in told])
    stays = np.average(rows["came"].clip(LOWEST, HIGHEST).abs(), weights=rows["weight"] * rows["now"])
    print(f"CRPS {left_out:.4f} on data sets left out; {stays:.4f} were curves to stay", file=sys.stderr)
    network = learn(rows)
    print(
        f'provenance = "{len(rows)} views of {sum(len(p.curves) for p in few)} curves of {len(few)} '
        "development data sets of LCDB 1.0 (Mohr, Viering, Loog and van Rijn 2022): "
        'python -m benchmarks.learn_shapes"'
    )
    for field in dataclasses.fields(Network):
        print(f"{field.name} = {np.round(getattr(network, field.name), 4).tolist()}")


if __name__ == "__main__":
    main()
