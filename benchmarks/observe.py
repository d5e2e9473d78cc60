"""What labels did on the shipped data: strategies, transfer, wrong labels, suites, diversity, as posteriors.

Run ``python -m benchmarks.observe`` (``adult``, ``mnist`` or ``flights`` for one of them). Fits the runs that
``data/make_comparisons.py`` computed: everything measured on the holdout at once, and all suites with random and clean
labels; and, without the model, reads the same from plain means. Prints tables in Markdown and keeps the numbers in
``benchmarks/results/observe_NAME.json``; what is there is not measured again, so an interrupted run goes on.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import labelvalue as lv
from labelvalue import names
from labelvalue.forecast.gains.bootstrap import fit_power_laws
from labelvalue.model.curve.families import information_left

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DATA = {"adult": 2, "mnist": 10, "flights": 2}  # data sets and their numbers of classes
NOISE = 0.1
SEED = 20261124


def interval(draws: xr.DataArray) -> list[float]:
    """Median and 90 % equal-tailed interval."""
    return [float(q) for q in np.quantile(draws.values, [0.5, 0.05, 0.95])]


def as_text(numbers: list[float], digits: int = 2) -> str:
    middle, low, high = (f"{x:.{digits}f}" for x in numbers)
    return f"{middle} ({low} to {high})"


def over_slices(values: xr.DataArray) -> xr.DataArray:
    """Mean over slices on the log scale, draw by draw."""
    return np.exp(np.log(values).mean(names.SLICE))


def fitted(name: str, runs: xr.Dataset, draws: int, chains: int) -> tuple[lv.Fit, dict[str, Any]]:
    start = time.process_time()
    fit = lv.fit(runs, classes=DATA[name], random_seed=SEED, draws=draws, tune=draws, chains=chains)
    diagnostics = fit.diagnostics
    told = {"runs": int(runs.sizes[names.RUN]), "verdict": diagnostics.verdict, "reasons": list(diagnostics.reasons)}
    return fit, told | {"processor_seconds": time.process_time() - start, "draws": draws, "chains": chains}


def measure_choices(name: str, runs: xr.Dataset, draws: int, chains: int) -> dict[str, Any]:
    """What strategies, labels of other slices, wrong labels and diversity are worth: all runs on the holdout."""
    runs = runs.isel(run=runs[names.SUITE].values == "holdout")
    fit, told = fitted(name, runs, draws, chains)
    learners = [str(x) for x in fit.posterior[names.LEARNER].values]
    worth = lv.interventions.strategy_efficiency(fit).sel(strategy="uncertainty")
    transfer = fit.posterior[names.TRANSFER]
    left = 1000 * information_left(NOISE, DATA[name]) ** fit.posterior[names.NOISE_COST]
    diversity = lv.interventions.diversity_efficiency(fit)
    means = {learner: over_slices(worth.sel(learner=learner)) for learner in learners}
    return told | {
        "strategy": {learner: [*interval(mean), float((mean > 1).mean())] for learner, mean in means.items()},
        "transfer": {
            learner: {str(s): interval(transfer.sel(learner=learner, slice=s)) for s in fit.slices}
            for learner in learners
        },
        "noise": interval(left),
        "diversity": {"p_matters": diversity.attrs["p_matters"], "range": diversity[names.DIVERSITY].values.tolist()},
    }


def measure_suites(name: str, runs: xr.Dataset, draws: int, chains: int) -> dict[str, Any]:
    """How much of the gain of twice the labels persists on other suites: random and clean labels."""
    plain = (runs[names.STRATEGY] == "random") & (runs[names.LABEL_NOISE] == 0)
    fit, told = fitted(name, runs.isel(run=plain.values).drop_vars(names.DIVERSITY), draws, chains)
    gain = lv.predict_gain(fit, [int(fit.position[names.LABELS_NOW].median())]).isel(budget=0)
    kept = lv.suites.gain_over_suites(gain.mean(names.SLICE).expand_dims(slice=["all"]))["persistence"].sel(slice="all")
    suites = [str(x) for x in fit.posterior[names.SUITE].values if str(x) != "holdout"]
    learners = [str(x) for x in fit.posterior[names.LEARNER].values]
    persistence = {s: {n: interval(kept.sel(suite=s, learner=n)) for n in learners} for s in suites}
    return told | {"persistence": persistence}


def measure_means(name: str, runs: xr.Dataset, draws: int, chains: int) -> dict[str, Any]:
    """The same without the model: means over slices, least squares through random labels, replicates resampled."""
    frame = runs.to_dataframe()
    frame["total"] = frame[names.LABELS] + frame[names.OTHER_LABELS]
    frame["noisy"] = frame[names.LABEL_NOISE] > 0
    keys = [names.LEARNER, names.SUITE, names.STRATEGY, "noisy", names.REPLICATE, "total"]
    means = frame.groupby(keys)[names.ERROR].mean()
    replicates = frame[names.REPLICATE].nunique()
    rng = np.random.default_rng(SEED)
    weight = rng.multinomial(replicates, np.full(replicates, 1 / replicates), size=draws) / replicates

    def curve(*at: Any) -> tuple[np.ndarray, np.ndarray]:
        """Sizes, and the resampled mean errors at each."""
        table = means.loc[at].unstack("total")
        return table.columns.to_numpy(float), weight @ table.to_numpy()

    found: dict[str, Any] = {"runs": int(runs.sizes[names.RUN]), "draws": draws, "strategy": {}, "noise": {}}
    suites = [s for s in frame[names.SUITE].unique() if s != "holdout"]
    found["persistence"] = {s: {} for s in suites}
    for learner in sorted(frame[names.LEARNER].unique()):
        sizes, errors = curve(learner, "holdout", "random", False)
        laws = fit_power_laws(sizes, errors)
        for what, at in (("strategy", ("uncertainty", False)), ("noise", ("random", True))):
            there, measured = curve(learner, "holdout", *at)
            ratio = np.clip((measured - laws.floor[:, None]) / laws.scale[:, None], 1e-9, None)
            equal = laws.reference * ratio ** (-1 / np.maximum(laws.elasticity, 1e-3))[:, None]
            worth = np.exp(np.log(np.clip(equal / there, 0.05, 20.0)).mean(axis=1))
            found[what][learner] = [*np.quantile(worth, [0.5, 0.05, 0.95]).tolist(), float((worth > 1).mean())]
        for suite in suites:
            there, other = curve(learner, suite, "random", False)
            kept = (other[:, 1] - other[:, -1]) / (errors[:, 1] - errors[:, -1])
            found["persistence"][suite][learner] = np.quantile(kept, [0.5, 0.05, 0.95]).tolist()
    return found


def table_of_means(results: dict[str, dict[str, Any]]) -> str:
    """What was measured without the model, in Markdown."""
    lines = [
        "| data | learner | one label chosen by uncertainty, in random ones | of 1,000 labels with 10 % wrong remain "
        "| gain on suites over that on the holdout |",
        "|---|---|---|---|---|",
    ]
    for name, found in ((n, f["means"]) for n, f in results.items() if "means" in f):
        for learner, (*numbers, _) in found["strategy"].items():
            left = as_text([1000 * x for x in found["noise"][learner][:3]], 0)
            kept = "; ".join(f"{suite}: {as_text(by[learner])}" for suite, by in found["persistence"].items())
            lines.append(f"| {name} | {learner} | {as_text(numbers)} | {left} | {kept} |")
    return "\n".join(lines)


PARTS = {"choices": measure_choices, "suites": measure_suites, "means": measure_means}


def tables(results: dict[str, dict[str, Any]]) -> str:
    """Return all of it in Markdown."""
    choices = {name: found["choices"] for name, found in results.items() if "choices" in found}
    lines = [
        "| data | learner | one label chosen by uncertainty, in random ones | P(> 1) | of 1,000 labels with 10 % wrong "
        "remain | P(diversity matters) |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in choices.items():
        for number, (learner, (*numbers, better)) in enumerate(found["strategy"].items()):
            noise = as_text(found["noise"], 0) if not number else ""
            matters = f"{found['diversity']['p_matters']:.2f}" if not number else ""
            lines.append(f"| {name} | {learner} | {as_text(numbers)} | {better:.2f} | {noise} | {matters} |")
    lines += ["", "| data | suite | learner | gain on the suite over that on the holdout |", "|---|---|---|---|"]
    for name, found in results.items():
        for suite, by_learner in found.get("suites", {}).get("persistence", {}).items():
            lines += [f"| {name} | {suite} | {n} | {as_text(numbers)} |" for n, numbers in by_learner.items()]
    for name, found in choices.items():
        learners = list(found["transfer"])
        head = f"| {name}: another slice's label in own ones | {' | '.join(learners)} |"
        lines += ["", head, "|---" * (1 + len(learners)) + "|"]
        for slice_ in found["transfer"][learners[0]]:
            cells = " | ".join(as_text(found["transfer"][learner][slice_], 3) for learner in learners)
            lines.append(f"| {slice_} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    """Fit what is not kept yet, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="*", default=list(DATA))
    parser.add_argument("--part", nargs="*", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--chains", type=int, default=4)
    parser.add_argument("--again", action="store_true", help="measure anew what is kept")
    arguments = parser.parse_args()
    results: dict[str, dict[str, Any]] = {}
    for part in arguments.part:
        for name in arguments.name:
            path = RESULTS / f"observe_{name}.json"
            found = json.loads(path.read_text()) if path.exists() else {}
            if part not in found or arguments.again:
                runs = lv.read_runs(ROOT / "data" / f"{name}_comparisons.parquet")
                found[part] = PARTS[part](name, runs, arguments.draws, arguments.chains)
                path.write_text(json.dumps(found, indent=1) + "\n")
            results[name] = found
    print(tables(results), table_of_means(results), sep="\n\n")
    for name, found in results.items():
        for part, told in ((part, told) for part, told in found.items() if part != "means"):
            print(f"\n{name}, {part}: {told['runs']} runs, {told['processor_seconds']:.0f} s of the processor", end="")
            print(
                f", {told['chains']} chains of {told['draws']} + {told['draws']} draws; verdict {told['verdict']}",
                end="",
            )
            print("".join(f"; {reason}" for reason in told["reasons"]))


if __name__ == "__main__":
    main()
