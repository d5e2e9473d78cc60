"""Compute ``data/adult_runs.csv``: learning curves of one classifier, per occupation, on UCI Adult.

Run ``python data/make_adult_runs.py`` from anywhere; half a minute on two cores. The same versions of
NumPy and scikit-learn give the same bytes on the same kind of machine.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pandas as pd
import xarray as xr
from sklearn.ensemble import HistGradientBoostingClassifier

import labelvalue as lv
from labelvalue import names

HERE = Path(__file__).resolve().parent
SIZES = (125, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000)
REPLICATES = 5
RANDOM_STATE = 20261123
OCCUPATIONS = (
    "Adm-clerical",
    "Craft-repair",
    "Exec-managerial",
    "Machine-op-inspct",
    "Other-service",
    "Prof-specialty",
    "Sales",
    "Transport-moving",
)
"""The eight most frequent named occupations, 2,355 to 6,172 rows each."""

NOT_FEATURES = ["income", "split", "fnlwgt"]
"""The target, the source's own split, and the census weight of a row."""


def load() -> tuple[pd.DataFrame, pd.Series]:
    """Return features (text as categories) and target of the rows with one of the occupations."""
    rows = pd.read_parquet(HERE / "adult.parquet")
    rows = rows[rows["occupation"].isin(OCCUPATIONS)]
    features = rows.drop(columns=NOT_FEATURES)
    text = features.select_dtypes(exclude="number").columns
    return features.astype(dict.fromkeys(text, "category")), rows["income"]


def make(sizes: tuple[int, ...] = SIZES, replicates: int = REPLICATES, n_jobs: int = 1) -> xr.Dataset:
    """Return the runs, without what no second computation repeats; gains count from what was trained on."""
    features, income = load()
    classifier = HistGradientBoostingClassifier(categorical_features="from_dtype", early_stopping=False)
    runs = lv.simulate_runs(
        classifier,
        features,
        income,
        "occupation",
        sizes=sizes,
        replicates=replicates,
        random_state=RANDOM_STATE,
        protocol=lv.Protocol(test_size=0.3),
        execution=lv.Execution(n_jobs=n_jobs),
    )
    return runs.drop_vars([names.SECONDS, names.MEASURED_AT, names.PROTOCOL, names.LABELS_NOW])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE / "adult_runs.csv")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    arguments = parser.parse_args()
    print(lv.write_runs(make(n_jobs=arguments.jobs), arguments.out))
