"""One reader for each annotation tool: a file here is a format, by the name of the file."""

import pkgutil
from importlib import import_module
from pathlib import Path
from types import ModuleType

from labelvalue.problems import did_you_mean, input_error


def formats() -> dict[str, str]:
    """Say what each format is, from the first line of its file; no file is imported."""
    found = {}
    for one in pkgutil.iter_modules(__path__):
        with Path(__path__[0], f"{one.name}.py").open(encoding="utf-8") as file:
            found[one.name.replace("_", "-")] = file.readline().strip().strip('"')
    return found


def importer(format: str) -> ModuleType:
    """Return the module of a format: its ``read`` takes a path and what collects judgements."""
    known = formats()
    if format not in known:
        why = f"unknown format {format!r}{did_you_mean(format, (*known, 'csv'))}"
        raise input_error(why, f"one of {', '.join([*known, 'csv'])}", column="format")
    return import_module(f"{__name__}.{format.replace('-', '_')}")


def layouts() -> dict[str, frozenset[str]]:
    """Gather the keys by which records of each tool are known; one that begins with a dot is the end of a key."""
    return {name: keys for format in formats() for name, keys in importer(format).LAYOUTS.items()}
