"""Features as numbers of comparable scale, for strategies that measure distances."""

from __future__ import annotations

from typing import Any

import pandas as pd

from labelvalue.observe.tabular import preparation


def comparable(x: Any) -> Any:
    """Return one row of numbers per row of a DataFrame, array or sparse matrix; gaps are filled, columns scaled."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MaxAbsScaler, StandardScaler

    if isinstance(x, pd.DataFrame):
        return preparation(x).fit_transform(x)
    if hasattr(x, "tocsr"):
        return MaxAbsScaler().fit_transform(x.tocsr())
    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler()).fit_transform(x)
