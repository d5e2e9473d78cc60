"""Re-fits of many projects: each for itself, so that one that fails stops no other; then one table of all."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from labelvalue import names
from labelvalue.decisions.advice.rules import MAXIMUM_SPEND
from labelvalue.exits import BAD_INPUT, BUSY, NOT_PUBLISHED, STORAGE, worst
from labelvalue.observe.simulate.execution import choose_engine
from labelvalue.operate.history.scorecard import DELIVERED, PROMISED
from labelvalue.operate.project import Project
from labelvalue.operate.refit.outcome import last_gain
from labelvalue.operate.store.folders import LEDGER
from labelvalue.problems import BusyError, StorageError, input_error
from labelvalue.settings import Checks

Backend = Literal["joblib", "dask"]
COLUMNS = (
    "project", "exit_code", "verdict", "state", "new", "fit", "advice", "money_left", "unit", PROMISED, DELIVERED,
    "page", "seconds", "why",
)  # fmt: skip
DEEPEST = 3  # folders below the root in which projects are looked for


def refit_all(
    root: str | os.PathLike[str],
    *,
    n_jobs: int = 1,
    backend: Backend = "joblib",
    scheduler: str | None = None,
    progress: bool = True,
    backtest: bool = True,
) -> pd.DataFrame:
    """Fit every project under a folder again where something has changed.

    Every fit runs in a process of its own, and all of one user share one cache of compiled code. What is done stays
    done when the rest is interrupted. A worker that is killed stops no other project: its own is tried once more by
    itself (on a cluster as often as the scheduler repeats a job), and is a row that failed if that is killed too. So is
    every project that a cluster had not finished when its scheduler was lost.

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
    backtest : bool
        Whether to check forecasts, as for :meth:`Project.refit`.

    Returns
    -------
    pandas.DataFrame
        One row a project, by name: ``exit_code`` that its own ``refit`` would have had, ``verdict``, ``state``,
        ``new``, ``fit``, ``advice``; ``money_left`` in ``unit``, where the most that batches may cost is set; the
        mean gain ``promised`` and ``delivered`` of the last batch that was forecast; ``page``, ``seconds``, and
        ``why`` where it is not done. Attributes: ``exit_code``, the highest, 6 (undecided) only where all else is 0;
        ``page``, the path of ``projects.html`` in the folder: these rows, the worst first.

    Raises
    ------
    InputError
        If there is no project, or a setting is unknown.
    StorageError
        If the page of all projects cannot be written; what was fitted stands.

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
        raise input_error("no project in it", "name the folder that projects lie in", file=str(root))
    _check(backend, scheduler, n_jobs)
    calls = [(str(folder), folder.relative_to(root).as_posix(), progress, backtest) for folder in folders]
    rows = _rows(calls, backend, scheduler, n_jobs)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table.attrs["exit_code"] = worst(table["exit_code"].tolist())
    from labelvalue.operate.history.pages import write_projects  # pictures take a second to import

    table.attrs["page"] = str(write_projects(Path(root), table))
    return table


def projects_in(root: Path) -> list[Path]:
    """Return the project folders under a folder, sorted; links are not followed."""
    found: list[Path] = []
    for folder, below, files in os.walk(root):
        depth = len(Path(folder).relative_to(root).parts)
        if LEDGER in files and depth:
            found.append(Path(folder))
        if (LEDGER in files and depth) or depth >= DEEPEST:
            below.clear()
    return sorted(found)


def _check(backend: str, scheduler: str | None, n_jobs: int) -> None:
    checks = Checks()
    if backend not in ("joblib", "dask"):
        checks.wrong("backend", "unknown", "joblib or dask", backend)
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs == 0:
        checks.wrong("n_jobs", "no number of jobs", "give 1 or more, or -1", n_jobs)
    if scheduler is not None and backend != "dask":
        checks.wrong("scheduler", "it is of dask", "choose backend 'dask'", scheduler)
    checks.finish()


def refit_one(folder: str, name: str, progress: bool, backtest: bool = True) -> dict[str, Any]:
    """Fit one project again, and turn whatever happens into a row."""
    start = time.monotonic()
    row: dict[str, Any] = dict.fromkeys(COLUMNS) | {"project": name, "new": False, "why": ""}
    try:
        project = Project.open(folder)
        made = project.refit(progress=progress, backtest=backtest)
        advice = made.advice or {}
        row |= {"exit_code": made.exit_code, "verdict": made.verdict, "state": made.state, "new": made.new}
        row |= {"fit": made.fit, "advice": advice.get("advice"), "page": made.page}
        left = (float(rule["limit"]) for rule in advice.get("guardrails", ()) if rule["rule"] == MAXIMUM_SPEND)
        row |= {"money_left": next(left, None), "unit": advice.get(names.UNIT, "")}
        row |= {"why": "; ".join((*made.reasons, *made.stops)), **last_gain(project.scorecard())}
    except BusyError as error:
        row |= {"exit_code": BUSY, "why": str(error)}
    except (StorageError, OSError) as error:
        row |= {"exit_code": STORAGE, "why": str(error)}
    except Exception as error:  # whatever it is, the next project is not to pay for it
        row |= {"exit_code": BAD_INPUT, "why": f"{type(error).__name__}: {error}"}
    return row | {"seconds": round(time.monotonic() - start, 3)}


def _rows(calls: Sequence[tuple[str, str, bool, bool]], backend: str, scheduler: str | None, n_jobs: int) -> list[dict]:
    """Work on every project where the backend says, a row each in their order.

    Workers are processes, since neither netCDF nor matplotlib is safe with threads; one job works in this process.
    """
    found: dict[int, dict | None] = {}
    with _cluster(n_jobs) if backend == "dask" and scheduler is None else contextlib.nullcontext(scheduler) as address:
        found |= choose_engine(lambda number: (refit_one, calls[number]), len(calls), None, n_jobs, address)
    why = "the process that worked on it was killed, or its cluster lost. Fix: run again, with more memory"
    lost = dict.fromkeys(COLUMNS) | {"new": False, "exit_code": NOT_PUBLISHED, "why": why}
    return [found[number] or lost | {"project": name} for number, (_, name, *_) in enumerate(calls)]


@contextlib.contextmanager
def _cluster(n_jobs: int) -> Iterator[str]:
    """Start a Dask cluster on this machine, whose address is given."""
    try:
        from distributed import LocalCluster
    except ImportError:
        fix = "install labelvalue with the extra 'distributed'"
        raise input_error("dask is not installed", fix, column="backend", value="dask") from None
    workers = os.cpu_count() if n_jobs < 0 else n_jobs
    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address
