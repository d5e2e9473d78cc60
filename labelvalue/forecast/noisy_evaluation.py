"""What evaluation sets with wrong labels show of errors, in the draws of a fit."""

from __future__ import annotations

import xarray as xr

from labelvalue import names
from labelvalue.model import Fit
from labelvalue.model.label_noise import information_left, measured_error


def as_measured(fit: Fit, posterior: xr.Dataset, error: xr.DataArray) -> xr.DataArray:
    """Return errors as evaluation sets show them on average.

    Parameters
    ----------
    fit : Fit
        Fit.
    posterior : xarray.Dataset
        Its draws, or some of them; ``evaluation_noise`` is read where it exists.
    error : xarray.DataArray
        Errors against true labels.

    Returns
    -------
    xarray.DataArray
        The same where evaluation labels are not known to be noisy.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> now = fit.posterior["error_now"]
    >>> bool((as_measured(fit, fit.posterior.assign(evaluation_noise=0.1), now) > now).all())
    True
    """
    if names.EVALUATION_NOISE not in posterior:
        return error
    return measured_error(error, posterior[names.EVALUATION_NOISE], int(fit.settings[names.CLASSES]))


def left_of_differences(fit: Fit, posterior: xr.Dataset) -> xr.DataArray | float:
    """Return the share of a difference between true errors that evaluation sets show.

    Parameters
    ----------
    fit : Fit
        Fit.
    posterior : xarray.Dataset
        As for :func:`as_measured`.

    Returns
    -------
    xarray.DataArray or float
        In (0, 1]; 1 where evaluation labels are not known to be noisy.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> left_of_differences(fake_fit(seed=1), fake_fit(seed=1).posterior)
    1.0
    """
    if names.EVALUATION_NOISE not in posterior:
        return 1.0
    return information_left(posterior[names.EVALUATION_NOISE], int(fit.settings[names.CLASSES]))
