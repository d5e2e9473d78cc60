"""Commands run as the shell would run them, but in this process; long work is not begun."""

import contextlib
import dataclasses
import functools
import io
import os
import random
import re
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer.main

from tests.faults.corpus import FAMILIES, Put, Seed, pretended


class Reached(BaseException):
    """A command has read what it was given, and would begin the long work."""


@dataclasses.dataclass(frozen=True)
class Case:
    """What is run: a seed as it was and as it is attacked, and what stands in its target's place if it is no bytes."""

    original: Seed
    seed: Seed
    name: str
    put: Put | None = None

    @property
    def given(self) -> bytes:
        """Bytes of the target."""
        return self.seed.files[self.seed.target]


def put(seed: Seed, instead: Put | None = None) -> None:
    """Write the files of a seed where the process stands."""
    for name, content in seed.files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if name == seed.target and instead is not None:
            instead(path)
        else:
            path.write_bytes(content)


@dataclasses.dataclass
class Ran:
    """What a command did."""

    code: int | None = None
    out: str = ""
    error: str = ""
    escaped: BaseException | None = None
    value: Any = None
    cpu: float = 0.0
    memory: int = 0


def run(command: tuple[str, ...]) -> Ran:
    """Run a command as the shell would, but in this process."""
    from labelvalue import cli

    ran, begun, before = Ran(), time.process_time(), _peak(reset=True)
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", errors) for errors in ("strict", "backslashreplace")]
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ran.code = cli.main(command)
        except Reached as reached:
            ran.code, ran.value = 0, reached.args[0]
        except BaseException as error:
            ran.escaped = error
    for stream in streams:
        with contextlib.suppress(UnicodeError):
            stream.flush()
    ran.out, ran.error = (stream.buffer.getvalue().decode("utf-8") for stream in streams)  # type: ignore[attr-defined]
    ran.cpu, ran.memory = time.process_time() - begun, _peak() - before
    return ran


def _peak(reset: bool = False) -> int:
    """Most memory held since the last reset; with a reset, what is held now."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0


@contextlib.contextmanager
def prepared(families: Iterable[str]) -> Iterator[None]:
    """Let commands stop where the long work would begin; what they load is loaded before children are forked."""
    import labelvalue as lv
    from labelvalue import exits
    from labelvalue.cli import console
    from labelvalue.decisions.advice import deciding
    from labelvalue.decisions.case import case

    def reach(*given: Any, **settings: Any) -> None:
        raise Reached(given[0])

    def simulate(learners: Any, features: Any, target: Any, slices: Any, protocol: Any = None, **settings: Any) -> None:
        raise Reached(protocol if os.path.lexists("in.toml") else (features, target, slices))

    def keep(path: Path) -> Any:
        kept[:] = [read_case(path)]
        return kept[0]

    read_case, kept = case.read_case, []
    with pretended() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)  # slow, and nothing here is killed
        patch.setattr(typer.main, "get_command", functools.cache(typer.main.get_command))
        patch.setattr(lv, "fit", reach)
        patch.setattr(lv, "simulate_runs", simulate)
        patch.setattr(console, "show", reach)
        patch.setattr(case, "read_case", keep)
        patch.setattr(deciding, "decide", lambda *given, **settings: reach(*kept))
        for family in families:
            seed = FAMILIES[family](random.Random(0))
            with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
                put(seed)
                ran = run(seed.command)
            if ran.code not in (exits.DONE, exits.UNDECIDED) or ran.escaped:
                raise RuntimeError(f"{family}: its sound input is refused: {ran.error} {ran.escaped!r}")
        yield
