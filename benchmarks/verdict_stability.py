"""How often does the advice change with nothing but the luck of the sampler?

Run from the repository's root:

    python -m benchmarks.verdict_stability              # 20 seeds, about 10 minutes; fits are kept in the cache folder
    python -m benchmarks.verdict_stability --seeds 5

Each row is a case, decided from so many posteriors of the same runs. Adult is sampled anew with every seed; stand-in
fits show other draws of one posterior with every seed. A verdict is stable where it comes in 19 of 20 seeds.
"""

import argparse
import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import as_file, files

import numpy as np
import pandas as pd
import xarray as xr

import labelvalue as lv
from benchmarks.downloads import cache_folder
from labelvalue import names
from labelvalue.testing import fake_fit

DRAWS = 250  # draws a chain of a stand-in fit, of which every seed sees others
ALLOWED = 1_200  # labels of the stand-ins of four curves
CLOSE, LABELS_OF = 0.1, "labels of "
SPREAD = 1.2  # standard deviation of the log elasticity of a curve that is hardly known


def adult(seed: int) -> lv.Fit:
    path = cache_folder() / f"adult_{seed}.nc"
    if not path.exists():
        with as_file(files("labelvalue_data") / "adult_runs.csv") as runs:
            lv.fit(lv.read_runs(runs), random_seed=seed, progress=False).save(path)
    return lv.load_fit(path)


@cache
def _stand_in(unsure: bool) -> lv.Fit:
    """All draws of a posterior; those of one curve spread, where it is hardly known."""
    fit = (
        fake_fit(seed=1, draws=100 * DRAWS, slices=("east", "west")) if unsure else fake_fit(seed=1, draws=100 * DRAWS)
    )
    if not unsure:
        return fit
    tree, posterior = fit.tree.copy(), fit.posterior.copy()
    west = posterior[names.SLICE] == "west"
    wild = np.exp(SPREAD * np.random.default_rng(9).standard_normal(posterior[names.CURVE_ELASTICITY].shape))
    posterior[names.CURVE_ELASTICITY] = posterior[names.CURVE_ELASTICITY].where(~west, 0.15 * wild)
    posterior[names.FLOOR_SHARE] = posterior[names.FLOOR_SHARE].where(~west, 0.05)
    tree[names.POSTERIOR] = xr.DataTree(posterior)
    return dataclasses.replace(fit, tree=tree)


def stand_in(seed: int, *, unsure: bool = False) -> lv.Fit:
    fit = _stand_in(unsure)
    tree = fit.tree.copy()
    own = slice(seed % 100 * DRAWS, (seed % 100 + 1) * DRAWS)
    tree[names.POSTERIOR] = xr.DataTree(fit.posterior.isel({names.DRAW: own}))
    tree.attrs["settings"] = json.dumps(fit.settings | {"random_seed": seed})
    return dataclasses.replace(fit, tree=tree)


def unsure(seed: int) -> lv.Fit:
    return stand_in(seed, unsure=True)


def west_only(price: float, **costs: float) -> lv.Case:
    costs = {"price_per_label": {"default": 100.0, "west": price}} | costs
    return lv.Case(costs=costs, value={"per_error_point": 400}, slices={"east": {"maximum": 0}})


def _guidelines(cost: float) -> lv.Case:
    work = lv.interventions.Guideline(0.5, redone=0.5, unit_cost=0.0, cost=cost)
    noise, value = {"low": 0.05, "high": 0.2}, {"per_error_point": 400}
    return lv.Case(costs={"price_per_label": 0.4}, value=value, label_noise=noise, interventions=(work,))


@cache
def guidelines() -> lv.Case:
    """Guidelines cost what they bring in the mean of six seeds, so that the luck of the draws could turn the advice."""
    free = [lv.decide(stand_in(seed), _guidelines(0.0), ALLOWED, measure=False) for seed in range(1, 7)]
    return _guidelines(float(np.mean([(one.advantage() - one.advantage(names.LABELS_ONLY)).mean() for one in free])))


@dataclasses.dataclass(frozen=True)
class Problem:
    """A case, the posteriors that it is decided from, and the labels allowed."""

    fit: Callable[[int], lv.Fit]
    case: Callable[[], lv.Case]
    labels: int


def demo() -> lv.Case:
    path = cache_folder() / "case.toml"
    path.write_text(lv.example_case(), encoding="utf-8")
    return lv.read_case(path)


PROBLEMS = {
    "demo": Problem(adult, demo, 10_000),
    "demo with 3000 labels": Problem(adult, demo, 3_000),
    "four known curves": Problem(
        stand_in, lambda: lv.Case(costs={"price_per_label": 0.4}, value={"per_error_point": 400}), ALLOWED
    ),
    "labels, or guidelines at their worth": Problem(stand_in, guidelines, ALLOWED),
    "an unknown curve at a fair price": Problem(unsure, lambda: west_only(0.23), 16_000),
    "an unknown curve close to even": Problem(unsure, lambda: west_only(0.1, retraining=300), 16_000),
}


def decisions(problem: Problem, seeds: Sequence[int]) -> pd.DataFrame:
    """Verdict, labels, and the best measurement, one row a seed."""
    rows = []
    for seed in seeds:
        fit, case = problem.fit(seed), problem.case()
        plan = lv.decide(fit, case, problem.labels)
        best = plan.measurements.iloc[0]
        worth = float(plan.advantage().mean())
        measured = tuple(best[key] for key in ("kind", names.SLICE, "size", names.ENBS, names.MCSE))
        rows.append((seed, plan.verdict.advice, plan.total, worth, *measured, *plan.labels.values()))
    columns = ["seed", "advice", "labels", "worth", "kind", names.SLICE, "size", names.ENBS, names.MCSE]
    return pd.DataFrame(rows, columns=[*columns, *(f"{LABELS_OF}{name}" for name in plan.labels)])


def apart(found: pd.DataFrame) -> tuple[float, float]:
    """Share of slices and seeds whose labels lie within 10 % of the slice's median, and how far off the farthest is."""
    by_slice = found.filter(like=LABELS_OF)
    by_slice = by_slice.loc[:, by_slice.median() > 0]
    off = (by_slice / by_slice.median() - 1.0).abs()
    return (float((off <= CLOSE).to_numpy().mean()), float(off.max().max())) if off.size else (1.0, 0.0)


def summary(name: str, found: pd.DataFrame) -> str:
    verdicts = Counter(found["advice"]).most_common()
    said = ", ".join(f"{advice} {count}" for advice, count in verdicts)
    best = f"{found['enbs'].mean():.3g} ± {found['enbs'].std():.2g} (stated {found['mcse'].mean():.2g})"
    labels = f"{found['labels'].min():,} to {found['labels'].max():,}"
    close, farthest = apart(found)
    by_slice = f"{close:.0%}, farthest {farthest:.0%}"
    return f"| {name} | {said} | {labels} | {by_slice} | {found['worth'].mean():,.0f} | {best} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--cases", default="", help="parts of their names, by commas; all by default")
    chosen = parser.parse_args()
    head = ("case", "verdicts", "labels", "slices within 10 %", "net benefit", "ENBS of the best measurement")
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for name, problem in PROBLEMS.items():
        if any(part in name for part in chosen.cases.split(",")):
            found = decisions(problem, range(1, chosen.seeds + 1))
            found.to_csv(cache_folder() / f"verdicts {name}.csv", index=False)
            print(summary(name, found), flush=True)


if __name__ == "__main__":
    main()
