"""Where jobs run, side by side or on a Dask cluster, and the progress that is shown of them.

An engine yields ``(number, outcome)`` in the order in which they come, ``None`` for a job whose worker died twice or
whose scheduler was lost. No engine begins a job after ``until`` (seconds since the epoch).
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
import html
import itertools
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any

import numpy as np

from labelvalue import names
from labelvalue.observe.simulate.learners import is_estimator, seeded
from labelvalue.observe.simulate.training import Key, Outcome
from labelvalue.printing import goes_on, say, shown_otherwise, visible
from labelvalue.problems import StorageError, input_error
from labelvalue.reading import parse_json, read_text
from labelvalue.settings import MAX_COUNT, Checks, Settings, Switch, is_whole
from labelvalue.storage import write_whole

WHAT = "simulation.json"  # what the folder is a checkpoint of
MOST_KEPT = 256 * 1024**2  # largest file in it, in bytes
MOST_TOLD = 500  # characters by which a learner is told from others
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A folder of finished trainings."""

    folder: Path

    @property
    def seed(self) -> int | None:
        """Seed of the simulation that the folder holds, ``None`` where it holds none yet."""
        return self._what().get("random_state")

    def claim(self, what: Mapping[str, Any]) -> None:
        """Write down what is simulated, or refuse a folder that holds something else."""
        known = self._what()
        changed = [name for name in what if name in known and known[name] != what[name]]
        if changed:
            why = f"holds another simulation: {', '.join(changed)} differ"
            fix = "give another folder, or remove it to begin anew"
            raise input_error(why, fix, column="checkpoint", value=str(self.folder))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{self.folder}: {error.strerror}. Fix: give another folder.") from error
        if not known:
            write_whole(self.folder / WHAT, json.dumps(dict(what), indent=1).encode())

    def _what(self) -> dict[str, Any]:
        path = self.folder / WHAT
        if not os.path.lexists(path):
            return {}
        text = read_text(path, MOST_KEPT, fix="remove the folder", ours=True)
        try:
            return dict(parse_json(text))
        except ValueError as error:
            raise StorageError(f"{path}: cannot be read ({error}). Fix: remove the folder.") from error

    def keep(self, outcome: Outcome) -> None:
        """Write a training down; what failed is not kept, and is tried again."""
        if outcome.failed or not self.folder.is_dir():  # a worker elsewhere does not see the folder
            return
        content = {
            "key": outcome.key,
            "measures": [[*place, measure] for place, measure in outcome.measures.items()],
            "synthetic": dict(outcome.synthetic),
            "skipped": outcome.skipped,
            "seconds": outcome.seconds,
            names.MEASURED_AT: None if outcome.measured_at is None else outcome.measured_at.isoformat(),
            "rows": outcome.rows.tolist() if outcome.ends else None,
            "ends": list(outcome.ends),
            "noise": outcome.noise,
        }
        write_whole(self._path(outcome.key), json.dumps(content).encode())

    def find(self, key: Key, rows: np.ndarray) -> Outcome | None:
        """Return what a training gave, on ``rows`` or those that a strategy chose then."""
        try:
            content = parse_json(read_text(self._path(key), MOST_KEPT, ours=True))
        except (StorageError, ValueError):  # not there, or spoilt by something else: it is trained again
            return None
        moment = content[names.MEASURED_AT]
        return Outcome(
            key=key,
            rows=rows if content["rows"] is None else np.array(content["rows"], dtype=np.int64),
            noise=content["noise"],
            measures={(suite, name): measure for suite, name, measure in content["measures"]},
            synthetic=content["synthetic"],
            skipped=content["skipped"],
            seconds=content["seconds"],
            measured_at=None if moment is None else dt.datetime.fromisoformat(moment),
            ends=tuple(content["ends"]),
        )

    def _path(self, key: Key) -> Path:
        return self.folder / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:24]}.json"


def describe_learner(learner: Any) -> str:
    """Return a text that tells a learner from others: its settings, or the name of a function."""
    if hasattr(learner, "get_params"):
        text = learner.__repr__(N_CHAR_MAX=10**6) if hasattr(learner, "_repr_mimebundle_") else repr(learner)
    else:
        text = getattr(learner, "__qualname__", f"{type(learner).__qualname__}{getattr(learner, '__dict__', {})}")
    return _ADDRESS.sub("", text)


def tell_learners(learners: Mapping[str, Any]) -> dict[str, str]:
    """Return for each learner a text that tells it from others whatever their seeds; a long one ends in a digest."""
    told = {}
    for name, learner in learners.items():
        text = " ".join(describe_learner(seeded(learner, None) if is_estimator(learner) else learner).split())
        cut = f"{text[:MOST_TOLD]}… {hashlib.sha256(text.encode()).hexdigest()[:12]}"
        told[name] = text if len(text) <= MOST_TOLD else cut
    return told


Call = tuple[Callable[..., Any], tuple[Any, ...]]  # a function and its arguments
Answer = tuple[int, Any]

AHEAD = 2  # jobs that wait on a cluster for each of its threads
AT_ONCE = 4
"""Jobs for each worker that a backend of joblib gets at once where it answers only when all of them are done."""
PATIENCE = 30.0  # seconds to wait for a cluster's scheduler


def _jobs(checks: Checks, key: str, value: Any) -> Any:
    if not is_whole(value, -MAX_COUNT) or value == 0:
        checks.wrong(key, "must be a whole number, and not 0", "give 1, or -1 for all processors", value)
    return value


@dataclasses.dataclass(frozen=True, kw_only=True)
class Execution(Settings):
    """How a simulation is run: none of it changes what comes out.

    Parameters
    ----------
    n_jobs : int
        Trainings run at once, as in joblib, whose other backends serve too. Where a worker dies, what was under way is
        repeated once, by itself; what kills its worker again is left out and listed in the notes.
    progress : bool
        Whether to show progress on stderr.
    checkpoint : path, optional
        Folder in which every finished training is kept, made if need be. The same call goes on from there, however
        the one before it ended.
    minutes : float, optional
        After how many minutes no further training is begun, > 0; what is done is returned.
    dask : str, optional
        Address of the scheduler of a Dask cluster to train on, such as ``tcp://host:8786`` (extra ``distributed``).

    Raises
    ------
    InputError
        If there are no jobs or no minutes to run in.

    Examples
    --------
    >>> Execution(n_jobs=-1, minutes=30).progress
    True
    """

    n_jobs: Annotated[int, _jobs] = 1
    progress: Switch = True
    checkpoint: str | os.PathLike[str] | None = None
    minutes: Annotated[float | None, partial(Checks.number, above=True)] = None
    dask: Annotated[str | None, Checks.text] = None

    @property
    def kept(self) -> Checkpoint | None:
        """Where finished trainings are kept."""
        return None if self.checkpoint is None else Checkpoint(Path(self.checkpoint))


def is_over(until: float | None) -> bool:
    """Tell whether the time is up."""
    return until is not None and time.time() >= until


def one_by_one(make: Callable[[int], Call], count: int, until: float | None) -> Iterator[Answer]:
    """Run job after job in this process."""
    for number in range(count):
        if is_over(until):
            return
        function, arguments = make(number)
        yield number, function(*arguments)


def side_by_side(make: Callable[[int], Call], count: int, until: float | None, n_jobs: int) -> Iterator[Answer]:
    """Run jobs on joblib's backend; where a worker dies, repeat what was under way, one by one, then go on."""
    from joblib import delayed

    left = list(range(count))
    while left:
        started: list[int] = []
        done: set[int] = set()

        def calls(left: list[int] = left, started: list[int] = started) -> Iterator[Any]:
            for number in left:
                if is_over(until):
                    return
                started.append(number)
                yield delayed(_numbered)(number, *make(number))

        try:
            for number, outcome in _in_parallel(calls(), n_jobs):
                done.add(number)
                yield number, outcome
            return
        except BrokenExecutor:
            begun = set(started)
        yield from _apart(make, sorted(begun - done))
        left = [number for number in left if number not in begun]


def _in_parallel(calls: Iterator[Any], n_jobs: int) -> Iterator[Answer]:
    """Yield what calls return as they finish, or a few at a time where the backend is ``multiprocessing`` or Ray's."""
    from joblib import Parallel, effective_n_jobs

    try:
        parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    except ValueError:  # so joblib says that the backend has no generators
        with Parallel(n_jobs=n_jobs) as pool:
            while answers := pool(itertools.islice(calls, AT_ONCE * effective_n_jobs(n_jobs))):
                yield from answers
        return
    yield from parallel(calls)


def _numbered(number: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Answer:
    return number, function(*arguments)


def _apart(make: Callable[[int], Call], numbers: Sequence[int]) -> Iterator[Answer]:
    """Run jobs one after the other in a process of their own, another one after each death."""
    from joblib.externals.loky import ProcessPoolExecutor

    executor = ProcessPoolExecutor(max_workers=1)
    try:
        for number in numbers:
            function, arguments = make(number)
            try:
                yield number, executor.submit(function, *arguments).result()
            except BrokenExecutor:
                executor.shutdown()
                executor = ProcessPoolExecutor(max_workers=1)
                yield number, None
    finally:
        executor.shutdown()


def on_cluster(make: Callable[[int], Call], count: int, until: float | None, address: str) -> Iterator[Answer]:
    """Run jobs on a Dask cluster, a few for each thread at a time; its scheduler repeats those of workers that die."""
    try:
        from distributed import Client, as_completed
        from distributed.scheduler import KilledWorker
    except ImportError:
        fix = "install labelvalue with the extra 'distributed', on this machine and on the workers"
        raise input_error("Dask is not installed", fix, column="dask", value=address) from None
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        why = f"no scheduler answers: {error}"
        raise input_error(why, "give tcp://host:port", column="dask", value=address) from None
    with client:
        waiting = iter(range(count))
        open_jobs = {*range(count)}
        numbers: dict[str, int] = {}

        def submit(number: int) -> Any:
            function, arguments = make(number)
            future = client.submit(function, *arguments, pure=False)
            numbers[future.key] = number
            return future

        threads = sum(client.nthreads().values()) or 1
        under_way = as_completed([submit(n) for n in itertools.islice(waiting, AHEAD * threads)], loop=client.loop)
        for future in under_way:
            try:
                answer = future.result()
            except KilledWorker:
                answer = None
            except CancelledError:  # nobody cancels a job here: the scheduler is gone, and all that waits for it
                yield from ((number, None) for number in sorted(open_jobs))
                return
            open_jobs.remove(numbers[future.key])
            yield numbers[future.key], answer
            if not is_over(until):
                for number in itertools.islice(waiting, 1):
                    under_way.add(submit(number))


def choose_engine(
    make: Callable[[int], Call], count: int, until: float | None, n_jobs: int, dask: str | None
) -> Iterator[Answer]:
    """Return the jobs' outcomes from the engine that the settings ask for."""
    if not count:
        return iter(())
    if dask is not None:
        return on_cluster(make, count, until, dask)
    return one_by_one(make, count, until) if n_jobs == 1 else side_by_side(make, count, until, n_jobs)


EVERY = 5.0  # seconds between plain lines


class Tracker:
    """Shows how much of some work is done, and about how long the rest takes if time goes with ``work``."""

    def __init__(self, total: int, work: float, what: str, *, show: bool):
        self.total, self.work, self.what = total, work, what
        self.show = show and total > 0
        self.done, self.worked, self._told = 0, 0.0, 0
        self._draw: Callable[[], object] | None = None
        self._shown = contextlib.ExitStack()

    def __enter__(self) -> Tracker:
        self._start = self._last = time.monotonic()
        if self.show:
            goes_on(self.what)
        if self.show and (display := _notebook()) is not None:
            self._begin_cell(display)
        elif self.show and sys.stderr.isatty():
            self._begin_bar()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shown.close()

    def advance(self, work: float, pieces: int = 1, what: str | None = None) -> None:
        """Count more pieces as done, and the work that was in them; say what is done now, where that changes."""
        self.what = what or self.what
        self.done = min(self.done + pieces, self.total)
        self.worked = min(self.worked + work, self.work)
        self._show()

    def grow(self, work: float, pieces: int) -> None:
        """There is more to do than was known."""
        self.total += pieces
        self.work += work
        if self._draw is not None:
            self._draw()

    def left(self) -> str:
        """Say how long the rest will take if it goes on like this; empty where nothing is left, or nothing done."""
        if not 0 < self.worked < self.work:
            return ""
        seconds = (time.monotonic() - self._start) * (self.work / self.worked - 1.0)
        return f"about {as_text(seconds)} left"

    def _show(self) -> None:
        if self._draw is not None:
            self._draw()
        elif self.show and self.done:
            self._line()

    def _begin_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
        )
        bar = Progress(*columns, console=Console(stderr=True))
        task = bar.add_task(visible(self.what), total=self.total, left="")
        self._shown.callback(bar.stop)
        self._shown.enter_context(shown_otherwise())
        self._draw = lambda: bar.update(
            task, description=visible(self.what), completed=self.done, total=self.total, left=self.left()
        )
        bar.start()

    def _begin_cell(self, display: Any) -> None:
        """A bar of the browser's own, redrawn where it stands."""

        def drawn() -> Any:
            figures = f"{self.done:,} of {self.total:,} {self.left()}"
            bar = f'<progress value="{self.done}" max="{self.total}"></progress>'
            return display.HTML(f"{html.escape(self.what)} {bar} {figures}")

        cell = display.display(drawn(), display_id=True)
        self._draw = lambda: cell.update(drawn())

    def _line(self) -> None:
        now = time.monotonic()
        if self.done == self._told or (now - self._last < EVERY and self.done < self.total):
            return
        self._last, self._told = now, self.done
        ahead = f", {self.left()}" if self.left() else ""
        text = f"{self.what}: {self.done} of {self.total}, {as_text(now - self._start)}{ahead}"
        say(text, err=True)


def _notebook() -> Any:
    """IPython's display, where a notebook's kernel runs this."""
    shell = sys.modules.get("IPython")
    return sys.modules.get("IPython.display") if shell and hasattr(shell.get_ipython(), "kernel") else None


def as_text(seconds: float) -> str:
    """Return a duration as people say it: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
