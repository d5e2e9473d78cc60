"""What a runs table does not say, and which answers that costs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
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
}
"""Optional columns in the order of their use, and the answer that each makes possible."""

COLUMN, ANSWER = "column", "answer"


def what_is_missing(runs: xr.Dataset) -> pd.DataFrame:
    """Name each optional column that says nothing in these runs, and the answer that it would make possible.

    A column says nothing where it is absent, or holds one value in every run and so compares nothing.

    Parameters
    ----------
    runs : xarray.Dataset
        Runs as ``read_runs`` returns them, dim ``run``.

    Returns
    -------
    pandas.DataFrame
        Columns ``column`` and ``answer``, what is most useful to measure next first; empty where nothing is missing.

    Raises
    ------
    TypeError
        If ``runs`` is no dataset of runs.

    Examples
    --------
    >>> from labelvalue.testing import fake_runs
    >>> what_is_missing(fake_runs(seed=1))["column"].tolist()[:3]
    ['evaluation_set', 'measured_at', 'strategy']
    """
    if not isinstance(runs, xr.Dataset) or names.RUN not in runs.dims:
        raise TypeError(f"runs must be a dataset as read_runs returns it, not {type(runs).__name__}")
    missing = [name for name in ANSWERS if _says_nothing(runs, name)]
    return pd.DataFrame({COLUMN: missing, ANSWER: [ANSWERS[name] for name in missing]}, dtype=object)


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
            described = name in (names.EVALUATION_SET, names.BATCH, names.PROTOCOL)
            return (
                bool((values == COLUMNS[name].default).all()) if described else np.unique(values.astype(str)).size < 2
            )
