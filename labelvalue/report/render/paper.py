"""The page on paper: a PDF through a browser without a window, where one is found."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from labelvalue.problems import StorageError, input_error
from labelvalue.storage import write_whole

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 120.0  # seconds after which a browser that has not printed is stopped


def find_browser() -> str:
    """Return the path of a browser that prints, or say how to get by without one."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        why = f"needs a browser to print with, and none of {', '.join(BROWSERS)} is on PATH"
        fix = "install one of them, or leave --pdf out, open the page in any browser and print it to a file"
        raise input_error(why, fix, column="--pdf")
    return found


def print_page(page: Path, to: str | os.PathLike[str]) -> None:
    """Print a page that lies on disk to a PDF: what is open on it, which is the first page alone."""
    browser = find_browser()
    with tempfile.TemporaryDirectory() as place:
        made = Path(place) / "page.pdf"
        command = [browser, "--headless", "--disable-gpu", "--no-first-run", "--no-pdf-header-footer"]
        command += [f"--user-data-dir={place}/profile", f"--print-to-pdf={made}", page.resolve().as_uri()]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # a browser refuses to have one where root starts it
        try:
            told = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False, text=True).stderr
        except subprocess.TimeoutExpired:
            told = f"it was stopped after {PATIENCE:g} seconds"
        if not made.is_file():
            why = told.strip().splitlines()[-1:] or ["it said nothing"]
            raise StorageError(
                f"{to}: {browser} did not print the page ({why[0]}). Fix: open {page} in a browser and print it there."
            )
        write_whole(Path(to), made.read_bytes())
