"""Numbers in sentences, wherever these are made."""

from __future__ import annotations


def readable(value: float, figures: int = 4) -> str:
    """Write a number as short as so many figures allow, thousands set off and never with a power of ten.

    Parameters
    ----------
    value : float
        Number.
    figures : int
        Figures that count, ≥ 1; whole thousands and more keep all of theirs before the point.

    Returns
    -------
    str
        Text.

    Examples
    --------
    >>> readable(10891.4), readable(950.0), readable(0.0123456), readable(-1411.0, 3), readable(0.00001)
    ('10,891', '950', '0.01235', '-1,411', '0.00001')
    """
    value = float(value)
    if abs(value) >= 10.0 ** (figures - 1):
        return f"{value:,.0f}"
    shown = float(f"{value:.{figures}g}")
    return f"{shown:.12f}".rstrip("0").rstrip(".") if shown and abs(shown) < 1e-4 else f"{shown:,g}"
