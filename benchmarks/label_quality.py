"""Label noise from simulated campaigns with known truth, from real judgements beside crowd-kit, and at scale.

Run from the repository's root:

    python -m benchmarks.label_quality coverage --campaigns 100
    python -m benchmarks.label_quality scale --classes 2 --annotators 40
    python -m benchmarks.label_quality profile --classes 50 --draws 250 --tune 150
    python -m benchmarks.label_quality real

``coverage`` draws campaigns of 5 annotators, 3 classes and 2 slices, 150 items a slice judged by 3 each, and asks
how often 50 % and 90 % intervals of noise hold the truth. The model is compiled once: all ways in which three of five
can judge an item are its patterns, and campaigns differ in their counts alone. Beside it stand the majority vote and
an EM Dawid-Skene. ``profile`` says what a fit of 100,000 judgements costs: parameters, a gradient, gradients a draw.
``real`` needs statsmodels, which ships the judgements of Fleiss (1971); crowd-kit stands beside it where it is
installed.
"""

import argparse
import itertools
import json
import os
import resource
import time
from pathlib import Path

import arviz_stats as azs
import numpy as np
import pandas as pd
import xarray as xr
from scipy import sparse

from labelvalue import names, testing
from labelvalue.label_quality import estimate_label_noise
from labelvalue.model.annotators.judgements import DENSE_CLASSES, count_judgements
from labelvalue.model.annotators.label_noise import MANY_ACCEPT, noise_from
from labelvalue.model.hierarchy.specification import get_label_model
from labelvalue.model.sampling import hmc
from labelvalue.model.sampling.diagnostics import Diagnostics, SamplerSettings, figures_of, judge
from labelvalue.model.sampling.sampling import compile_model, sample_once
from labelvalue.observe.exports.annotations import settled

SLICES, ANNOTATORS, CLASSES, ITEMS, VOTES = ("one", "two"), 5, 3, 150, 3
RESULTS = Path(__file__).parent / "results"


def em(votes: np.ndarray, classes: int, annotators: int, rounds: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Dawid and Skene's EM: class probabilities of items, and confusion by annotator; votes are (item, who, class)."""
    item, said = votes[:, 0], votes[:, 1] * classes + votes[:, 2]
    told = sparse.csr_array((np.ones(len(votes)), (item, said)), shape=(item.max() + 1, annotators * classes))
    truth = sparse.csr_array((np.ones(len(votes)), (item, votes[:, 2])), shape=(item.max() + 1, classes)).toarray()
    truth /= truth.sum(1, keepdims=True)
    for _ in range(rounds):
        prevalence = truth.mean(0) + 1e-9
        confusion = (told.T @ truth).reshape(annotators, classes, classes).transpose(0, 2, 1) + 0.01
        confusion /= confusion.sum(-1, keepdims=True)
        logs = np.log(prevalence) + told @ np.log(confusion).transpose(0, 2, 1).reshape(-1, classes)
        truth = np.exp(logs - logs.max(1, keepdims=True))
        truth /= truth.sum(1, keepdims=True)
    return truth, confusion


def every_pattern() -> xr.Dataset:
    """All ways in which three of five annotators judge an item of either slice; nobody did yet."""
    rows = []
    for place, _ in enumerate(SLICES):
        for who in itertools.combinations(range(ANNOTATORS), VOTES):
            for said in itertools.product(range(CLASSES), repeat=VOTES):
                rows.append((place, [place * ANNOTATORS + a for a in who], said))
    names = [f"annotator {i:03d}" for i in range(ANNOTATORS)]
    return xr.Dataset(
        {
            "count": ("pattern", np.zeros(len(rows))),
            "slice_code": ("pattern", np.array([row[0] for row in rows])),
            "truth": ("pattern", np.full(len(rows), -1)),
            "group_code": (("pattern", "vote"), np.array([row[1] for row in rows])),
            "label_code": (("pattern", "vote"), np.array([row[2] for row in rows])),
            "group_slice": ("group", np.repeat([0, 1], ANNOTATORS)),
            "group_annotator": ("group", np.tile(np.arange(ANNOTATORS), 2)),
            "judged": ("group", np.ones(2 * ANNOTATORS)),
            "wrong": ("slice", np.zeros(2)),
            "checked": ("slice", np.zeros(2)),
        },
        coords={"slice": list(SLICES), "annotator": names, "true_class": [f"class {k:02d}" for k in range(CLASSES)]},
    )


def counted(table: pd.DataFrame, every: xr.Dataset) -> tuple[xr.Dataset, pd.DataFrame]:
    """The campaign's counts of every pattern, and the pattern of every item."""
    known, items = count_judgements(table, classes=[str(c) for c in every["true_class"].values])
    order = {key(every, i): i for i in range(every["count"].size)}
    where = np.array([order[key(known, i)] for i in range(known["count"].size)])
    count = np.zeros(every["count"].size)
    count[where] = known["count"].values
    judged = np.zeros(every["judged"].size)
    judged[known["group_slice"].values * ANNOTATORS + known["group_annotator"].values] = known["judged"].values
    made = every.assign(count=("pattern", count), judged=("group", judged))
    return made, items.assign(pattern=where[items["pattern"].to_numpy()])


def key(judgements: xr.Dataset, place: int) -> tuple:
    who = judgements["group_annotator"].values[judgements["group_code"].values[place]]
    pairs = sorted(zip(who.tolist(), judgements["label_code"].values[place].tolist(), strict=True))
    return (int(judgements["slice_code"].values[place]), *pairs)


def coverage(campaigns: int) -> dict:
    """How often intervals hold the truth, and how far means are off, over campaigns."""
    model, every = get_label_model("dawid_skene"), every_pattern()
    compiled = compile_model(model.build(every, model.priors))
    rows = []
    for seed in range(1, campaigns + 1):
        truth = testing.fake_annotation_truth(seed, slices=SLICES, annotators=ANNOTATORS, classes=CLASSES)
        table = testing.fake_annotations(seed, truth=truth, items=ITEMS, votes=VOTES)
        judgements, items = counted(table, every)
        start = time.process_time()
        given = compiled.with_data(count=judgements["count"].values)
        tree = sample_once(given, SamplerSettings(draws=500, tune=500, target_accept=0.9, random_seed=seed))
        seconds = time.process_time() - start
        found = noise_from(tree["posterior"].to_dataset(), Diagnostics("ok", (), {}), judgements, items)
        rows.append(_scores(seed, truth, table, found) | {"cpu_s": seconds, "rhat": figures_of(tree)["rhat"]})
    frame = pd.DataFrame(rows)
    print(frame.describe().loc[["mean", "min", "max"]].T.round(3).to_string())
    return {"campaigns": campaigns, "mean": frame.mean().to_dict(), "rows": rows}


def _scores(seed: int, truth: xr.Dataset, table: pd.DataFrame, found) -> dict:
    out: dict[str, float] = {"seed": seed}
    for name in ("label_noise", "annotator_noise"):
        draws, actual = found.posterior[name], truth[name].values
        for level in (50, 90):
            low, high = (draws.quantile(q, names.SAMPLE).values for q in (0.5 - level / 200, 0.5 + level / 200))
            out[f"{name}_covers_{level}"] = float(((low <= actual) & (actual <= high)).mean())
        out[f"{name}_rmse"] = float(np.sqrt(((draws.mean(names.SAMPLE).values - actual) ** 2).mean()))
    actual = truth["confusion"].mean("slice").values
    if "confusion" in found.posterior:
        mean = found.posterior["confusion"].mean(names.SAMPLE).values
        out["confusion_rmse"] = float(np.sqrt(((mean - actual) ** 2).mean()))
    codes = [pd.Categorical(table[c]).codes for c in ("item", "annotator", "label")]
    votes = np.column_stack(codes).astype(int)
    told, confusion = em(votes, truth.sizes["true_class"], truth.sizes["annotator"])
    out["em_confusion_rmse"] = float(np.sqrt(((confusion - actual) ** 2).mean()))
    shares = np.bincount(votes[:, 2], minlength=told.shape[1]) / len(votes)
    wrong = 1 - np.einsum("akk,k->a", confusion, shares)
    out["em_annotator_noise_rmse"] = float(np.sqrt(((wrong - truth["annotator_noise"].values) ** 2).mean()))
    items, classes = pd.Categorical(table["item"]).categories, np.array(pd.Categorical(table["label"]).categories)
    right = pd.Series(table.attrs["truth"]).loc[items].to_numpy()
    majority = table.groupby("item")["label"].agg(lambda labels: labels.mode().iloc[0]).loc[items].to_numpy()
    out["consensus_right"] = float((found.consensus.set_index("item").loc[items, "label"].to_numpy() == right).mean())
    out["em_right"] = float((classes[told.argmax(1)] == right).mean())
    out["majority_right"] = float((majority == right).mean())
    return out


def scale(classes: int, annotators: int, draws: int, tune: int, judgements: int = 100_000) -> dict:
    """Seconds of the wall and of the processor for a hundred thousand judgements, and what is recovered."""
    truth = testing.fake_annotation_truth(1, classes=classes, annotators=annotators)
    table = testing.fake_annotations(1, truth=truth, items=judgements // 12, votes=3)
    load = os.getloadavg()[0]
    wall, cpu = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_utime
    found = estimate_label_noise(table, draws=draws, tune=tune, progress=False, random_seed=1)
    out = {
        "judgements": len(table),
        "classes": classes,
        "annotators": annotators,
        "draws": draws,
        "tune": tune,
        "wall_s": time.perf_counter() - wall,
        "cpu_s": resource.getrusage(resource.RUSAGE_SELF).ru_utime - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "load": load,
        "patterns": int(found.judgements["count"].size),
        "verdict": found.diagnostics.verdict,
        "figures": dict(found.diagnostics.figures),
        "attempts": [a["remedy"] for a in found.diagnostics.attempts],
        "label_noise": found.label_noise.mean(names.SAMPLE).values.tolist(),
        "truth": truth["label_noise"].values.tolist(),
    }
    scores = _scores(1, truth, table, found)
    out |= {name: value for name, value in scores.items() if name != "seed"}
    print(json.dumps(out, indent=1))
    return out


def profile(classes: int, annotators: int, draws: int, tune: int, judgements: int = 100_000) -> dict:
    """One attempt of that size without retries: parameters, a gradient, gradients a draw, the least known variables."""
    truth = testing.fake_annotation_truth(1, classes=classes, annotators=annotators)
    table = testing.fake_annotations(1, truth=truth, items=judgements // 12, votes=3)
    model = get_label_model("dawid_skene")
    given, items = count_judgements(table)
    cpu = time.process_time()
    compiled = compile_model(model.build(given, model.priors))
    out = {
        "patterns": int(given["count"].size),
        "parameters": compiled.model.layout.inputs,
        "compiling_cpu_s": time.process_time() - cpu,
    }
    places, slopes = np.full((50, compiled.model.layout.inputs), 0.1), np.empty((50, compiled.model.layout.inputs))
    cpu = time.process_time()
    hmc.gradients(compiled.model.density, compiled.model.pointers(), places, slopes)
    out["gradient_cpu_ms"] = 1e3 * (time.process_time() - cpu) / 50
    print(json.dumps(out, indent=1), flush=True)
    wall, cpu = time.perf_counter(), time.process_time()
    accept = MANY_ACCEPT if classes > DENSE_CLASSES else None
    settings = SamplerSettings(draws=draws, tune=tune, target_accept=accept, random_seed=1)
    tree = sample_once(compiled, settings)
    out |= {"draws": draws, "tune": tune, "wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    out |= {"load": os.getloadavg()[0], "gradients_a_draw": float(tree["sample_stats"]["n_steps"].mean())}
    figures = figures_of(tree)
    verdict, reasons = judge(figures)
    levels = tree["posterior"].to_dataset()
    rhat, ess = azs.rhat(levels), azs.ess(levels)
    out |= {"verdict": verdict, "reasons": list(reasons), "figures": figures}
    out["worst"] = {str(n): [float(rhat[n].max()), float(ess[n].min())] for n in levels.data_vars}
    found = noise_from(levels, Diagnostics(verdict, reasons, figures), given, items)
    out |= {
        "label_noise": found.label_noise.mean(names.SAMPLE).values.tolist(),
        "truth": truth["label_noise"].values.tolist(),
    }
    out |= {name: value for name, value in _scores(1, truth, table, found).items() if name != "seed"}
    print(json.dumps(out, indent=1))
    return out


def real() -> dict:
    """Fleiss's 30 patients, diagnosed six times each: consensus beside crowd-kit's Dawid-Skene, majority and EM."""
    from statsmodels.stats.tests.test_inter_rater import diagnoses

    rows = [
        (f"{i:02d}", f"psychiatrist {a}", f"{said}") for i, row in enumerate(diagnoses) for a, said in enumerate(row)
    ]
    table = pd.DataFrame(rows, columns=["item", "annotator", "label"])
    full = table.assign(slice="all", kind="choice", reference=False, source_id=[str(i) for i in range(len(table))])
    found = estimate_label_noise(settled(full, batch="fleiss"), progress=False, random_seed=1)
    ours = found.consensus.set_index("item")["label"]
    votes = np.column_stack([pd.Categorical(table[c]).codes for c in ("item", "annotator", "label")]).astype(int)
    told, _ = em(votes, 5, 6)
    others = {
        "em": pd.Series(np.array(found.classes)[told.argmax(1)], index=sorted(table["item"].unique())),
        "majority": table.groupby("item")["label"].agg(lambda labels: labels.mode().iloc[0]),
    }
    try:
        from crowdkit.aggregation import DawidSkene

        given = table.rename(columns={"item": "task", "annotator": "worker"})
        others["crowd-kit Dawid-Skene"] = DawidSkene(n_iter=200).fit_predict(given)
    except ImportError:
        print("crowd-kit is not installed; see benchmarks/README.md")
    agreement = {name: float((labels.loc[ours.index] == ours).mean()) for name, labels in others.items()}
    out = {"agreement": agreement, "label_noise": float(found.label_noise.mean()), "verdict": found.diagnostics.verdict}
    print(json.dumps(out, indent=1))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("coverage", "scale", "profile", "real"))
    parser.add_argument("--campaigns", type=int, default=100)
    parser.add_argument("--classes", type=int, default=2)
    parser.add_argument("--annotators", type=int, default=40)
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--tune", type=int, help="as many as draws, where not given")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    made = {
        "coverage": lambda: coverage(asked.campaigns),
        "scale": lambda: scale(asked.classes, asked.annotators, asked.draws, asked.tune or asked.draws),
        "profile": lambda: profile(asked.classes, asked.annotators, asked.draws, asked.tune or asked.draws),
        "real": real,
    }[asked.what]()
    if asked.out:
        asked.out.write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
