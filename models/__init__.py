"""The shipped curve families, one file each, found by their folder; priors that all of them share lie in ``priors``."""

from importlib.resources import files

from labelvalue.model.prior.priors import Priors, read_priors

BANK = files(__name__) / "priors"
SHARED = read_priors(BANK / "power_law.toml")
"""What every family has priors of, learned by the power law; a family adds those of its own shape."""


def learned_of_learners(name: str) -> Priors:
    """Return the priors of a family that learned from learners on one data set alone."""
    return read_priors(BANK / f"{name}.toml", SHARED, read_priors(BANK / "learners.toml", SHARED))
