"""A fit in a process of its own: whatever becomes of it, the process that asked is left standing.

``python -m labelvalue.operate.refit.subprocess_fit FOLDER`` is that process: it reads runs and specification from
the folder, and writes the fit, or why there is none.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from labelvalue import names
from labelvalue.model.fitting.result import BASE_BYTES, WORKING_COPIES, Fit, fit_bytes, load_fit
from labelvalue.observe.table.runs import write_runs
from labelvalue.operate.store.batches import describe, read_stored
from labelvalue.operate.store.folders import MAKING
from labelvalue.printing import doing, never_silent, shown_otherwise, told
from labelvalue.problems import StorageError
from labelvalue.reading import parse_json, read_text
from labelvalue.storage import write_whole

RUNS, ASKED, MADE, WHY = "runs.parquet", "asked.json", "fit.nc", "why.json"
TOO_LONG = "TooLong"
GIGABYTE = 1024**3
PATIENCE_S = 3.0  # seconds that a child is given to end before it is killed


class FitStoppedError(RuntimeError):
    """A fit that came to nothing: its process died or its sampler gave up. What was published stays so."""


def memory_estimate(spec: Mapping[str, Any], runs: xr.Dataset) -> int:
    """Return the bytes that a fit will need, roughly."""
    return fit_bytes(runs, spec["fit"]["draws"] * spec["fit"]["chains"])


def posterior_bytes(spec: Mapping[str, Any], runs: xr.Dataset) -> int:
    """Return the bytes that a fit will take on disk, roughly."""
    return (memory_estimate(spec, runs) - BASE_BYTES) // WORKING_COPIES


def fit_in_subprocess(
    place: Path,
    runs: xr.Dataset,
    spec: Mapping[str, Any],
    *,
    memory_gb: float | None,
    minutes: float | None = None,
    progress: bool,
    checkpoint: Path | None = None,
) -> Fit:
    """Fit runs as a specification says, in a child process."""
    told(f"the fit needs about {memory_estimate(spec, runs) / GIGABYTE:.1f} GB", show=progress)
    with _working(place) as folder:
        write_runs(runs, folder / RUNS)
        asked = {
            "spec": spec,
            "metric": describe(runs, "", "", None),
            "source": str(runs.attrs.get(names.SOURCE, "")),
            "memory_gb": memory_gb,
            "minutes": minutes,
            "progress": progress,
            "checkpoint": None if checkpoint is None else str(checkpoint.resolve()),
        }
        write_whole(folder / ASKED, json.dumps(asked).encode())
        ended = _run([sys.executable, *_warnings(), "-m", "labelvalue.operate.refit.subprocess_fit", str(folder)])
        if ended == 0:
            doing("reading the fit, and holding forecasts against it", show=progress)
            return load_fit(folder / MADE)
        raise _why(folder, ended)


@contextlib.contextmanager
def _working(place: Path) -> Iterator[Path]:
    """A private folder that is swept away, by the next writer if not by us."""
    folder = place / f"{MAKING}work-{secrets.token_hex(8)}"
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be made ({error.strerror}). Fix: free space or permissions.") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _warnings() -> list[str]:
    return [f"-W{option}" for option in sys.warnoptions]


def _run(command: list[str]) -> int:
    """Run a child that ends when we do: it reads a pipe that closes with us. It is told of Ctrl-C by us alone."""
    group = {"process_group": 0} if os.name == "posix" else {}
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, **group)  # type: ignore[call-overload]
    try:
        with shown_otherwise():
            return child.wait()
    except BaseException:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(PATIENCE_S)
        child.kill()
        child.wait()
        raise
    finally:
        child.stdin.close()


def _why(folder: Path, ended: int) -> Exception:
    try:
        told = parse_json(read_text(folder / WHY, ours=True))
    except (OSError, ValueError):
        told = {}
    advice = "Fix: ask for fewer draws, or put fewer slices into a project."
    if told.get("kind") == TOO_LONG:
        return FitStoppedError(told["text"])
    if told.get("kind") == "MemoryError" or ended == -signal.SIGKILL.value:
        return FitStoppedError(f"the fit ran out of memory. {advice}")
    if told.get("kind") == "ValueError":
        return ValueError(told["text"])
    if told:
        return FitStoppedError(f"the fit stopped: {told['kind']}: {told['text']}")
    return FitStoppedError(f"the process of the fit died ({_ending(ended)}). {advice}")


def _ending(ended: int) -> str:
    return signal.Signals(-ended).name if ended < 0 else f"exit code {ended}"


def main(folder: Path) -> int:
    """Be the child: read what was asked, fit, write the fit or why there is none."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.umask(0o077)
    asked = json.loads((folder / ASKED).read_text(encoding="utf-8"))
    if asked["minutes"] is not None:
        timer = threading.Timer(60.0 * asked["minutes"], _end_late, [folder, asked["minutes"]])
        timer.daemon = True
        timer.start()
    with never_silent("loading the sampler") if asked["progress"] else contextlib.nullcontext():
        return _fitted(folder, asked)


def _fitted(folder: Path, asked: Mapping[str, Any]) -> int:
    """Fit and write it, or why there is none; say by the exit code which."""
    try:
        from labelvalue.operate.refit.refit import fit_backtested

        runs = read_stored(folder / RUNS, asked["metric"])
        runs.attrs[names.SOURCE] = asked["source"]
        _limit(asked["memory_gb"])
        made = fit_backtested(runs, asked["spec"], progress=asked["progress"], checkpoint=asked["checkpoint"])
        made.save(folder / MADE)
    except (Exception, MemoryError) as error:
        kind = "ValueError" if isinstance(error, ValueError) else type(error).__name__
        text = str(error)[:2000]
        if kind == "RuntimeError" and "memory" in text.lower():
            kind = "MemoryError"
        write_whole(folder / WHY, json.dumps({"kind": kind, "text": text}).encode())
        return 1
    return 0


def _end_with_parent() -> None:
    """Wait for the end of the pipe from the parent, which comes with the parent's own."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGKILL) if os.name == "posix" else os._exit(1)


def _end_late(folder: Path, minutes: float) -> None:
    """Say why, and end, wherever the fit is."""
    fix = "Fix: fit again, which goes on from the chains that are finished, or raise limits.minutes in labelvalue.toml."
    text = f"the fit took longer than the {minutes:g} minutes it may take. {fix}"
    write_whole(folder / WHY, json.dumps({"kind": TOO_LONG, "text": text}).encode())
    os.kill(os.getpid(), signal.SIGKILL) if os.name == "posix" else os._exit(1)


def _limit(memory_gb: float | None) -> None:
    """Set the address space, where the system can, once all code is loaded: loaders tell badly what they lack."""
    if memory_gb is None or os.name != "posix":
        return
    import resource

    import numba  # noqa: F401
    import nutpie  # noqa: F401
    import pymc  # noqa: F401

    most = int(memory_gb * GIGABYTE)
    used = Path("/proc/self/statm")
    if used.exists() and int(used.read_text().split()[0]) * resource.getpagesize() > most:
        raise MemoryError(f"the code alone takes more than {memory_gb:g} GB of address space")
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
