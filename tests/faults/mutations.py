"""Attack every reader through its command, and say what became of each input.

``python -m tests.faults.mutations --minutes 10`` prints the table of outcomes; with ``--family case --number 4711`` it
shows one case again. A case is its family and its number: the first numbers are the hostile inputs of ``corpus``, all
others are mutations of sound ones, drawn from a generator whose seed is the number. Children are
forked, so that what they import is imported once; each works off many cases under limits of time and memory.
"""

import argparse
import contextlib
import dataclasses
import functools
import json
import os
import random
import re
import resource
import select
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.faults.commands import Case, Ran, prepared, put, run
from tests.faults.corpus import FAMILIES, MIB, Seed, hostile
from tests.faults.mutators import mutated
from tests.faults.oracles import ORACLES

SECONDS, CPU_SECONDS, MEMORY, ADDRESSES = 60.0, 10.0, 500 * MIB, 1536 * MIB
GOOD = ("accepted", "refused")
FAULTS = ("traceback", "hang", "memory", "silent", "terminal", "bare", "leftover", "harness")
"""What may become of an input, and what may not."""
CONTROL = re.compile(
    "(?m)^FORGED|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]"
)
TARGETS = {"in", "in.csv", "in.parquet", "in.toml", "fit.nc", "fit.nc.sha256", "salt", "out.csv", "out.parquet"}
BATCH = 400  # cases that one child works off


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a case, and what tells why."""

    family: str
    number: int
    outcome: str
    why: str = ""
    what: str = ""


# --- one case -------------------------------------------------------------------------------------


@functools.cache
def names_of(family: str) -> tuple[str, ...]:
    """Names of the hostile inputs of a family, which are its first cases."""
    return tuple(hostile(FAMILIES[family](random.Random(0)).kind))


def made(family: str, number: int) -> Case:
    """The case of that number."""
    rng = random.Random(f"{family} {number}")
    if number >= len(names_of(family)):
        original = FAMILIES[family](rng)
        seed = mutated(original, rng)
        return Case(original, seed, f"{seed.target!r} by {' '.join(seed.command)!r}")
    original, name = FAMILIES[family](random.Random(0)), names_of(family)[number]
    instead = hostile(original.kind)[name]
    if callable(instead):
        return Case(original, dataclasses.replace(original, oracle=""), name, instead)
    oracle = "" if original.kind == "zip" else original.oracle
    seed = dataclasses.replace(original, files={**original.files, original.target: instead}, oracle=oracle)
    return Case(original, seed, name)


def judged(family: str, number: int) -> Outcome:
    """Run a case in an empty folder and say what became of it."""
    case = made(family, number)
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        put(case.seed, case.put)
        before = listed()
        outcome, why = _outcome(case, run(case.seed.command), before)
    return Outcome(family, number, outcome, why[:400], case.name)


def _outcome(case: Case, ran: Ran, before: Mapping[str, int]) -> tuple[str, str]:
    if ran.memory > MEMORY or isinstance(ran.escaped, MemoryError) or "malloc of size" in ran.error:
        return "memory", f"{ran.memory / MIB:.0f} MiB more; {ran.escaped!r}"
    if ran.cpu > CPU_SECONDS * (1 + len(case.given) / (3 * MIB)):
        return "hang", f"{ran.cpu:.1f} s of processor"
    if ran.escaped is not None:
        last = traceback.extract_tb(ran.escaped.__traceback__)
        ours = next((f for f in reversed(last) if "/labelvalue/" in f.filename), last[-1])
        where = f"{ours.filename.rpartition('/labelvalue/')[2]}:{ours.lineno}"
        return "traceback", f"{type(ran.escaped).__name__} at {where}: {str(ran.escaped)[:150]!r}"
    if "This is a fault" in ran.error:
        return "traceback", ran.error
    text = f"{ran.out}\n{ran.error}"
    if shown := CONTROL.search(text):
        return "terminal", f"exit {ran.code}: {text[max(0, shown.start() - 60) : shown.end() + 40]!r}"
    if ran.code in (0, 2, 3, 6):
        found = ORACLES[case.seed.oracle](case, ran)
        return ("silent", found) if found else ("accepted", "")
    if "Fix:" not in ran.error or len(ran.error) > 25_000:
        return "bare", f"exit {ran.code}: {ran.error[-300:]!r}"
    file_is_the_fault = case.seed.command == case.original.command
    if file_is_the_fault and not any(name in ran.error for name in _names(case.seed)):
        return "bare", f"names no file; exit {ran.code}: {ran.error[-300:]!r}"
    if case.seed.kind != "ledger" and (more := {name for name, size in listed().items() if before.get(name) != size}):
        return "leftover", f"{sorted(more)}; exit {ran.code}: {ran.error[-100:]!r}"
    return "refused", ""


def _names(seed: Seed) -> list[str]:
    """Names of which a refusal must give one: that of the file, unless an option or the name itself is the fault."""
    if seed.target.startswith("project/"):
        return ["project", Path(seed.target).name]
    more = {"salt": "--salt", "zip": "jsonl" if "doccano" in seed.command else "xml"}.get(seed.kind, seed.target)
    return [seed.target.removesuffix(".sha256"), more] if seed.target in TARGETS and seed.oracle else [""]


def listed() -> dict[str, int]:
    """What lies where the process stands, but for locks."""
    return {str(p): p.lstat().st_size for p in Path().rglob("*") if "lock" not in p.name and not p.is_dir()}


# --- many cases -----------------------------------------------------------------------------------


def _child(family: str, numbers: Iterable[int], pipe: int) -> None:
    """Work off cases, a line each; ends for good."""
    os.nice(5)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + ADDRESSES,) * 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number in numbers:
        try:
            found = judged(family, number)
        except BaseException as error:
            where = traceback.format_exc().splitlines()[-3:]
            found = Outcome(family, number, "harness", f"{error!r} {where}"[:600])
        os.write(pipe, (json.dumps(dataclasses.asdict(found)) + "\n").encode())
        if found.outcome == "memory":
            break
    os._exit(0)


def attack(family: str, numbers: Iterable[int], until: float = float("inf")) -> Iterator[Outcome]:
    """Run cases in children, one after the other."""
    left = list(numbers)
    while left and time.monotonic() < until:
        names_of(family)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _child(family, left[:BATCH], writing)
        os.close(writing)
        done = 0
        with os.fdopen(reading, "rb", buffering=0) as pipe:
            text, ended = b"", False
            while not ended and time.monotonic() < until:
                ended = not select.select([pipe], [], [], SECONDS)[0]
                if ended:
                    os.kill(child, signal.SIGKILL)
                    why = f"no answer in {SECONDS:.0f} s"
                    yield Outcome(family, left[done], "hang", why, made(family, left[done]).name)
                    done += 1
                    break
                more = pipe.read(1 << 16)
                ended, text = not more, text + more
                *lines, text = text.split(b"\n")
                for line in lines:
                    done += 1
                    yield Outcome(**json.loads(line))
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) != signal.SIGKILL and done < len(left):
            name = signal.Signals(os.WTERMSIG(status)).name
            yield Outcome(family, left[done], "traceback", f"the process died: {name}", made(family, left[done]).name)
            done += 1
        del left[:done]


def table(outcomes: Iterable[Outcome]) -> str:
    """Counts by family and outcome, as text."""
    counts: dict[str, Counter] = {}
    for one in outcomes:
        counts.setdefault(one.family, Counter())[one.outcome] += 1
    rows = [(family, *(found[name] for name in (*GOOD, *FAULTS))) for family, found in counts.items()]
    rows.append(("all", *(sum(column) for column in zip(*(row[1:] for row in rows), strict=True))))
    lines = [f"{'family':<17}" + "".join(f"{name:>10}" for name in (*GOOD, *FAULTS))]
    return "\n".join(lines + [f"{row[0]:<17}" + "".join(f"{count:>10}" for count in row[1:]) for row in rows])


def faults(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Outcomes that may not be."""
    return [one for one in outcomes if one.outcome not in GOOD]


def for_minutes(minutes: float, families: Iterable[str], start: int = 0) -> Iterator[Outcome]:
    """Every hostile input once, and mutations in turns until the time is up."""
    until, turn, size = time.monotonic() + 60 * minutes, 0, 60
    chosen = list(families)
    while time.monotonic() < until:
        for family in chosen:
            named = len(names_of(family))
            numbers = range(named + start + size * turn, named + start + size * (turn + 1))
            yield from attack(family, [*(range(named) if not turn else ()), *numbers], until)
        turn += 1


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--minutes", type=float, default=10.0)
    asked.add_argument("--family", action="append", choices=list(FAMILIES))
    asked.add_argument("--number", type=int)
    asked.add_argument("--start", type=int, default=0)
    given = asked.parse_args()
    families = given.family or list(FAMILIES)
    with prepared(families):
        if given.number is not None:
            print(*attack(families[0], [given.number]))
            return
        found: list[Outcome] = []
        for one in for_minutes(given.minutes, families, given.start):
            found.append(one)
            if faults([one]):
                print(f"{one.family} {one.number} {one.outcome}: {one.why}  [{one.what[:120]}]", flush=True)
        print(table(found))


if __name__ == "__main__":
    main()
