"""The textbook's learning curve: odds `c + a·n^−b`, binomial counts, hierarchical over slices, in PyMC and in NumPyro.

What somebody writes who knows the libraries and not this one: a row a run, normal group levels, non-centred, weak
priors. The curve is that of the odds, which have no upper end: a probability clipped at 1 has no gradient there, and
all chains got stuck. No training variation, no shape discrepancy, no transfer between slices.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

GROUPS = {"log_scale": (-2.0, 1.0), "log_power": (-1.0, 0.5), "floor_log": (-3.0, 1.0)}
"""Center and width of the prior of each group mean; the spread between slices is half-normal(1)."""
DRAWS, TUNE, CHAINS = 1000, 1000, 4


def columns(path: str) -> tuple[dict[str, np.ndarray], int]:
    """Read a runs file as the model needs it: errors, trials, log size over the largest, number of the slice."""
    table = pd.read_csv(path)
    number, names = pd.factorize(table["slice"])
    size = np.log(table["labels"].clip(lower=1) / table["labels"].max())
    data = {"errors": table["errors"], "trials": table["trials"], "log_size": size, "slice_number": number}
    return {name: np.asarray(values) for name, values in data.items()}, len(names)


def fit_pymc(path: str, seed: int) -> xr.DataTree:
    """Sample it with nutpie."""
    import nutpie
    import pymc as pm

    data, slices = columns(path)
    with pm.Model() as model:
        level: dict[str, Any] = {}
        for name, (center, width) in GROUPS.items():
            mean, spread = pm.Normal(f"{name}_mean", center, width), pm.HalfNormal(f"{name}_spread", 1.0)
            level[name] = mean + spread * pm.Normal(f"{name}_of_slice", 0.0, 1.0, shape=slices)
        own = {name: values[data["slice_number"]] for name, values in level.items()}
        power = pm.math.exp(own["log_power"])
        odds = pm.math.exp(own["floor_log"]) + pm.math.exp(own["log_scale"] - power * data["log_size"])
        pm.Binomial("errors", data["trials"], logit_p=pm.math.log(odds), observed=data["errors"])
    made = nutpie.compile_pymc_model(model)
    return nutpie.sample(made, draws=DRAWS, tune=TUNE, chains=CHAINS, seed=seed, progress_bar=False)


def fit_numpyro(path: str, seed: int) -> xr.DataTree:
    """Sample it with NumPyro's NUTS, a chain a core where there are cores."""
    import numpyro

    numpyro.set_host_device_count(CHAINS)
    numpyro.enable_x64()
    import jax
    import jax.numpy as jnp
    from numpyro import distributions as dist
    from numpyro.infer import MCMC, NUTS

    data, slices = columns(path)

    def model() -> None:
        own = {}
        for name, (center, width) in GROUPS.items():
            mean = numpyro.sample(f"{name}_mean", dist.Normal(center, width))
            spread = numpyro.sample(f"{name}_spread", dist.HalfNormal(1.0))
            deviation = numpyro.sample(f"{name}_of_slice", dist.Normal(0.0, 1.0).expand([slices]))
            own[name] = (mean + spread * deviation)[data["slice_number"]]
        power = jnp.exp(own["log_power"])
        odds = jnp.exp(own["floor_log"]) + jnp.exp(own["log_scale"] - power * data["log_size"])
        numpyro.sample("errors", dist.Binomial(data["trials"], logits=jnp.log(odds)), obs=data["errors"])

    mcmc = MCMC(NUTS(model), num_warmup=TUNE, num_samples=DRAWS, num_chains=CHAINS, progress_bar=False)
    mcmc.run(jax.random.PRNGKey(seed), extra_fields=("diverging", "energy"))
    draws, stats = mcmc.get_samples(group_by_chain=True), mcmc.get_extra_fields(group_by_chain=True)
    return xr.DataTree.from_dict({"posterior": _dataset(draws), "sample_stats": _dataset(stats)})


def _dataset(values: Mapping[str, Any]) -> xr.Dataset:
    arrays = {name: np.asarray(value) for name, value in values.items()}
    return xr.Dataset(
        {name: (("chain", "draw", *(f"{name}_{i}" for i in range(a.ndim - 2))), a) for name, a in arrays.items()}
    )
