"""Priors by name: frozen numbers with provenance, how they become random variables, and their densities at draws."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable
from typing import Any, Literal, get_args

import numpy as np
import scipy
import xarray as xr

from labelvalue import names
from labelvalue.problems import did_you_mean
from labelvalue.reading import parse_toml

BETWEEN_LEARNERS = "between_learners"
"""Table of a bank inside that of a prior: its centre and spread where curves are of several learners."""
Distribution = Literal["normal", "lognormal", "student", "logitnormal"]


@dataclasses.dataclass(frozen=True)
class Prior:
    """A prior distribution of one scalar, with what it means and where its numbers come from.

    Parameters
    ----------
    distribution : {"normal", "lognormal", "student", "logitnormal"}
        ``lognormal`` is normal on the logarithm, ``logitnormal`` normal on the logit, ``student`` a
        Student t with 4 degrees of freedom.
    center : float
        Location: mean of the (transformed) normal.
    spread : float
        Scale, > 0: standard deviation of the (transformed) normal.
    meaning : str
        In words.
    source : str
        Where the numbers come from.

    Raises
    ------
    ValueError
        If the distribution is unknown or the spread is not a positive finite number.

    Examples
    --------
    >>> Prior("lognormal", -1.2, 0.5, meaning="typical elasticity", source="my team").distribution
    'lognormal'
    """

    distribution: Distribution
    center: float
    spread: float
    meaning: str = ""
    source: str = "given by the user"

    def __post_init__(self) -> None:
        if self.distribution not in get_args(Distribution):
            raise ValueError(f"unknown distribution {self.distribution!r}; one of {', '.join(get_args(Distribution))}")
        if not (0 < self.spread < float("inf")) or not abs(self.center) < float("inf"):
            raise ValueError(f"a prior needs a finite center and a spread > 0, got {self.center} and {self.spread}")


@dataclasses.dataclass(frozen=True)
class Priors(Mapping[str, Prior]):
    """The priors of a model, by name; immutable.

    Parameters
    ----------
    by_name : mapping of str to Prior
        All of them, for slices of one learner.
    between_learners : mapping of str to Prior
        Those that are others where learners are several, or the curve is one: its spreads are wider.

    Examples
    --------
    >>> p = Priors({"churn": Prior("logitnormal", 0.0, 1.0)})
    >>> p.replace({"churn": Prior("logitnormal", 1.0, 0.5)})["churn"].center
    1.0
    """

    by_name: Mapping[str, Prior]
    between_learners: Mapping[str, Prior] = dataclasses.field(default_factory=dict)

    def __getitem__(self, name: str) -> Prior:
        return self.by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def __len__(self) -> int:
        return len(self.by_name)

    def replace(self, changes: Mapping[str, Prior]) -> Priors:
        """Return the priors with some of them replaced by name.

        Parameters
        ----------
        changes : mapping of str to Prior
            New priors for names that exist.

        Returns
        -------
        Priors
            A new object.

        Raises
        ------
        ValueError
            If a name does not exist.

        Examples
        --------
        >>> p = Priors({"churn": Prior("logitnormal", 0.0, 1.0)})
        >>> p.replace({"chrun": Prior("logitnormal", 1.0, 0.5)})
        Traceback (most recent call last):
        ...
        ValueError: unknown prior 'chrun'; did you mean 'churn'? Priors of this model: churn
        """
        for name in changes:
            if name not in self.by_name:
                known = ", ".join(self.by_name)
                raise ValueError(
                    f"unknown prior {name!r}{did_you_mean(name, self.by_name)} Priors of this model: {known}"
                )
        return self | changes

    def __or__(self, more: Mapping[str, Prior]) -> Priors:
        """Return these priors and others, which go first where both have a name."""
        wide = {name: prior for name, prior in self.between_learners.items() if name not in more}
        return Priors({**self, **more}, {**wide, **getattr(more, "between_learners", {})})

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Return plain numbers and texts, for JSON.

        Returns
        -------
        dict
            Name to fields of :class:`Prior`.

        Examples
        --------
        >>> Priors({"churn": Prior("logitnormal", 0.0, 1.0)}).as_dict()["churn"]["spread"]
        1.0
        """
        return {name: dataclasses.asdict(prior) for name, prior in self.by_name.items()}


def suited(priors: Priors, slices: int, learners: int) -> Priors:
    """Choose priors: a single curve, or several learners, resemble each other less than slices of one learner do."""
    return Priors({**priors.by_name, **(priors.between_learners if slices == 1 or learners > 1 else {})})


def priors_of(numbers: Mapping[str, Mapping[str, Any]]) -> Priors:
    """Make priors from what :meth:`Priors.as_dict` returned."""
    return Priors({name: Prior(**fields) for name, fields in numbers.items()})


def read_priors(file: Traversable, *bases: Priors) -> Priors:
    """Read a prior bank, a TOML file with a table a prior and ``provenance``; the rest stands in the bases."""
    content = parse_toml(file.read_text(encoding="utf-8"), file=file.name)
    provenance = content.pop("provenance")
    bank = Priors({})
    for base in bases:
        bank = bank | base
    priors, wide = {}, {}
    for name, fields in content.items():
        between = fields.pop(BETWEEN_LEARNERS, None)
        known = bank.get(name)
        same = {} if known is None else {"distribution": known.distribution, "meaning": known.meaning}
        priors[name] = Prior(**{**same, "source": provenance, **fields})
        if between is not None:
            wide[name] = dataclasses.replace(priors[name], **between)
    return bank | Priors(priors, wide)


EDGE = 1e-15  # distance from 0 and 1 within which a share is not told apart from them


def log_density(prior: Prior, values: np.ndarray, *, unbounded: bool = False) -> np.ndarray:
    """Log density of a prior."""
    raw, log_slope = on_unbounded(prior, np.asarray(values, dtype=float))
    z = (raw - prior.center) / prior.spread
    standard = scipy.stats.t(4) if prior.distribution == "student" else scipy.stats.norm
    density = standard.logpdf(z) - np.log(prior.spread)
    return density if unbounded else density + log_slope


def on_unbounded(prior: Prior, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values on the unbounded scale, and the log of its slope in the natural one."""
    match prior.distribution:
        case "lognormal":
            return np.log(values), -np.log(values)
        case "logitnormal":
            share = np.clip(values, EDGE, 1.0 - EDGE)
            return scipy.special.logit(share), -np.log(share) - np.log1p(-share)
        case _:
            return values, np.zeros_like(values)


def draw_prior(prior: Prior, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw from a prior (size,), without PyMC."""
    z = rng.standard_t(4, size) if prior.distribution == "student" else rng.standard_normal(size)
    raw = prior.center + prior.spread * z
    match prior.distribution:
        case "lognormal":
            return np.exp(raw)
        case "logitnormal":
            return 1.0 / (1.0 + np.exp(-raw))
        case _:
            return raw


def group_level(posterior: xr.Dataset, name: str) -> list[xr.DataArray]:
    """Find the variables of a posterior that have a prior by name."""
    dims = [f"{name}_{dim}s" for dim in (names.SLICE, names.LEARNER, names.SUITE)]
    found = [posterior[v] for v in (name, *dims) if v in posterior and names.SLICE not in posterior[v].dims]
    return [v for v in found if float(v.max() - v.min()) > 0.0]


def log_prior(posterior: xr.Dataset, name: str, prior: Prior, *, unbounded: bool = False) -> xr.DataArray:
    """Log density of a prior at every draw (chain, draw), summed over the variables that have it."""
    sample = names.SAMPLE
    total = xr.zeros_like(posterior[names.ERROR_NOW].isel({d: 0 for d in _others(posterior)}, drop=True))
    for values in group_level(posterior, name):
        density = values.copy(data=log_density(prior, values.values, unbounded=unbounded))
        total = total + density.sum([d for d in values.dims if d not in sample])
    return total.transpose(*sample).rename(None)


def _others(posterior: xr.Dataset) -> list[str]:
    return [str(d) for d in posterior[names.ERROR_NOW].dims if d not in names.SAMPLE]
