"""Tracked runs as records of texts, without a dump: from a server of MLflow, from the local folder of W&B."""

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from labelvalue.observe.table.delimited import Limits
from labelvalue.observe.table.schema import MAX_ROWS
from labelvalue.problems import InputError, input_error
from labelvalue.reading import parse_json, read_text
from labelvalue.server import ask, authorization, no_answer, page

Record = dict[str, object]

# --- MLflow: its REST interface, version 2.0 ------------------------------------------------------

TOKEN = "MLFLOW_TRACKING_TOKEN"  # not every server asks for one
SEARCH = "runs/search"  # the one question that changes nothing on the server
PAGE = 1000  # runs that are asked for at once


def ask_mlflow(address: str, what: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the server of an experiment, named by its page."""
    base, _ = page(address, "#/experiments")
    token = authorization(TOKEN, "Bearer", needed=False)
    answer = ask(f"{base}/api/2.0/mlflow/{what}", TOKEN, body, token=token, changes=what != SEARCH)
    if not isinstance(answer, dict):
        raise no_answer(base)
    return answer


def mlflow_runs(address: str) -> list[Record]:
    """Runs of an experiment, with the columns that a dump of the run search has."""
    base, experiment = page(address, "#/experiments")
    found: list[Record] = []
    asked: dict[str, Any] = {"experiment_ids": [experiment], "max_results": PAGE}
    while True:
        answer = ask_mlflow(address, SEARCH, asked)
        runs = answer.get("runs", [])
        try:
            found += [_mlflow_run(run) for run in runs]
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
            raise no_answer(base) from None
        if len(found) > MAX_ROWS:
            raise InputError([Limits(rows=MAX_ROWS).too_many(experiment)])
        if not runs or not answer.get("next_page_token"):
            break
        asked["page_token"] = answer["next_page_token"]
    if not found:
        raise input_error(
            "no run in this experiment", "check the number in the address", column="address", value=experiment
        )
    return found


def _mlflow_run(run: Mapping[str, Any]) -> Record:
    info, data = run["info"], run.get("data", {})
    record: Record = {"run_id": info["run_id"], "status": info["status"]}
    record |= {name: _utc(int(info[name]) / 1000) for name in ("start_time", "end_time") if info.get(name)}
    return record | {f"{kind}.{one['key']}": one["value"] for kind in KINDS for one in data.get(kind, [])}


KINDS = ("params", "metrics", "tags")


def _utc(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()


# --- Weights & Biases: what a run leaves on disk --------------------------------------------------

_FILE = 16 * 1024**2  # bytes of a file of a run
_PLAIN = re.compile(r"[^][{}&*!|>%@`'#?,-].*|-[\d.][\d.e+-]*")
_VALUE = re.compile(r"^([^\s#:'\"][^:\n]*):\n(?:[ ]+desc:.*\n)?[ ]+value: (\S.*)\n+(?=\S|\Z)", re.MULTILINE)


def wandb_runs(folder: Path) -> list[Record]:
    """Runs in a folder ``wandb``, or that of one run: ``config.…`` and ``summary.…``, times and state."""
    places = [folder] if (folder / "files").is_dir() else sorted(p for p in folder.glob("*run-*") if not p.is_symlink())
    found = [_wandb_run(place) for place in places[: MAX_ROWS + 1] if (place / "files").is_dir()]
    if not any(len(run) > len(("ID", "State")) for run in found):
        why = "no run in it that left a wandb-summary.json, as one that is offline does not before it is synchronised"
        raise input_error(why, "give the folder 'wandb', or a folder 'run-…' in it", file=folder.name)
    return found


def _wandb_run(place: Path) -> Record:
    """One run: finished where its last summary says how long it took, which is written when it ends."""
    summary, config = place / "files" / "wandb-summary.json", place / "files" / "config.yaml"
    try:
        told = parse_json(read_text(summary, _FILE)) if summary.exists() else {}
        if not isinstance(told, dict):
            raise ValueError("no object")
        end = told.get("_wandb", {}).get("runtime") if isinstance(told.get("_wandb", {}), dict) else None
        times: Record = {} if end is None else {"Runtime": end}
        if end is not None and "_timestamp" in told:
            times["Created"] = _utc(told["_timestamp"] - end)
    except (ValueError, TypeError, OverflowError, OSError) as error:
        if isinstance(error, InputError):
            raise
        why = f"not the summary of a run: {error}"
        raise input_error(why, "leave this run out", file=f"{place.name}/{summary.name}") from None
    record: Record = {"ID": place.name.rpartition("-")[2], "State": "" if end is None else "finished"} | times
    record |= {f"summary.{key}": value for key, value in told.items() if isinstance(value, str | int | float)}
    text = read_text(config, _FILE) if config.exists() else ""
    return record | {f"config.{key}": value for key, value in _values(text)}


def _values(text: str) -> Iterator[tuple[str, str]]:
    """Settings of a ``config.yaml`` that are one text or number on one line; nothing else of it is read."""
    for key, line in _VALUE.findall(f"{text}\n"):
        written = line.rstrip()
        if written[0] == "'" and written[-1] == "'" and len(written) > 1:
            yield key, written[1:-1].replace("''", "'")
        elif written[0] == '"':
            try:
                yield key, str(json.loads(written))
            except ValueError:
                continue
        elif _PLAIN.fullmatch(written) and " #" not in written:
            yield key, "" if written in ("null", "~") else written
