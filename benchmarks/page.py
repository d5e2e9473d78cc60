"""How large the page is, how long it takes to write, and how long until a browser shows it.

    python -m benchmarks.page                         # 6 and 200 slices, with and without a decision
    python -m benchmarks.page --draws 1000            # as many draws as a fit has by default
    python -m benchmarks.page --slices 6 --out 6.json

Fits are pretended (`labelvalue.testing.fake_fit`), so that the page alone is measured; the plan is one of
`labelvalue.decide`, whose time is given beside the page's. The browser is a headless chromium, driven by playwright;
where there is none, that column is empty and a line says so. The first of these writes
`benchmarks/results/page.json`. Pages and pictures of them are left in `--pages`.
"""

import argparse
import importlib.util
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import labelvalue as lv
from labelvalue import testing, write_report

TARGET_MB = 3.0  # the most that a page should weigh
MB = 1_000_000
SLICES, DRAWS = (6, 200), 250
RESULTS = Path(__file__).parent / "results" / "page.json"
LABELS = 200  # labels that the plan may buy, a slice
CASE = {"costs": {"price_per_label": {"low": 0.05, "high": 0.2}}, "value": {"per_error_point": 40}, "currency": "USD"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NO_BROWSER = "No browser: neither playwright (extra dev) with one of {} on PATH nor LABELVALUE_CHROMIUM; not loaded."
COLUMNS = ("slices", "decision", "page, MB", "pictures, MB", "target, MB", "to decide, s", "to write, s", "to load, s")


def browser_path() -> str | None:
    """Where a browser is that playwright can drive; ``None`` without one."""
    if importlib.util.find_spec("playwright") is None:
        return None
    return os.environ.get("LABELVALUE_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


@contextmanager
def loader(executable: str | None) -> Iterator[Callable[[Path], float | None]]:
    """A browser that is started once, and a function that says how long it takes to load a file."""
    if executable is None:
        yield lambda path: None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        running.new_page().close()  # the first page of a browser pays for its start

        def load(path: Path) -> float:
            page = running.new_page(viewport={"width": 1200, "height": 900})
            start = time.perf_counter()
            page.goto(path.as_uri(), wait_until="load")
            page.evaluate("() => Promise.all([...document.images].map((one) => one.decode()))")
            seconds = time.perf_counter() - start
            page.screenshot(path=str(path.with_suffix(".png")), full_page=True)
            page.close()
            return seconds

        yield load
        running.close()


def spent(call: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What a call gives, with seconds on the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    made = call()
    return made, {"seconds": time.perf_counter() - clock, "processor_s": time.process_time() - processor}


def measure(
    slices: int, draws: int, decided: bool, folder: Path, load: Callable[[Path], float | None]
) -> dict[str, Any]:
    """Write one page and load it."""
    names = tuple(f"region {place:03d}" for place in range(slices))
    fit = testing.fake_fit(seed=2, slices=names, draws=draws)
    path = folder / f"{slices}{'-decided' if decided else ''}.html"
    deciding, of = None, fit
    if decided:
        case = lv.Case(**CASE)
        of, deciding = spent(lambda: lv.decide(fit, case, max_labels=LABELS * slices, measure=False))
    _, writing = spent(lambda: write_report(of, path=path))
    page = path.read_text(encoding="utf-8")
    pictures = sum(map(len, re.findall(r'src="data:image/[^"]*"', page)))
    return {
        "slices": slices,
        "draws": fit.posterior.sizes["chain"] * fit.posterior.sizes["draw"],
        "decided": decided,
        "mb": path.stat().st_size / MB,
        "pictures_mb": pictures / MB,
        "target_mb": TARGET_MB,
        "within_target": path.stat().st_size <= TARGET_MB * MB,
        "deciding": deciding,
        "writing": writing,
        "load_s": load(path),
        "load": os.getloadavg()[0],
    }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A row a page, as Markdown; seconds are of the processor, those of the browser on the clock."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for row in rows:
        deciding, loaded = row["deciding"], row["load_s"]
        cells = [
            f"{row['slices']}",
            "yes" if row["decided"] else "no",
            f"{row['mb']:.2f}{'' if row['within_target'] else ' (over)'}",
            f"{row['pictures_mb']:.2f}",
            f"{row['target_mb']:g}",
            "" if deciding is None else f"{deciding['processor_s']:.1f}",
            f"{row['writing']['processor_s']:.1f}",
            "" if loaded is None else f"{loaded:.2f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, nargs="+", default=list(SLICES))
    parser.add_argument("--draws", type=int, default=DRAWS, help="a chain, of four")
    parser.add_argument("--out", type=Path, help="JSON to write (default: results/, of other sizes or draws out/)")
    parser.add_argument("--pages", type=Path, default=Path("out/pages"), help="folder for the pages and their pictures")
    given = parser.parse_args(arguments)
    given.pages.mkdir(parents=True, exist_ok=True)
    usual = (*given.slices,) == SLICES and given.draws == DRAWS
    out = given.out or (RESULTS if usual else Path("out/page.json"))
    out.parent.mkdir(parents=True, exist_ok=True)
    executable = browser_path()
    if executable is None:
        print(NO_BROWSER.format(", ".join(BROWSERS)))
    rows = []
    with loader(executable) as load:
        for slices in given.slices:
            for decided in (False, True):
                rows.append(measure(slices, given.draws, decided, given.pages.resolve(), load))
                print(json.dumps(rows[-1]), flush=True)
    out.write_text(json.dumps({"browser": executable, "pages": rows}, indent=1) + "\n", encoding="utf-8")
    print("\n" + table(rows))


if __name__ == "__main__":
    main()
