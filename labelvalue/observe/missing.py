"""What a runs table or an annotations table does not say, and which answers that costs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.observe.annotation_tables import COLUMNS as JUDGED
from labelvalue.observe.exports.judgements import CHOICE
from labelvalue.observe.schema import COLUMNS

ANSWERS = {
    names.OTHER_LABELS: "what labels of other slices are worth to a slice",
    names.EVALUATION_SET: "which runs share evaluation items, and so their noise: narrower intervals on gains",
    names.REPLICATE: "how much training varies from run to run, apart from evaluation noise",
    names.MEASURED_AT: "whether the error drifts with time while labels stay the same",
    names.STRATEGY: "what a label chosen by a strategy is worth in labels chosen at random",
    names.DIVERSITY: "whether varied labels are worth more than as many that are alike",
    names.LABEL_NOISE: "what better labels would bring, next to more labels",
    names.SUITE: "whether gains hold on later, shifted or perturbed data",
    names.LEARNER: "whether another learner makes more of the same labels",
    names.SYNTHETIC_LABELS: "what a synthetic example is worth in labels",
    names.BATCH: "how past forecasts compare with what their batch of labels delivered",
    names.SECONDS: "what retraining costs at the next size",
    names.PROTOCOL: "whether runs added later were measured in the same way",
    names.LABELS_NOW: "from how many labels of a slice its gains count, where runs were trained on fewer",
}
"""Optional columns in the order of their use, and the answer that each makes possible."""

OF_JUDGEMENTS = {
    names.SECONDS: "how long a label takes, and so what it costs by the hour",
    names.TIME: "how many labels come a day, and so when the next ones are there",
    names.ITEM: "judged more than once: how many labels are wrong, from how far judgements differ",
    names.REFERENCE: "how many labels are wrong where all annotators err alike, from items whose truth is known",
    names.ANNOTATOR: "who errs how often, and how many labels a person gives a day",
    names.SLICE: "which slice takes longer, and where labels are wrong more often",
}
"""The same for annotations; ``item`` stands for items with several judgements."""

COLUMN, ANSWER = "column", "answer"


def what_is_missing(table: xr.Dataset | pd.DataFrame) -> pd.DataFrame:
    """Name each optional column that says nothing in this table, and the answer that it would make possible.

    A column of runs says nothing where it is absent, or holds one value in every run and so compares nothing; one of
    annotations, where it is empty in every row. ``item`` is named where no item was judged more than once, ``slice``
    where all are in one.

    Parameters
    ----------
    table : xarray.Dataset or pandas.DataFrame
        Runs as ``read_runs`` returns them, dim ``run``; or annotations as ``read_annotations`` returns them.

    Returns
    -------
    pandas.DataFrame
        Columns ``column`` and ``answer``, what is most useful to measure next first; empty where nothing is missing.

    Raises
    ------
    TypeError
        If it is neither.

    Examples
    --------
    >>> from labelvalue.testing import fake_annotations, fake_runs
    >>> what_is_missing(fake_runs(seed=1))["column"].tolist()[:3]
    ['evaluation_set', 'measured_at', 'strategy']
    >>> what_is_missing(fake_annotations(seed=1))["column"].tolist()
    ['reference']
    """
    if isinstance(table, xr.Dataset) and names.RUN in table.dims:
        answers, missing = ANSWERS, [name for name in ANSWERS if _says_nothing(table, name)]
    elif isinstance(table, pd.DataFrame) and {*JUDGED} <= {*table.columns}:
        answers, missing = OF_JUDGEMENTS, [name for name in OF_JUDGEMENTS if not _is_told(table, name)]
    else:
        what = "a dataset as read_runs returns it, or a table as read_annotations does"
        raise TypeError(f"the table must be {what}, not {type(table).__name__}")
    return pd.DataFrame({COLUMN: missing, ANSWER: [answers[name] for name in missing]}, dtype=object)


def _is_told(annotations: pd.DataFrame, name: str) -> bool:
    match name:
        case names.SECONDS | names.TIME:
            return bool(annotations[name].notna().any())
        case names.REFERENCE:
            return bool(annotations[name].any())
        case names.ANNOTATOR:
            return bool((annotations[name] != "").any())
        case names.SLICE:
            return bool((annotations[name] != annotations[name].iloc[0]).any())
        case _:
            votes = annotations[(annotations[names.KIND] == CHOICE) & ~annotations[names.REFERENCE]]
            return bool(votes.duplicated([names.SOURCE, names.ITEM, names.QUESTION]).any())


def _says_nothing(runs: xr.Dataset, name: str) -> bool:
    if name not in runs:
        return True
    values = runs[name].values
    match COLUMNS[name].kind:
        case "time":
            return bool(np.isnat(values).all())
        case "number":
            return bool(np.isnan(values).all())
        case _:
            described = name in (names.EVALUATION_SET, names.BATCH, names.PROTOCOL, names.LABELS_NOW)
            return (
                bool((values == COLUMNS[name].default).all()) if described else np.unique(values.astype(str)).size < 2
            )
