"""Posterior draws of the learning curve at any size: the one kernel behind every forecast."""

import dataclasses
import functools
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.discrepancy import NEAR, Walks
from labelvalue.model.curve.families import BLOCK, LaidOut, laid_out, log_ratio, log_ratio_of, part_of
from labelvalue.model.curve.posterior import doublings_below, doublings_under, log_error_at, log_error_of, of_curves
from labelvalue.model.fitting.result import Fit
from labelvalue.printing import as_lines
from labelvalue.quantities import Interval, of_slice
from labelvalue.settings import is_number

VALIDATED_DOUBLINGS = 3.0
"""Distance up to which coverage was measured on real curves (8 times the largest observed size)."""

BLOCK_BYTES = 48_000_000
SIZE = "size"  # dim of sizes while a forecast is being computed


def curve_dims(fit: Fit) -> tuple[str, ...]:
    """Return the dims of one curve: slice, and learner and suite where the fit has several."""
    return tuple(str(d) for d in fit.position[names.LABELS_NOW].dims)


def best_of(values: xr.DataArray, dim: str, tie: float = 0.0) -> xr.DataArray:
    """Say draw by draw whether each is the best along a dim; those that tie share it. Its mean is P(best)."""
    first = values >= values.max(dim) - tie
    return first / first.sum(dim)


def error_draws(posterior: xr.Dataset, fit: Fit, labels: xr.DataArray, other: xr.DataArray) -> xr.DataArray:
    """Expected error of every draw at given sizes, with the discrepancy that may come, or below that the runs show."""
    curve = [d for d in labels.dims if d not in (names.CHAIN, names.DRAW, SIZE)]
    reference = fit.position[[names.REFERENCE_LABELS, names.REFERENCE_OTHER_LABELS]]
    position = reference.sel({names.SLICE: posterior[names.SLICE]})
    ratio = log_ratio(posterior, position, labels, other)
    below = doublings_below(position, labels)
    log_error = log_error_at(ratio, posterior, fit.model, fit.walks, below)
    ordered = log_error.transpose(names.CHAIN, names.DRAW, *curve, SIZE)
    error = np.exp(ordered.values)
    return ordered.copy(data=np.minimum(error, fit.walks.upper, out=error))


@dataclasses.dataclass(frozen=True, eq=False)
class Curves:
    """Curves of one learner and suite (chain, draw, slice, learner, suite, size), each dim of length 1 or full."""

    fit: Fit
    parameters: LaidOut
    position: LaidOut
    futures: LaidOut | None
    walks: Walks
    owners: dict[str, np.ndarray]  # names along the dims of a curve

    @functools.cached_property
    def now(self) -> np.ndarray:
        """Expected errors (chain, draw, slice) where no labels are added."""
        none = np.zeros((self.owners[names.SLICE].size, 1))
        return self._errors(none, none)[..., 0]

    def errors(self, own: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Expected errors as :func:`error_draws`, after labels (slice, size) were added; (chain, draw, slice, size)."""
        added = (own != 0).any(axis=0) | (other != 0).any(axis=0)
        if added.all():
            return self._errors(own, other)
        made = np.empty((*self.now.shape, added.size))
        made[..., ~added] = self.now[..., None]  # doing nothing is among the plans of every call
        made[..., added] = self._errors(own[:, added], other[:, added])
        return made

    def _errors(self, own: np.ndarray, other: np.ndarray) -> np.ndarray:
        reference = self.parameters[names.ERROR_REFERENCE]
        chains, draws, slices = reference.shape[:3]
        own, other = (added.reshape(1, 1, slices, *[1] * (reference.ndim - 4), -1) for added in (own, other))
        made = np.empty((chains, draws, slices, own.shape[-1]))
        step = max(1, BLOCK * slices // max(made.size, 1))
        for start in range(0, slices, step):
            part = (slice(None), slice(None), slice(start, start + step))
            error = self._log_errors(own[part], other[part], part)
            error = np.minimum(np.exp(error, out=error), self.walks.upper, out=error)
            made[part] = error.reshape(made[part].shape)
        return made

    def _log_errors(self, own: np.ndarray, other: np.ndarray, part: tuple[slice, ...]) -> np.ndarray:
        draws, place = part_of(self.parameters, part), part_of(self.position, part)
        owners = self.owners | {names.SLICE: self.owners[names.SLICE][part[2]]}
        labels, others = place[names.LABELS_NOW] + own, place[names.OTHER_LABELS_NOW] + other
        reference = place[names.REFERENCE_LABELS], place[names.REFERENCE_OTHER_LABELS]
        ratio = log_ratio_of(labels, others, draws.get(names.TRANSFER, 0.0), *reference)
        below = 0.0
        if (distance := doublings_under(reference[0], labels)).max(initial=0.0) > NEAR and self.walks.below is not None:
            at = xr.DataArray(distance[0, 0], dims=(*owners, SIZE), coords=owners)
            below = np.log(2.0) * draws[names.DISCREPANCY] * self.walks.below(at).values
        whose = [found for dim, found in owners.items() if dim != names.SUITE]
        futures = part_of(self.futures, part)
        error = draws[names.ERROR_REFERENCE]
        return log_error_of(error, ratio, below, draws, futures, *whose, model=self.fit.model, walks=self.walks)


def lay_out_curves(fit: Fit, chosen: Mapping[str, str]) -> Curves:
    """Lay out the curves of a learner and suite, each named where the fit has several."""
    at = {dim: [name] for dim, name in chosen.items()}
    posterior, position = fit.posterior.sel(at), fit.position.sel(at)
    dims = (*posterior[names.ERROR_REFERENCE].dims, *chosen)
    dims = (*dict.fromkeys(dims), SIZE)
    walks = dataclasses.replace(fit.walks, kept={}, most=np.inf)
    futures = None if walks.futures is None else laid_out(of_curves(walks.futures, posterior), dims)
    owners = {str(d): position[d].values for d in dims if d in position.dims}
    return Curves(fit, laid_out(posterior, dims), laid_out(position, dims), futures, walks, owners)


def in_blocks(
    fit: Fit,
    sizes: int,
    compute: Callable[[xr.Dataset, xr.Dataset], xr.DataArray],
    name: str,
    dim: str,
    at: Any,
    notes: Iterable[str] = (),
) -> xr.DataArray:
    """Fill a forecast slice block by slice block, so that memory holds the result and little more."""
    posterior, position = fit.posterior, fit.position
    curve = curve_dims(fit)
    dims = (names.CHAIN, names.DRAW, *curve, dim)
    shape = (*(posterior.sizes[d] for d in dims[:-1]), len(at))
    out = np.empty(shape)
    for block in _blocks(posterior, sizes, curve):
        part = {names.SLICE: block}
        out[:, :, block] = compute(posterior.isel(part), position.isel(part)).values
    coords: dict[Any, Any] = {d: posterior[d].values for d in dims[:-1]}
    coords |= {dim: at, names.FLAGS: (names.SLICE, flag_texts(fit))}
    coords[names.LABELS_NOW] = position[names.LABELS_NOW].variable
    attrs = {
        names.UNIT: "error",
        names.METRIC: fit.settings["metric"],
        "random_seed": fit.settings["random_seed"],
        "verdict": fit.diagnostics.verdict,
        names.NOTES: as_lines(notes),
    }
    return with_distance(xr.DataArray(out, dims=dims, coords=coords, name=name, attrs=attrs), fit)


def flag_texts(fit: Fit) -> list[str]:
    """Return the data flags of every slice, joined by ``; ``."""
    return ["; ".join(fit.diagnostics.flags.get(str(name), ())) for name in fit.slices]


def _blocks(posterior: xr.Dataset, sizes: int, curve: tuple[str, ...]) -> Iterator[slice]:
    count = posterior.sizes[names.SLICE]
    others = int(np.prod([posterior.sizes[d] for d in curve[1:]], initial=1))
    one = posterior.sizes[names.CHAIN] * posterior.sizes[names.DRAW] * sizes * others * 8
    step = max(1, BLOCK_BYTES // max(one * 6, 1))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def doublings_beyond[Labels: (xr.DataArray, xr.Variable)](reference: Labels, labels: Labels) -> Labels:
    """Extrapolation distance of sizes, in doublings of the slice's own labels beyond its largest observed size."""
    return xr.apply_ufunc(np.log2, (labels / reference).clip(min=1.0))


def with_distance(forecast: xr.DataArray, fit: Fit) -> xr.DataArray:
    """Say of every cell how far it lies beyond the data, where a forecast is by budgets or by labels."""
    dim = str(forecast.dims[-1])
    if dim not in (names.BUDGET, names.LABELS):
        return forecast
    sizes = fit.position[names.LABELS_NOW] * (dim == names.BUDGET) + xr.DataArray(forecast[dim].values, dims=dim)
    distance = doublings_beyond(fit.position[names.REFERENCE_LABELS], sizes)
    return forecast.assign_coords({names.DOUBLINGS: distance.transpose(*curve_dims(fit), dim).variable})


ENTROPY = 11  # keeps the draws of a case apart from all others that come from the fit's seed


def without(fit: Fit, value: Any) -> list[str]:
    """Name the slices that a mapping gives no quantity for."""
    return [str(name) for name in fit.slices if of_slice(value, str(name))[1] is None]


def draws(fit: Fit, key: str, value: Any) -> xr.DataArray:
    """Draw a quantity once a posterior draw, by the fit's seed and the key alone: all plans see the same prices."""
    if is_number(value):
        return xr.DataArray(float(value))
    sizes = fit.posterior.sizes
    shape = sizes[names.CHAIN], sizes[names.DRAW]
    return xr.DataArray(_drawn(fit.settings["random_seed"], key, value, shape), dims=names.SAMPLE)


@functools.lru_cache(maxsize=256)
def _drawn(seed: int, key: str, value: Any, shape: tuple[int, int]) -> np.ndarray:
    """Draws of a quantity (chain, draw), kept: a search asks for the same prices hundreds of times."""
    made = _sample(value, np.random.default_rng([seed, ENTROPY, zlib.crc32(key.encode())]), shape)
    made.flags.writeable = False
    return made


def _sample(value: Any, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    if isinstance(value, Interval):
        return value.quantile(rng.uniform(size=shape))
    if is_number(value):
        return np.full(shape, float(value))
    ends = np.cumsum([branch.probability for branch in value])
    which = np.searchsorted(ends / ends[-1], rng.uniform(size=shape), side="right")
    return np.choose(which, [_sample(branch.value, rng, shape) for branch in value])


def slice_draws(fit: Fit, key: str, value: Any) -> xr.DataArray:
    """Draw a quantity for every slice; slices that share a key share its draws."""
    laws = [of_slice(value, str(name)) for name in fit.slices]
    made = {own: draws(fit, f"{key}.{own}" if own else key, chosen) for own, chosen in dict(laws).items()}
    place = {own: i for i, own in enumerate(made)}
    sample = max((one.dims for one in made.values()), key=len)
    each = np.stack(np.broadcast_arrays(*(one.values for one in made.values())), axis=-1)
    return xr.DataArray(
        each[..., [place[own] for own, _ in laws]], dims=(*sample, names.SLICE), coords={names.SLICE: fit.slices}
    )
