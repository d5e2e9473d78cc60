"""What a finished project says of the next one: its group level as priors."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.special import logit

from labelvalue import names
from labelvalue.model.fitting.result import Fit
from labelvalue.model.prior.density import group_level
from labelvalue.model.prior.priors import Prior

WEIGHT = 0.5  # share of its evidence that a related project counts for where nobody says otherwise
TO_UNBOUNDED = {"lognormal": np.log, "logitnormal": logit}


def from_related(fit: Fit, weight: float = WEIGHT) -> dict[str, Prior]:
    """Turn what a related project has taught of its group of slices into priors for a new project.

    The group level above the slices is what projects share: how steep curves are, where they bend, how much slices
    differ, how noisy training is. Each prior of it is moved towards the related project's posterior, as far as its
    evidence counts: on the prior's unbounded scale, precision and mean are those of the prior and a share of what the
    project added (a power prior). With 0 the bank stays as it is; with 1 the two projects are slices of one group.

    Parameters
    ----------
    fit : Fit
        Of the related project, with the same metric and kind of model as the new one will have.
    weight : float
        Share of its evidence that counts, 0 to 1.

    Returns
    -------
    dict of str to Prior
        For ``fit(new_runs, priors=...)``; those that the related project says something about, each with the runs that
        it came from as its source. Of a metric without an upper bound the typical error is left out: it is on the scale
        of the runs.

    Raises
    ------
    ValueError
        If ``weight`` is not between 0 and 1, or the fit was refused.

    References
    ----------
    Ibrahim, Chen, Gwon and Chen (2015), "The power prior: theory and applications", Statistics in Medicine 34.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> bank = fake_fit(seed=1).model.priors
    >>> found = from_related(fake_fit(seed=1), weight=0.0)
    >>> found["elasticity_mean"].center == bank["elasticity_mean"].center
    True
    """
    if isinstance(weight, bool) or not isinstance(weight, (int, float, np.number)) or not 0.0 <= weight <= 1.0:
        raise ValueError(f"weight must be a share, 0 to 1, got {weight!r}")
    if fit.diagnostics.verdict == "refused":
        raise ValueError("the related fit was refused: its draws mean nothing. Fix: mend that fit first")
    source = f"a related project's fit of {fit.settings[names.METRIC]}, runs {fit.settings['runs_sha256'][:12]}"
    found = {}
    own_scale = {"error_mean"} if not np.isfinite(float(fit.settings[names.UPPER])) else set()
    for name, prior in fit.model.priors.items():
        draws = [] if name in own_scale else group_level(fit.posterior, name)
        if len(draws) == 1 and set(draws[0].dims) == {*names.SAMPLE}:
            mean, sd = _moved(prior, draws[0].values, float(weight))
            said = f"{source}, of which {weight:g} counts; before: {prior.source}"
            found[name] = dataclasses.replace(prior, center=mean, spread=sd, source=said)
    return found


def _moved(prior: Prior, values: np.ndarray, weight: float) -> tuple[float, float]:
    """Centre and spread of the prior with a share of the evidence that the draws hold beyond it."""
    raw = TO_UNBOUNDED.get(prior.distribution, np.asarray)(values)
    before, after = prior.spread**-2, 1.0 / max(float(raw.var()), 1e-12)
    if after <= before:  # the project knows no more of this than the prior did
        return prior.center, prior.spread
    precision = before + weight * (after - before)
    moved = before * prior.center + weight * (after * float(raw.mean()) - before * prior.center)
    return moved / precision, precision**-0.5
