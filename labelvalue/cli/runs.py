"""The commands that make runs: by training, and from what annotation tools and trackers exported."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import labelvalue as lv
from labelvalue import names
from labelvalue.cli import console
from labelvalue.cli.console import RUNS, Group, Json, Metric, Seed, Timezone, add
from labelvalue.numerals import counted
from labelvalue.observe.importers import formats
from labelvalue.problems import StorageError, input_error

if TYPE_CHECKING:
    import pandas as pd


def simulate(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Labelled data: .csv, .parquet, .jsonl or .json.")],
    target: Annotated[str, typer.Option(help="Column that the model learns to predict.")],
    slice_: Annotated[str, typer.Option("--slice", help="Column whose values are the slices.")],
    out: Annotated[Path, typer.Option(help="Runs table to write: .csv or .parquet.")],
    text: Annotated[str | None, typer.Option(help="Column of free text that the model learns from alone.")] = None,
    learner: Annotated[
        str | None,
        typer.Option(
            help="hist_gradient_boosting (default), logistic_regression (default of texts), random_forest, your own "
            "as package.module:name; or several, by commas."
        ),
    ] = None,
    protocol: Annotated[Path | None, typer.Option(help="Protocol to follow: .toml.")] = None,
    sizes: Annotated[str | None, typer.Option(help="Sizes of the training sets, by commas.")] = None,
    replicates: Annotated[int | None, console.whole("Training sets drawn at each size.")] = None,
    strategies: Annotated[
        str | None, typer.Option(help="How labels are chosen, such as random,uncertainty,margin,diversity.")
    ] = None,
    label_noise: Annotated[str | None, typer.Option(help="Shares of wrong labels to inject, by commas.")] = None,
    random_seed: Seed = None,
    jobs: Annotated[int | None, console.whole("Processes that train side by side.", least=-1000, most=1000)] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Folder of finished trainings, to go on from.")] = None,
    minutes: Annotated[float | None, console.real("Begin no training after so many minutes.")] = None,
    dask: Annotated[str | None, typer.Option(help="Train on a Dask cluster: tcp://host:port of its scheduler.")] = None,
    as_json: Json = False,
) -> None:
    """Train a model on subsets of your data, test it per slice, and write a runs table with its protocol beside it.

    Texts are learnt by --text: from a table, or from JSON whose columns may stand inside, such as data.country or
    annotations.0.result.0.value.choices.0 in an export of Label Studio.
    """
    import dataclasses

    from labelvalue.observe.simulate.learners import learners_of, naming_rows, read_table
    from labelvalue.observe.simulate.protocol import beside

    console.check_writable(out)
    every = read_table(data, target=target, slices=slice_, texts=text, unlabelled=True)
    table = every.dropna(subset=[target], ignore_index=True)
    if table.empty:
        raise input_error(
            "no row has a label", "label some, or name the column of labels", file=data.name, column=target
        )
    features = table.drop(columns=target) if text is None else table[text]
    learners = learners_of(features, None if learner is None else learner.split(","), random_seed)
    settings = console.given(
        sizes=None if sizes is None else console.counts(sizes, "--sizes"),
        replicates=replicates,
        strategies=None if strategies is None else strategies.split(","),
        label_noise=None if label_noise is None else console.shares(label_noise, "--label-noise"),
        random_state=random_seed,
    )
    runs = lv.simulate_runs(
        learners if len(learners) > 1 else next(iter(learners.values())),
        features,
        table[target],
        table[slice_],
        protocol=dataclasses.replace(lv.Protocol() if protocol is None else lv.read_protocol(protocol), **settings),
        execution=lv.Execution(**console.given(n_jobs=jobs, checkpoint=checkpoint, minutes=minutes, dask=dask)),
    )
    lv.write_runs(runs, out)
    rows, notes = int(runs.sizes[names.RUN]), runs.attrs[names.NOTES].splitlines()
    notes += [f"{counted(left, 'row')} without a label left out"] if (left := len(every) - len(table)) else []
    named = [] if text is not None or ":" in (learner or "") else naming_rows(table.drop(columns=target))
    notes += [f"column {name!r} names the rows; nothing is learnt from it" for name in named]
    document = {"runs": str(out), "rows": rows, names.PROTOCOL: str(beside(out)), names.NOTES: notes}
    told = [f"{rows} runs in", *(f"note: {text}" for text in notes), f"by the protocol in {beside(out)}", out]
    console.tell(document, as_json, *told)


SHORTEST_SALT = 16  # characters of a salt; names can be guessed through a shorter one
MOST_SALT = 4096  # bytes of its file

importing = typer.Typer(cls=Group, no_args_is_help=True, rich_markup_mode=None)

Files = Annotated[  # texts, since an address is no path
    list[str], typer.Argument(metavar="FILE...", help="Export, or several that may overlap; no server unless named.")
]
SlicePath = Annotated[str | None, typer.Option("--slice", help="Where the slice stands, such as data.meta.country.")]
Out = Annotated[Path, typer.Option(help="Annotations table to write or add to: .parquet or .csv.")]
Batch = Annotated[str | None, typer.Option(help="Batch they belong to; the file's digest by default.")]
BatchDate = Annotated[str | None, typer.Option(help="Time of judgements whose export tells none.")]
Keep = Annotated[bool, typer.Option("--keep-annotators", help="Keep names instead of salted hashes.")]
SaltFile = Annotated[Path | None, typer.Option(help="File that holds the salt; made beside --out by default.")]


def _command(format: str, tool: str) -> None:
    def run(
        files: Files,
        out: Out,
        slice_: SlicePath = None,
        batch: Batch = None,
        batch_date: BatchDate = None,
        keep_annotators: Keep = False,
        salt: SaltFile = None,
        as_json: Json = False,
    ) -> None:
        how = {"slice": slice_, "batch": batch, "batch_date": batch_date}
        _import(format, files, out, salt, keep_annotators, as_json, **how)

    example = f"import {format} export.json --slice data.meta.country --out annotations.csv"
    add(importing, None, run, example, name=format, help=tool)


for _format, _tool in formats().items():
    _command(_format, _tool)


def table(
    files: Files,
    out: Out,
    slice_: SlicePath = None,
    map_: Annotated[list[str] | None, typer.Option("--map", help="OURS=THEIRS, such as item=task_id.")] = None,
    batch: Batch = None,
    batch_date: BatchDate = None,
    keep_annotators: Keep = False,
    salt: SaltFile = None,
    as_json: Json = False,
) -> None:
    """A table of judgements as CSV or Parquet."""
    how = {"slice": slice_, "batch": batch, "batch_date": batch_date}
    pairs = dict(_pair(text) for text in map_ or [])
    _import("csv", files, out, salt, keep_annotators, as_json, columns=pairs, **how)


add(importing, None, table, "import csv answers.csv --map item=task_id --out annotations.csv", name="csv")

TrackerFile = Annotated[
    str,
    typer.Argument(metavar="FILE", help="Dump of the runs; or W&B's folder, or the address of MLflow's experiment."),
]
RunsOut = Annotated[Path, typer.Option("--out", help="Runs table to write: .csv or .parquet.")]
Map = Annotated[
    list[str] | None,
    typer.Option("--map", help="OURS=THEIRS, such as labels=params.n_labels; {slice} stands for each slice."),
]


def _tracker(name: str, reader: str, tool: str) -> None:
    def run(
        file: TrackerFile,
        out: RunsOut,
        map_: Map = None,
        metric: Metric = None,
        timezone: Timezone = None,
        as_json: Json = False,
    ) -> None:

        from labelvalue.observe.table import trackers
        from labelvalue.observe.table.runs import write_runs

        console.check_writable(out)
        pairs = dict(_pair(text) for text in map_ or [])
        runs = getattr(trackers, reader)(file, columns=pairs, metric=metric, timezone=timezone)
        write_runs(runs, out)
        rows, notes = int(runs.sizes[names.RUN]), runs.attrs[names.NOTES].splitlines()
        told = [f"{rows} runs in", *(f"note: {text}" for text in notes), out]
        console.tell({"runs": str(out), "rows": rows, names.NOTES: notes}, as_json, *told)

    example = f"import {name} dump.csv --map labels=params.n_labels --map value=metrics.acc --out runs.csv"
    add(importing, None, run, example, name=name, help=tool)


_tracker("mlflow", "read_mlflow", "MLflow: an experiment's address, or a dump of its run search, into a runs table.")
_tracker("wandb", "read_wandb", "Weights & Biases: an export of runs as CSV, or the folder wandb, into a runs table.")


def _pair(text: str) -> tuple[str, str]:
    ours, equals, theirs = text.partition("=")
    if not equals or not ours or not theirs:
        why = "not of the form OURS=THEIRS"
        raise input_error(why, "write OURS=THEIRS, such as item=task_id", column="--map", value=text)
    return ours, theirs


def _import(
    format: str, files: list[str], out: Path, salt: Path | None, keep_annotators: bool, as_json: bool, **how: Any
) -> None:
    """Read exports and add them to the table at ``out``."""
    from labelvalue.observe.exports.annotations import (
        add_annotations,
        check_suffix,
        load_annotations,
        read_annotations,
        write_annotations,
    )
    from labelvalue.observe.table.runs import what_is_missing
    from labelvalue.storage import alone

    place = out.resolve()  # a link stays one: what it leads to is read, locked and written
    console.check_writable(place)
    check_suffix(out)
    secret = None if keep_annotators else Salt(salt or place.with_name(f".{place.stem}.salt"))
    while True:
        hidden = None if secret is None else secret.text
        new = read_annotations(files, format, keep_annotators=keep_annotators, salt=hidden, **how)
        result: dict = {"annotations": str(out), "kept": len(new), "left_out": new.attrs["counts"]}
        result |= {names.LABELS: new.attrs[names.LABELS], names.NOTES: new.attrs[names.NOTES]}
        known = ""
        with alone(place):  # from what is there until it is written: two imports at once add to each other
            if secret is not None and not secret.keep():
                continue  # another import made a salt meanwhile, and annotators are to be the same in both
            if place.exists():
                old = load_annotations(place)
                together, counts = add_annotations(old, new)
                result |= counts
                if not counts["added"] and not counts["replaced"]:
                    known = _batch_of(old, new)
                    result["already_imported_as"] = known
                new = together
            if not known:
                write_annotations(new, place)
        break
    result["missing"] = dict(what_is_missing(new).to_numpy())
    console.tell(result, as_json, *_lines(result, known))


class Salt:
    """The salt in a file that only its owner may read; one that is not there is written when it was of use."""

    def __init__(self, path: Path):
        self.path = path
        self.text = self._read() if path.exists() else secrets.token_hex(32)

    def _read(self) -> str:
        from labelvalue.reading import read_text

        salt = read_text(self.path, MOST_SALT).strip()
        if len(salt) < SHORTEST_SALT:
            why = f"holds a salt of {len(salt)} characters, through which names could be guessed"
            fix = f"put {SHORTEST_SALT} random characters or more there, or remove it for a new one with new hashes"
            raise input_error(why, fix, file=self.path.name)
        return salt

    def keep(self) -> bool:
        """Write it if there is none; False where there is another one by now, which is then taken."""
        try:
            with open(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as made:
                made.write(self.text.encode())
        except FileExistsError:
            before, self.text = self.text, self._read()
            return self.text == before
        except OSError as error:
            raise StorageError(f"{self.path}: cannot be made ({error.strerror}). Fix: give a --salt.") from error
        return True


def _batch_of(old: pd.DataFrame, new: pd.DataFrame) -> str:
    """Batch under which the table holds the first of these judgements already."""
    first = new.iloc[0]
    key = [names.SOURCE, names.ITEM, names.SOURCE_ID]
    return str(old.loc[(old[key] == first[key]).all(axis=1), names.BATCH].iloc[0])


def _lines(result: dict, known: str) -> list[str]:
    counts = ", ".join([f"{result['kept']} kept", *(f"{n} {reason}" for reason, n in result["left_out"].items())])
    labels = ", ".join(f"{name} {count}" for name, count in result[names.LABELS].items())
    lines = [counts, f"labels by slice: {labels}" if labels else "no labels of items: work recorded by job"]
    lines += [f"note: {text}" for text in result[names.NOTES]]
    if known:
        return [*lines, f"already imported as batch {known}; nothing added", result["annotations"]]
    if "added" in result:
        lines.append(f"{result['added']} added, {result['replaced']} replaced, {result['unchanged']} unchanged")
    if "repeated" in result:
        what = "rows of the table told a judgement again; the latest of each stays"
        lines.append(f"note: {result['repeated']} {what}")
    lines += [f"missing: {name}, which would tell {answer}" for name, answer in result["missing"].items()]
    return [*lines, result["annotations"]]


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    add(app, RUNS, simulate, "simulate data.csv --target label --slice country --out runs.csv")
    help = "Import exports of annotation tools and trackers of runs; no network, unless an address is given."
    app.add_typer(
        importing,
        name="import",
        help=help,
        rich_help_panel=RUNS,
        epilog="\b\nExample:\n  labelvalue import label-studio export.json --out annotations.csv",
    )
