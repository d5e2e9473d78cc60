"""Budgets to show where the user names none."""

from __future__ import annotations

import numpy as np

from labelvalue import names
from labelvalue.model import Fit

SHOWN = 4


def default_budgets(fit: Fit) -> list[int]:
    """Choose rounded budgets, the largest of which about doubles the median slice's labels.

    Parameters
    ----------
    fit : Fit
        Fit.

    Returns
    -------
    list of int
        Four numbers out of 1, 2, 5, 10, 20, 50 and so on, rising (labels).

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> default_budgets(fake_fit(seed=1))
    [200, 500, 1000, 2000]
    """
    typical = float(np.median(fit.position[names.LABELS_NOW].values))
    series = [step * 10**decade for decade in range(12) for step in (1, 2, 5)]
    below = sum(value <= 1.1 * typical for value in series)
    last = max(below, SHOWN)
    return series[last - SHOWN : last]
