"""The families of learning curves, each anchored at a *reference* size inside the data.

A curve's parameters at the reference are things a person can be asked about: the error, its elasticity, and the share
of it that labels never remove. A family says how the part above the floor falls; :func:`above_floor` adds the floor.
Every function runs on floats, on NumPy arrays, on :class:`xarray.DataArray` posteriors and on PyTensor variables.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from labelvalue.model.curves import namespace, softplus

HIGHEST = 50.0
"""Log error ratio beyond which curves are cut off: e^50 times the error at the reference size."""
BREAK_WIDTH = 0.5
"""Doublings over which a broken power law turns from one slope to the other."""


def above_floor(log_reducible: Any, floor_share: Any) -> Any:
    r"""Log of the error relative to the reference, given that of the part above the floor.

    .. math:: \log\left(\phi + (1-\phi)\,e^{x}\right)

    Parameters
    ----------
    log_reducible : float, array, DataArray or tensor
        Log :math:`x` of the part above the floor relative to that at the reference size.
    floor_share : same kinds, broadcastable
        Share :math:`\phi` of the reference error that stays for ever, 0 < φ < 1.

    Returns
    -------
    same kind as the inputs
        Log error ratio, 0 at the reference size.

    Examples
    --------
    >>> round(float(np.exp(above_floor(-50.0, 0.5))), 3)
    0.5
    """
    xp = namespace(log_reducible, floor_share)
    # Far above the reference error nothing is told apart any more; the exponential must not overflow there.
    bounded = 0.5 * (log_reducible + HIGHEST - abs(log_reducible - HIGHEST))
    return xp.log1p((1.0 - floor_share) * xp.expm1(bounded))


def power_law(log_ratio: Any, rate: Any) -> Any:
    r"""Log of a power law's part above the floor, relative to the reference: :math:`-E \log r`.

    Parameters
    ----------
    log_ratio : float, array, DataArray or tensor
        Natural logarithm of effective labels over effective labels at the reference size.
    rate : same kinds, broadcastable
        Elasticity :math:`E` of the part above the floor at the reference size.

    Returns
    -------
    same kind as the inputs
        0 at the reference size.

    References
    ----------
    Cortes, Jackel, Solla, Vapnik and Denker (1993), "Learning curves: asymptotic values and rate of
    convergence", NeurIPS 6.

    Examples
    --------
    >>> float(power_law(0.5, 0.3))
    -0.15
    """
    return -rate * log_ratio


def exponential(log_ratio: Any, rate: Any) -> Any:
    r"""Log of an exponential's part above the floor, relative to the reference: :math:`-E (r - 1)`.

    Parameters
    ----------
    log_ratio : float, array, DataArray or tensor
        Natural logarithm of effective labels over effective labels at the reference size, log r.
    rate : same kinds, broadcastable
        Elasticity :math:`E` of the part above the floor at the reference size.

    Returns
    -------
    same kind as the inputs
        0 at the reference size.

    References
    ----------
    Viering and Loog (2022), "The shape of learning curves: a review", IEEE TPAMI, table 1 (EXP3).

    Examples
    --------
    >>> round(float(exponential(np.log(3.0), 0.5)), 6)
    -1.0
    """
    xp = namespace(log_ratio, rate)
    return -rate * xp.expm1(log_ratio)


def morgan_mercer_flodin(log_ratio: Any, rate: Any, headroom: Any) -> Any:
    r"""Log of a Morgan-Mercer-Flodin curve's part above the floor, relative to the reference.

    A plateau where labels are few, then a power law: :math:`(1+h) / (1 + h\,r^{d})` with
    :math:`d = E (1+h)/h`, so that the slope at the reference is -E whatever the headroom h.

    Parameters
    ----------
    log_ratio : float, array, DataArray or tensor
        Natural logarithm of effective labels over effective labels at the reference size, log r.
    rate : same kinds, broadcastable
        Elasticity :math:`E` of the part above the floor at the reference size.
    headroom : same kinds, broadcastable
        How far the plateau lies above the reference: part above the floor without labels over that at the reference,
        less 1; > 0.

    Returns
    -------
    same kind as the inputs
        0 at the reference size.

    References
    ----------
    Morgan, Mercer and Flodin (1975), "General model for nutritional responses of higher organisms", PNAS 72;
    Gu, Hu and Liu (2001), "Modelling classification performance for large data sets", WAIM.

    Examples
    --------
    >>> round(float(np.exp(morgan_mercer_flodin(-40.0, 0.5, 3.0))), 3)
    4.0
    """
    xp = namespace(log_ratio, rate, headroom)
    log_headroom = xp.log(headroom)
    power = rate * (1.0 + headroom) / headroom
    return softplus(log_headroom) - softplus(log_headroom + power * log_ratio)


def broken_power_law(log_ratio: Any, rate: Any, break_distance: Any, early_share: Any) -> Any:
    r"""Log of a broken power law's part above the floor, relative to the reference.

    Two power laws with a smooth turn between them, below the reference: a break beyond the data is invisible.

    Parameters
    ----------
    log_ratio : float, array, DataArray or tensor
        Natural logarithm of effective labels over effective labels at the reference size.
    rate : same kinds, broadcastable
        Elasticity of the part above the floor at the reference size.
    break_distance : same kinds, broadcastable
        Where the slope turns, in doublings below the reference, > 0.
    early_share : same kinds, broadcastable
        Elasticity before the break over ``rate``, > 0: below 1 where the curve starts with a plateau.

    Returns
    -------
    same kind as the inputs
        0 at the reference size.

    References
    ----------
    Caballero, Gupta, Rish and Krueger (2023), "Broken neural scaling laws", ICLR; here with one break.

    Examples
    --------
    >>> round(float(broken_power_law(np.log(2.0), 0.3, 4.0, 0.1) / np.log(2.0)), 3)
    -0.3
    """
    xp = namespace(log_ratio, rate, break_distance, early_share)
    width = BREAK_WIDTH * np.log(2.0)
    turn = break_distance / BREAK_WIDTH
    change = rate * (1.0 - early_share) * (1.0 + xp.exp(-turn))
    return -rate * early_share * log_ratio - width * change * (softplus(log_ratio / width + turn) - softplus(turn))
