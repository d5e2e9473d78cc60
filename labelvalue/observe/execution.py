"""Where jobs run: in this process, side by side with joblib, or on a Dask cluster; and what if a worker dies.

An engine yields ``(number, outcome)`` in the order in which they come. ``None`` stands for a job whose worker died,
and died again when the job was repeated by itself, and for those that a cluster's scheduler was lost with. No engine
begins a job after ``until`` (seconds since the epoch).
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError
from typing import Any

from labelvalue.observe.checkpoint import Checkpoint
from labelvalue.problems import InputError, Problem

Call = tuple[Callable[..., Any], tuple[Any, ...]]
"""A function and its arguments."""
Answer = tuple[int, Any]

AHEAD = 2
"""Jobs that wait on a cluster for each of its threads."""
AT_ONCE = 4
"""Jobs for each worker that a backend of joblib gets at once where it answers only when all of them are done."""
PATIENCE = 30.0
"""Seconds to wait for a cluster's scheduler."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Execution:
    """How a simulation is run: none of it changes what comes out.

    Parameters
    ----------
    n_jobs : int
        Trainings run at once.
    progress : bool
        Whether to show progress on stderr.
    checkpoint : Checkpoint, optional
        Where finished trainings are kept.
    minutes : float, optional
        After how long no training is begun.
    dask : str, optional
        Address of a cluster's scheduler.
    """

    n_jobs: int = 1
    progress: bool = True
    checkpoint: Checkpoint | None = None
    minutes: float | None = None
    dask: str | None = None


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
    """Yield what calls return as they finish, or a few at a time where the backend can answer only for many at once.

    Of joblib's backends ``multiprocessing`` is such, and so is Ray's, which is made from it.
    """
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
        raise InputError([Problem(column="dask", value=address, why="Dask is not installed", fix=fix)]) from None
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        why = f"no scheduler answers: {error}"
        raise InputError([Problem(column="dask", value=address, why=why, fix="give tcp://host:port")]) from None
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


def name_jobs(names: Sequence[str], limit: int = 5) -> str:
    """Return what jobs are called, at most ``limit`` of them."""
    more = f"; and {len(names) - limit} more" if len(names) > limit else ""
    return "; ".join(names[:limit]) + more
