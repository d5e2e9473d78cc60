"""A browser for tests that look at a page as people do, and what they ask it.

Screenshots go to ``out/browser``. Where no browser is found these tests are skipped; where
``LABELVALUE_NEED_BROWSER`` is set, as in ``.ci/run``, they fail.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, NoReturn

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FOUND = os.environ.get("LABELVALUE_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
NEEDED = "LABELVALUE_NEED_BROWSER"
SHOTS = Path(__file__).resolve().parents[1] / "out" / "browser"


def absent(why: str) -> NoReturn:
    """Skip the test, or fail it where a browser is needed."""
    (pytest.fail if os.environ.get(NEEDED) else pytest.skip)(why)


@contextmanager
def started() -> Iterator[Any]:
    """A browser without a window."""
    try:
        from playwright import sync_api
    except ImportError:
        absent("no browser: playwright (extra dev) is not installed")
    if FOUND is None:
        absent(f"no browser: none of {', '.join(NAMES)} is on PATH")
    SHOTS.mkdir(parents=True, exist_ok=True)
    with sync_api.sync_playwright() as play:
        running = play.chromium.launch(executable_path=FOUND, args=["--no-sandbox", "--disable-gpu"])
        yield running
        running.close()


@contextmanager
def visiting(browser: Any) -> Iterator[Callable[..., Any]]:
    """A function that opens a file; at the end, nothing may have been asked for and nothing may have gone wrong."""
    asked, wrong, contexts = [], [], []

    def opened(path: Path | str, *, scripts: bool = True, width: int = 1200) -> Any:
        context = browser.new_context(java_script_enabled=scripts, viewport={"width": width, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(f"dialog {dialog.message}"))
        page.goto(Path(path).resolve().as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert wrong == []


def shot(page: Any, name: str, **settings: Any) -> None:
    """Keep what a page looks like."""
    page.screenshot(path=str(SHOTS / f"{name}.png"), **settings)


def unfold(page: Any) -> None:
    """Open every section."""
    page.evaluate("() => document.querySelectorAll('details').forEach((one) => { one.open = true; })")


def overflow(page: Any) -> list[Any]:
    """Pixels by which the page is wider than its window, and names of elements whose text is cut."""
    return page.evaluate(
        """() => {
          const wide = document.documentElement.scrollWidth - window.innerWidth;
          const cut = [...document.querySelectorAll("th, td, p, dd, li, output, strong, h1, h2, h3")]
            .filter((e) => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== "inline"
              && !e.closest(".scroll"))
            .map((e) => e.tagName + " " + e.textContent.slice(0, 60));
          const out = [...document.querySelectorAll("body *")].filter((e) => !e.closest(".scroll") &&
            e.getBoundingClientRect().right > window.innerWidth + 1).map((e) => "beyond: " + e.tagName + e.className);
          return [wide, wide > 0 ? cut.concat(out) : cut];
        }"""
    )


def passes_axe(page: Any) -> None:
    """Fail with all that axe-core has against a page, unfolded: rule, element, and how to mend it.

    What it cannot tell is a fault too. Colours are looked at dark and light, in a wide window: no table hides any.
    """
    try:
        script = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    except ModuleNotFoundError:
        absent("no axe-core: axe-playwright-python (extra dev) is not installed")
    unfold(page)
    page.evaluate(script)
    wide = page.viewport_size["width"] >= 1000
    passes = [("dark", {"runOnly": ["color-contrast"]})] if wide else []
    passes += [("light", {"rules": {"color-contrast": {"enabled": wide}}})]
    found = []
    for scheme, asked in passes:
        page.emulate_media(color_scheme=scheme)
        told = page.evaluate(
            "(asked) => axe.run(document, asked)", asked | {"resultTypes": ["violations", "incomplete"]}
        )
        for rule in told["violations"] + told["incomplete"]:
            for node in rule["nodes"]:
                mend = " ".join((node["failureSummary"] or rule["help"]).split())
                found.append(f"{scheme}, {rule['id']}: {node['target'][0]}, {node['html'][:80]}: {mend}")
    assert not found, "\n".join([f"axe-core finds {len(found)} faults:", *found])


def move(page: Any, name: str, step: int) -> None:
    """Move a slider of the what-if panel."""
    page.locator(f"#what-if-{name}").evaluate(
        "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", str(step)
    )
