"""A queue as a file that an annotation tool imports, and that our importers read back once it is annotated."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from labelvalue import names
from labelvalue.observe.importers import label_studio
from labelvalue.observe.table.schema import guard_cells
from labelvalue.problems import did_you_mean, input_error, quote
from labelvalue.reading import parse_json
from labelvalue.storage import write_whole

ITEM, RANK = "item", "rank"
ABOUT = (ITEM, names.SLICE, RANK, names.STRATEGY)  # columns of a queue that are not the item's own
TEXT = "text"


def write_queue(found: pd.DataFrame, path: str | os.PathLike[str], format: str) -> None:
    r"""Write a queue for an annotation tool to import.

    Slice, rank and strategy go with each item, so that the tool's export tells the slice again: ``read_annotations``
    finds it under ``data.slice`` (Label Studio), ``metadata.slice`` (Argilla), ``slice`` (doccano, CSV) or
    ``meta.slice`` (Prodigy). Tools that show a text get the column ``text``, or the item's columns as lines.

    Parameters
    ----------
    found : pandas.DataFrame
        From :func:`labelvalue.queue`.
    path : str or path
        File to write.
    format : {"label-studio", "argilla", "doccano", "prodigy", "csv"}
        Tool: JSON tasks, JSON records, JSON lines, JSON lines, or a table.

    Raises
    ------
    InputError
        If the format is unknown.
    StorageError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> found = pd.DataFrame({"item": ["a"], "slice": ["west"], "rank": [1], "strategy": ["random"], "text": ["hi"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_queue(found, Path(folder) / "tasks.jsonl", "prodigy")
    ...     print((Path(folder) / "tasks.jsonl").read_text())
    {"text": "hi", "meta": {"item": "a", "slice": "west", "rank": 1, "strategy": "random"}}
    """
    if format not in FORMATS:
        why = f"unknown format {quote(format)}{did_you_mean(format, FORMATS)}"
        raise input_error(why, f"give one of {', '.join(FORMATS)}", column="format")
    write_whole(Path(path), FORMATS[format](found).encode())


def push_queue(found: pd.DataFrame, address: str) -> None:
    r"""Add a queue's tasks to a project of Label Studio, as :func:`write_queue` writes them for its import.

    The token stands in the environment variable ``LABEL_STUDIO_API_KEY``. Pushed twice, the tasks are there twice.

    Parameters
    ----------
    found : pandas.DataFrame
        From :func:`labelvalue.queue`.
    address : str
        Of the project as a browser shows it, such as ``https://host/projects/7``; ``http`` on this machine alone.

    Raises
    ------
    InputError
        If the address is none, the token is missing, or the server does not take all tasks.

    Examples
    --------
    >>> found = pd.DataFrame({"item": ["a"], "slice": ["west"], "rank": [1], "strategy": ["random"], "text": ["hi"]})
    >>> push_queue(found, "http://labels.example.org/projects/7")
    Traceback (most recent call last):
    ...
    labelvalue.problems.InputError: column 'address': http is for this machine alone. Fix: give an https address.
    """
    answer = label_studio.ask(address, "import", json.loads(_label_studio(found)))
    try:
        taken = int(parse_json(answer)["task_count"])
    except (ValueError, KeyError, TypeError):
        taken = -1
    if taken != len(found):
        why = f"{len(found)} tasks were sent, and the server does not say that it took them all"
        raise input_error(why, "see in the project which are there before pushing again")


def _label_studio(found: pd.DataFrame) -> str:
    rows = _records(found)
    return json.dumps([{"data": own | about} for about, own in rows], ensure_ascii=False, indent=1)


def _argilla(found: pd.DataFrame) -> str:
    """Records as Argilla's own export has them, without responses."""
    rows = [
        {
            "id": str(about[ITEM]),
            "fields": {TEXT: _as_text(own)},
            "metadata": about,
            "suggestions": {},
            "responses": {},
        }
        for about, own in _records(found)
    ]
    return json.dumps(rows, ensure_ascii=False, indent=1)


def _lines(rows: Any) -> str:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n"


def _records(found: pd.DataFrame) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each item's place in the queue, and its own columns, as JSON has them."""
    rows = json.loads(found.to_json(orient="records", date_format="iso"))
    return [({c: row[c] for c in ABOUT}, {c: v for c, v in row.items() if c not in ABOUT}) for row in rows]


def _as_text(own: Mapping[str, Any]) -> str:
    """What a tool for texts shows: the column of that name or the only one, else the columns as lines."""
    if TEXT in own or len(own) == 1:
        return str(own.get(TEXT, next(iter(own.values()))))
    return "\n".join(f"{name}: {value}" for name, value in own.items())


FORMATS: Mapping[str, Callable[[pd.DataFrame], str]] = {
    "label-studio": _label_studio,
    "argilla": _argilla,
    "doccano": lambda found: _lines({TEXT: _as_text(own), "label": [], **about} for about, own in _records(found)),
    "prodigy": lambda found: _lines({TEXT: _as_text(own), "meta": about} for about, own in _records(found)),
    "csv": lambda found: guard_cells(found).to_csv(index=False),
}
