"""The command that makes runs by training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labelvalue import names
from labelvalue.cli import console
from labelvalue.cli.console import Json, Seed
from labelvalue.cli.help import RUNS, add


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
    import json

    import labelvalue as lv
    from labelvalue.observe.simulate.learners import learners_of, read_table
    from labelvalue.observe.simulate.protocol import beside

    console.check_writable(out)
    table = read_table(data, target=target, slices=slice_, texts=text)
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
    rows, notes = int(runs.sizes[names.RUN]), json.loads(runs.attrs[names.NOTES])
    document = {"runs": str(out), "rows": rows, names.PROTOCOL: str(beside(out)), names.NOTES: notes}
    told = [f"{rows} runs in", *(f"note: {text}" for text in notes), f"by the protocol in {beside(out)}", out]
    console.tell(document, as_json, *told)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    add(app, RUNS, simulate, "simulate data.csv --target label --slice country --out runs.csv")
