"""Cases as TOML files, every fault with the place of its key."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from labelvalue.decisions.case.case import Case
from labelvalue.reading import parse_toml, read_text
from labelvalue.settings import put, read_table

EXAMPLE = "adult_case.toml"  # the documented example that ships with the data


def example_case() -> str:
    """Return the documented example of a case file, for the shipped runs.

    Returns
    -------
    str
        TOML with comments.

    Examples
    --------
    >>> parse_case(example_case()).currency
    'USD'
    """
    return (files("labelvalue_data") / EXAMPLE).read_text(encoding="utf-8")


def read_case(path: str | os.PathLike[str]) -> Case:
    r"""Read a case from a TOML file.

    Parameters
    ----------
    path : path
        File with the fields of :class:`Case` as tables: ``[costs]``, ``[value]``, ``[guardrails]``, ``[slices]``,
        ``[risk]``, ``[score]``. A quantity is a number, an interval ``{ low = 1, high = 3, probability = 0.9 }``, or
        branches ``[{ value = 1, probability = 0.8 }, { value = 3, probability = 0.2 }]``.

    Returns
    -------
    Case

    Raises
    ------
    InputError
        If the file is missing, no TOML, or says anything that is unknown or illegal; all of it at once.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "case.toml"
    >>> _ = path.write_text('[costs]\nprice_per_label = 0.08\n[value]\nper_error_point = 400\n')
    >>> read_case(path).costs.price_per_label, read_case(path).source
    (0.08, 'case.toml')
    """
    path = Path(path)
    return parse_case(read_text(path), file=path.name)


def parse_case(text: str, *, file: str = "") -> Case:
    r"""Return the case that TOML text describes."""
    given = parse_toml(text, file=file)
    case = read_table(Case, {"value": {}} | given, file)
    put(case, source=file)
    return case
