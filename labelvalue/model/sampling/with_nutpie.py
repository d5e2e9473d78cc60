"""nutpie's chains in a model's own coordinates, for models that cannot be whitened by curve."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from labelvalue.model.sampling.diagnostics import SamplerSettings

if TYPE_CHECKING:
    from labelvalue.model.sampling.compiled import CompiledModel

LOW_RANK, DIAGONAL = "low_rank", "diag"
"""Mass matrices: diagonal, or plus the few directions in which parameters trade off."""
MANY_PARAMETERS = 200  # parameters above which a low-rank mass matrix costs more than it saves
ACCEPT = {LOW_RANK: 0.95, DIAGONAL: 0.94}
"""Acceptance aimed at, by mass matrix: at .9 few slices bring divergences, and so do many in some sets of runs
(measured: benchmarks/README.md)."""
PATIENCE = 2
"""Draws of adaptation for each that is asked for: nutpie starts farther from the mode, and learns all scales itself."""
LOOK_S = 0.25  # seconds between two looks at how far the chains are
SETTLE_SECONDS = 1.0
"""After a failure nutpie's other threads live on for about half a second, and nothing joins them; an interpreter that
ends meanwhile crashes (signal 11 where exit code 2 is meant)."""


def rounds(
    compiled: CompiledModel,
    settings: SamplerSettings,
    enough: Iterable[int],
    *,
    advance: Callable[[int, str], object] = lambda count, what: None,
) -> Iterator[xr.DataTree]:
    """Sample, and yield all draws so far whenever chains have made ``enough``: a longer chain begins with the same."""
    import nutpie

    model = compiled.for_nutpie()
    adaptation = DIAGONAL if compiled.layout.inputs > MANY_PARAMETERS else LOW_RANK
    asked = {
        "tune": PATIENCE * settings.tune, "chains": settings.chains, "seed": settings.random_seed,
        "adaptation": adaptation, "target_accept": settings.target_accept or ACCEPT[adaptation],
        "save_warmup": False, "progress_bar": False,
    }  # fmt: skip
    told = 0
    for draws in enough:

        def tell(chains: Sequence[Any]) -> None:
            nonlocal told
            made = sum(chain.finished_draws for chain in chains)
            advance(max(made - told, 0), "sampling")  # what is made again is no news
            told = max(made, told)

        sampler = nutpie.sample(
            model, draws=draws, **asked, progress_callback=tell, progress_rate=int(1000 * LOOK_S), blocking=False
        )
        try:
            tree = sampler.wait()
        except BaseException as error:  # nutpie itself takes Ctrl-C for a wish to have the draws so far
            sampler.cancel()
            if isinstance(error, RuntimeError):
                time.sleep(SETTLE_SECONDS)
            raise
        posterior = tree["posterior"].to_dataset()
        again = [name for name in posterior.data_vars if str(name).endswith("__")]
        tree["posterior"] = xr.DataTree(posterior.drop_vars(again))  # but for what stands there unconstrained as well
        yield tree
