"""Real learning curves: LCDB 1.0 (package ``lcdb`` 0.1.0), 248 OpenML data sets times 20 learners.

Mohr, Viering, Loog, van Rijn: LCDB 1.0, an extensive learning curves database for classification tasks.
ECML 2022.
"""

import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from benchmarks.downloads import cache_folder, fetch, package_folder
from benchmarks.problems import DOUBLINGS, Half, Problem, half_of, hash_order, mean_errors

REQUIREMENT = "lcdb==0.1.0"
TABLE = "database-accuracy.csv"
VERSION = 1  # version of the selection below; part of every cached forecast's key

GRID = tuple(int(np.rint(16 * 2 ** (step / 2))) for step in range(30))
"""LCDB's training-set sizes, in steps of half a doubling; sizes off this grid are left out."""
STEPS_PER_DOUBLING = 2
FIRST_DAY = 128  # labels observed at most on the first day
SMALLEST_LARGEST = 4096  # a data set must reach this size, so that 16 to 512 labels (at least) are observed
MIN_LAST_ERROR = 0.005
MIN_RUNS, MIN_SETS = 5, 3  # a size counts for a learner when it has this many runs on this many test sets
MIN_LEARNERS = 5  # a data set needs this many learners, or there is nothing to share between curves
OUTER_SEEDS, INNER_SEEDS = 5, 5
"""Test sets, and inner seeds (training sets) kept of each: a few data sets have 25, most 5."""


def locate() -> Path:
    """Where LCDB lies: a folder or a source distribution.

    In this order: ``LABELVALUE_LCDB`` (a folder, or the ``.tar.gz``), an installed package ``lcdb``, the
    cache, and at last a download by pip into the cache.
    """
    if named := os.environ.get("LABELVALUE_LCDB"):
        if not Path(named).exists():
            raise FileNotFoundError(
                f"LABELVALUE_LCDB is {named!r}, which does not exist; "
                f"set it to a folder holding {TABLE} or to lcdb-0.1.0.tar.gz, or unset it to download."
            )
        return Path(named)
    folder = package_folder("lcdb")
    if folder and (folder / TABLE).exists():
        return folder
    return fetch(REQUIREMENT, "lcdb", "lcdb-*.tar.gz", source=True)


@contextmanager
def _open_table(source: Path) -> Iterator[IO[bytes]]:
    """The accuracy table inside a folder or a source distribution, as a binary stream."""
    if source.is_dir():
        found = sorted(source.rglob(TABLE))
        if not found:
            raise FileNotFoundError(f"no {TABLE} below {str(source)!r}")
        with found[0].open("rb") as stream:
            yield stream
        return
    with tarfile.open(source) as archive:
        member = next((m for m in archive if Path(m.name).name == TABLE), None)
        if member is None:
            raise FileNotFoundError(f"no {TABLE} in {str(source)!r}")
        stream = archive.extractfile(member)
        assert stream is not None  # a regular file always opens
        with stream:
            yield stream


def read_evaluations() -> pd.DataFrame:
    """All evaluations on the grid of sizes, as whole error counts.

    The first call parses 1.95 million rows of CSV; later ones read a Parquet copy from the cache.

    Returns: columns ``openml``, ``learner``, ``labels``, ``outer``, ``inner`` (seeds), ``errors``, ``trials``.
    """
    path = cache_folder() / f"lcdb-v{VERSION}.parquet"
    if not path.exists():
        columns = ["openmlid", "learner", "size_train", "size_test", "outer_seed", "inner_seed", "score_test"]
        with _open_table(locate()) as stream:
            table = pd.read_csv(stream, usecols=columns)
        scratch = path.with_suffix(f".{os.getpid()}.tmp")
        _compact(table).to_parquet(scratch, index=False)
        scratch.replace(path)
    return pd.read_parquet(path)


def _compact(table: pd.DataFrame) -> pd.DataFrame:
    """Whole counts and small types; scores are stored to four decimals of at most 5 000 trials."""
    table = table[table["size_train"].isin(GRID) & (table["inner_seed"] < INNER_SEEDS)]
    errors = (1 - table["score_test"]) * table["size_test"]
    if (errors - errors.round()).abs().max() > 0.3:
        raise ValueError("scores times test-set sizes are not whole counts: this is not LCDB 1.0")
    return pd.DataFrame(
        {
            "openml": table["openmlid"].astype("int32"),
            "learner": table["learner"].str.split(".").str[-1].astype("category"),
            "labels": table["size_train"].astype("int32"),
            "outer": table["outer_seed"].astype("int8"),
            "inner": table["inner_seed"].astype("int8"),
            "errors": errors.round().astype("int16"),
            "trials": table["size_test"].astype("int16"),
        }
    ).reset_index(drop=True)


def load_problems(half: Half, replicates: int | None = None, first_day: bool = False) -> list[Problem]:
    """The problems of one half, in the order of a hash, so that the first few are a fair sample.

    A problem is a data set with all its learners. Its largest size is the largest on the grid which at
    least half its learners reach; observed are all sizes from 16 labels to an eighth of that, forecast are
    two, four and eight times the last observed. Learners lacking one of these four sizes, or with a last
    observed error below 0.005, are dropped, and data sets left with fewer than five learners too.

    Returns: named by their OpenML id.
    """
    evaluations = read_evaluations()
    names = [str(i) for i in evaluations["openml"].unique()]
    ids = [int(name) for name in hash_order([name for name in names if half_of(name) == half])]
    groups = dict(list(evaluations[evaluations["openml"].isin(ids)].groupby("openml")))
    problems = (_problem(i, groups[i], replicates, first_day) for i in ids)
    return [problem for problem in problems if problem is not None]


def _problem(openml: int, evaluations: pd.DataFrame, replicates: int | None, first_day: bool) -> Problem | None:
    """The problem of one data set, or None where it is too small or too few learners qualify."""
    evaluations = evaluations.assign(error=evaluations["errors"] / evaluations["trials"])
    keys = [evaluations["learner"], evaluations["labels"]]
    means = mean_errors(evaluations["error"], evaluations["outer"], keys)
    means = means[(means["n_runs"] >= MIN_RUNS) & (means["n_sets"] >= MIN_SETS)]
    reached = means.groupby(level="labels").size()
    reached = reached[reached >= evaluations["learner"].nunique() / 2]
    least = FIRST_DAY * 2 ** DOUBLINGS[-1] if first_day else SMALLEST_LARGEST
    if reached.empty or reached.index.max() < least:
        return None
    last = GRID.index(least if first_day else reached.index.max())
    now, *targets = (GRID[last - (DOUBLINGS[-1] - d) * STEPS_PER_DOUBLING] for d in (0, *DOUBLINGS))

    seen = evaluations[evaluations["labels"] <= now]
    if replicates is not None:
        seen = seen[seen["inner"] * OUTER_SEEDS + seen["outer"] < replicates]
    error_now = seen[seen["labels"] == now].groupby("learner", observed=True)["error"].mean()
    wide = means.reset_index().pivot_table(index="learner", columns="labels", values=["mean", "se"], observed=True)
    mean, se = wide["mean"], wide["se"]
    complete = mean.index[mean[[now, *targets]].notna().all(axis=1)]
    learners = error_now.index[error_now.index.isin(complete) & (error_now >= MIN_LAST_ERROR)]
    if len(learners) < MIN_LEARNERS:
        return None
    name = str(openml)
    return Problem(
        name=name,
        runs=_runs_table(name, seen[seen["learner"].isin(learners)]),
        curves=tuple((name, str(learner)) for learner in learners),
        now=np.full(len(learners), now),
        targets=np.tile(targets, (len(learners), 1)),
        error_now=error_now[learners].to_numpy(),
        truth=mean.loc[learners, targets].to_numpy(),
        truth_se=se.loc[learners, targets].to_numpy(),
    )


def _runs_table(slice_: str, evaluations: pd.DataFrame) -> pd.DataFrame:
    """Evaluations in labelvalue's format, one row per run."""
    columns = {
        "slice": slice_,
        "learner": evaluations["learner"].astype(str),
        "labels": evaluations["labels"].astype(int),
        "replicate": evaluations["inner"].astype(int) * OUTER_SEEDS + evaluations["outer"],
        "evaluation_set": evaluations["outer"].astype(str),
        "errors": evaluations["errors"].astype(int),
        "trials": evaluations["trials"].astype(int),
    }
    return pd.DataFrame(columns).reset_index(drop=True)
