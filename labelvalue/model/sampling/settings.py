"""What one attempt at sampling uses."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class SamplerSettings:
    """What one attempt at sampling uses.

    Parameters
    ----------
    draws : int
        Draws a chain after which it is judged first; where R-hat or effective sample size fall short, it goes on.
    tune : int
        Draws a chain spends on adaptation first.
    chains : int
        Chains; at least two are needed for a verdict.
    target_accept : float, optional
        Acceptance that step-size adaptation aims at, in (0, 1); ``None``: by the sampler and the model.
    random_seed : int
        Seed; the same seed gives the same draws on the same machine class and versions.
    """

    draws: int = 1000
    tune: int = 300
    chains: int = 4
    target_accept: float | None = None
    random_seed: int = 0
