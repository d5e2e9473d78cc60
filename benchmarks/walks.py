"""How far one call walks: functions and files of ours that it goes through, and how often it goes back to another room.

    python -m benchmarks.walks

Functions are taken in the order in which they are first entered, as a reader follows a call. `again` counts how often
that leads back into a file that was opened before and left: what must be opened again.
"""

import sys
import tempfile
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import labelvalue as lv

ROOT = str(Path(lv.__file__).parent)
CASE = {"costs": {"price_per_label": 0.1, "retraining": 20}, "value": {"per_error_point": 400}}


def walk(call: Callable[[], object]) -> dict[str, int]:
    """Make a call and count what of ours it went through."""
    order: dict[tuple[str, str], None] = {}

    def seen(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(ROOT):
            order.setdefault((frame.f_code.co_filename, frame.f_code.co_qualname))

    sys.setprofile(seen)
    try:
        call()
    finally:
        sys.setprofile(None)
    files = [file for file, _ in order]
    again = sum(file != before and file in files[:place] for place, (before, file) in enumerate(pairwise(files), 1))
    return {"functions": len(order), "files": len(set(files)), "again": again}


def main() -> None:
    """Print the walks of six calls."""
    warnings.simplefilter("ignore")
    runs = lv.testing.fake_runs(seed=1, sizes=(500, 1000, 2000, 4000), replicates=2)
    fit, case = lv.testing.fake_fit(seed=1), lv.Case(**CASE)
    with tempfile.TemporaryDirectory() as place:
        project = lv.Project.create(Path(place) / "p")
        (project.folder / "case.toml").write_text(case.to_toml())
        (project.folder / "labelvalue.toml").write_text('case = "case.toml"\n[fit]\ndraws = 250\nbacktest = false\n')
        project.add(runs, batch="a")
        decision = lv.decide(fit, case, 2_000)
        calls: dict[str, Callable[[], object]] = {
            "predict_gain": lambda: lv.predict_gain(fit, [500]),
            "fit": lambda: lv.fit(runs, draws=250, random_seed=1, progress=False),
            "decide, nothing measured": lambda: lv.decide(fit, case, 2_000, measure=False),
            "decide": lambda: lv.decide(fit, case, 2_000),
            "write_report": lambda: lv.write_report(decision, path=Path(place) / "r.html"),
            "refit": lambda: project.refit(progress=False),
        }
        print("| call | functions | files | again |\n|---|---|---|---|")
        for name, call in calls.items():
            found = walk(call)
            print(f"| {name} | {found['functions']} | {found['files']} | {found['again']} |", flush=True)


if __name__ == "__main__":
    main()
