"""Re-fits of many projects: each for itself, so that one that fails stops no other; then one table of all."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from labelvalue.operate.places import LEDGER
from labelvalue.operate.project import Project
from labelvalue.problems import BusyError, InputError, Problem, StorageError

Backend = Literal["joblib", "dask"]
COLUMNS = ("project", "exit_code", "verdict", "state", "new", "fit", "advice", "seconds", "why")
BAD_INPUT, BUSY, STORAGE = 1, 4, 5
DEEPEST = 3
"""Folders below the root in which projects are looked for."""


def refit_all(
    root: str | os.PathLike[str],
    *,
    n_jobs: int = 1,
    backend: Backend = "joblib",
    scheduler: str | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Fit every project under a folder again where something has changed.

    Every fit runs in a process of its own, and all of one user share one cache of compiled code. What is done stays
    done when the rest is interrupted.

    Parameters
    ----------
    root : path
        Folder with project folders in it, up to three levels down.
    n_jobs : int
        Projects at a time; fits take two cores or more each.
    backend : {"joblib", "dask"}
        ``dask`` needs the extra ``distributed``.
    scheduler : str, optional
        Address of a dask scheduler whose workers see the same folders; one on this machine by default.
    progress : bool
        Whether to say on stderr what is being done.

    Returns
    -------
    pandas.DataFrame
        One row a project, by name: ``exit_code`` that its own ``refit`` would have had, ``verdict``, ``state``,
        ``new``, ``fit``, ``advice``, ``seconds``, and ``why`` where it failed. Attribute ``exit_code``: the highest.

    Raises
    ------
    InputError
        If there is no project, or a setting is unknown.

    Examples
    --------
    >>> import tempfile
    >>> root = Path(tempfile.mkdtemp())
    >>> _ = Project.create(root / "empty")
    >>> refit_all(root, progress=False)[["project", "exit_code"]].values.tolist()
    [['empty', 1]]
    """
    folders = projects_in(Path(root))
    if not folders:
        raise InputError([Problem(file=str(root), why="no project in it", fix="name the folder that projects lie in")])
    run = _dask(scheduler, n_jobs) if _checked(backend, n_jobs) == "dask" else _joblib(n_jobs)
    rows = run([(str(folder), folder.relative_to(root).as_posix(), progress) for folder in folders])
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table.attrs["exit_code"] = int(table["exit_code"].max())
    return table


def projects_in(root: Path) -> list[Path]:
    """Return the project folders under a folder, sorted; links are not followed.

    Parameters
    ----------
    root : pathlib.Path
        Where to look.

    Returns
    -------
    list of pathlib.Path
        Folders with a ledger.
    """
    found: list[Path] = []
    for folder, below, files in os.walk(root):
        depth = len(Path(folder).relative_to(root).parts)
        if LEDGER in files and depth:
            found.append(Path(folder))
        if (LEDGER in files and depth) or depth >= DEEPEST:
            below.clear()
    return sorted(found)


def _checked(backend: str, n_jobs: int) -> str:
    problems = []
    if backend not in ("joblib", "dask"):
        problems.append(Problem(column="backend", value=backend, why="unknown", fix="joblib or dask"))
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs == 0:
        problems.append(Problem(column="n_jobs", value=n_jobs, why="no number of jobs", fix="give 1 or more, or -1"))
    if problems:
        raise InputError(problems)
    return backend


def refit_one(folder: str, name: str, progress: bool) -> dict[str, Any]:
    """Fit one project again, and turn whatever happens into a row.

    Parameters
    ----------
    folder : str
        Project folder.
    name : str
        What it is called in the table.
    progress : bool
        Whether to say on stderr what is being done.

    Returns
    -------
    dict
        One key a column.
    """
    start = time.monotonic()
    row: dict[str, Any] = dict.fromkeys(COLUMNS) | {"project": name, "new": False, "why": ""}
    try:
        made = Project.open(folder).refit(progress=progress)
        bought = None if made.advice is None else made.advice["advice"]
        row |= {"exit_code": made.exit_code, "verdict": made.verdict, "state": made.state, "new": made.new}
        row |= {"fit": made.fit, "advice": bought, "why": "; ".join(made.reasons)}
    except BusyError as error:
        row |= {"exit_code": BUSY, "why": str(error)}
    except (StorageError, OSError) as error:
        row |= {"exit_code": STORAGE, "why": str(error)}
    except Exception as error:  # whatever it is, the next project is not to pay for it
        row |= {"exit_code": BAD_INPUT, "why": f"{type(error).__name__}: {error}"}
    return row | {"seconds": round(time.monotonic() - start, 3)}


Job = tuple[str, str, bool]


def _joblib(n_jobs: int) -> Callable[[list[Job]], list[dict[str, Any]]]:
    """Worker processes, since neither netCDF nor matplotlib is safe with threads; one job works in this process."""
    from joblib import Parallel, delayed

    def run(jobs: list[Job]) -> list[dict[str, Any]]:
        return list(Parallel(n_jobs=n_jobs)(delayed(refit_one)(*job) for job in jobs))

    return run


def _dask(scheduler: str | None, n_jobs: int) -> Callable[[list[Job]], list[dict[str, Any]]]:
    try:
        from distributed import Client
    except ImportError:
        fix = "install labelvalue with the extra 'distributed'"
        raise InputError([Problem(column="backend", value="dask", why="dask is not installed", fix=fix)]) from None

    def run(jobs: list[Job]) -> list[dict[str, Any]]:
        workers = os.cpu_count() if n_jobs < 0 else n_jobs
        local = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
        here = local if scheduler is None else {}
        with Client(scheduler, **here) as client:
            folders, known, loud = zip(*jobs, strict=True)
            asked = client.map(refit_one, folders, known, loud, pure=False)
            return client.gather(asked)

    return run
