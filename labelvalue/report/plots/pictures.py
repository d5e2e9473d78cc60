"""The pictures of a page as files, for slides and documents."""

import os
from collections.abc import Sequence
from pathlib import Path

from labelvalue.decisions.advice.decision import Decision
from labelvalue.model.fitting.result import Fit
from labelvalue.report.numbers.exports import existing, save_figures
from labelvalue.report.numbers.numbers import collect
from labelvalue.report.render.html import figures

KINDS = ("svg", "png")


def write_figures(
    of: Fit | Decision,
    *,
    folder: str | os.PathLike[str],
    kind: str = "svg",
    budgets: Sequence[int] | None = None,
    ci_prob: float = 0.9,
) -> list[Path]:
    """Write every picture of the report as a file of its own.

    Parameters
    ----------
    of : Fit or Decision
        As for :func:`labelvalue.write_report`; a decision adds money and tornado.
    folder : path-like
        Where to; it must be there.
    kind : {"svg", "png"}
        Vectors, or pixels at 120 dots an inch.
    budgets : sequence of int, optional
        As for :func:`labelvalue.write_report`.
    ci_prob : float
        As for :func:`labelvalue.write_report`.

    Returns
    -------
    list of pathlib.Path
        The files, such as ``curves-1.svg``; learning curves, gains and impacts of many slices take several. A refused
        fit has the picture of its chains alone.

    Raises
    ------
    ValueError
        If there is no such format, or as :func:`labelvalue.write_report`.
    StorageError
        If the folder is not there or a file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from labelvalue.testing import fake_fit
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_figures(fake_fit(seed=1), folder=folder, budgets=[500])]
    ['first-1.svg', 'first-2.svg', 'curves-1.svg', 'gains-1.svg', 'impacts-1.svg', 'ranks-1.svg']
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    place = existing(folder)
    found, gain = collect(of, budgets, ci_prob)
    return save_figures(figures(of, found, gain, sharp=kind == "svg"), place, kind)
