"""Runs tables from experiment trackers: dumps of MLflow's run search, CSV exports of Weights & Biases."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import xarray as xr

from labelvalue.observe.tracker_rows import MLFLOW, WANDB, read_dump


def read_mlflow(
    source: str | os.PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    metric: str | None = None,
    direction: str | None = None,
    bounds: tuple[float, float] | None = None,
    timezone: str | None = None,
) -> xr.Dataset:
    r"""Read a dump of the table that MLflow's run search returns.

    Only finished runs enter, each with its run id in ``source_id``. Training time is that between start and end.
    Where replicates are not mapped, runs that are alike are numbered.

    Parameters
    ----------
    source : path
        CSV or Parquet, with columns ``run_id``, ``status``, ``metrics.…``, ``params.…``, ``tags.…``.
    columns : mapping of str to str, optional
        Ours to theirs, such as ``{"labels": "params.n_labels", "value": "metrics.val_error"}``; columns of our names
        behind a prefix are taken anyway. ``{slice}`` in a name stands for a slice: ``metrics.error_{slice}`` gives a
        row for each that is found.
    metric : str, optional
        What ``value`` measures, as for ``read_runs``.
    direction : {"lower", "higher"}, optional
        Which way is better, for a metric that is not known by name.
    bounds : tuple of float, optional
        Its lowest and highest legal value.
    timezone : str, optional
        Zone of times without one.

    Returns
    -------
    xarray.Dataset
        As ``read_runs`` returns it, with ``source_id``; the notes say which columns were taken, and how many runs were
        left out, and why.

    Raises
    ------
    InputError
        With everything that is wrong, and the run it is wrong in; a ``ValueError``.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "runs.csv"
    >>> _ = path.write_text("run_id,status,params.slice,params.labels,metrics.errors,metrics.trials\n"
    ...                     "a1,FINISHED,FR,100,30,100\na2,FAILED,FR,200,,\n")
    >>> read_mlflow(path)["source_id"].values.tolist()
    ['a1']
    """
    return read_dump(MLFLOW, Path(source), columns, metric, direction, bounds, timezone)


def read_wandb(
    source: str | os.PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    metric: str | None = None,
    direction: str | None = None,
    bounds: tuple[float, float] | None = None,
    timezone: str | None = None,
) -> xr.Dataset:
    r"""Read a CSV export of the runs table of Weights & Biases.

    Only finished runs enter, each with its id, or else its name, in ``source_id``. ``Runtime`` is the training time,
    and with ``Created`` gives the time of measurement.

    Parameters
    ----------
    source : path
        CSV, with columns ``Name``, ``State``, and those of the configuration and the summary.
    columns : mapping of str to str, optional
        As for ``read_mlflow``; columns of our names are taken anyway.
    metric : str, optional
        What ``value`` measures, as for ``read_runs``.
    direction : {"lower", "higher"}, optional
        Which way is better, for a metric that is not known by name.
    bounds : tuple of float, optional
        Its lowest and highest legal value.
    timezone : str, optional
        Zone of times without one.

    Returns
    -------
    xarray.Dataset
        As ``read_mlflow`` returns it.

    Raises
    ------
    InputError
        With everything that is wrong, and the run it is wrong in; a ``ValueError``.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "wandb_export.csv"
    >>> _ = path.write_text('"Name","State","slice","labels","errors","trials"\n'
    ...                     '"calm-sea-1","finished","FR","100","30","100"\n')
    >>> int(read_wandb(path)["labels"][0])
    100
    """
    return read_dump(WANDB, Path(source), columns, metric, direction, bounds, timezone)
