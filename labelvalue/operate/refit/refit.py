"""The re-fit: a joint fit of all batches, kept whole, and published only where it passes the gate."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.forecast.backtesting.scores import recalibrated
from labelvalue.forecast.backtesting.trust import backtest_said, with_backtest
from labelvalue.forecast.gains.curves import SIZE, curve_dims, error_draws
from labelvalue.forecast.gains.gains import predict_gain
from labelvalue.model.fitting import fitting
from labelvalue.model.fitting.data_checks import carry_over
from labelvalue.model.fitting.result import Fit, draws_digest, load_fit
from labelvalue.model.hierarchy.specification import model_source
from labelvalue.model.prior.priors import Prior
from labelvalue.numerals import TAILS
from labelvalue.operate.history import scorecard
from labelvalue.operate.refit.preflight import model_of
from labelvalue.operate.store.batches import Joint
from labelvalue.operate.store.configuration import Configuration
from labelvalue.operate.store.folders import (
    AGAIN,
    LAYOUT,
    NEWEST,
    POSTERIOR_FILE,
    check_fit,
    load,
    manifest_digest,
    new_folder,
    orphans,
)
from labelvalue.operate.store.identity import canonical, code_version, digest_of, id_of
from labelvalue.operate.store.records import Batch, Record
from labelvalue.problems import StorageError
from labelvalue.reading import parse_json, read_text
from labelvalue.report.numbers.tables import default_budgets
from labelvalue.storage import write_whole

SPEC = "spec.json"
KEY = "key"
DISCOUNT = "discount"  # share of its likelihood that an old batch counts for, by batch
OK = "ok"
PARTS = ("runs", "model", "fit", "code")  # of a specification; the record of a fit has the digest of each
MOST_SPEC = 256 * 1024**2


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Everything that decides what a fit is: the batches together, and a specification in plain values."""

    joint: Joint
    spec: Mapping[str, Any]

    @property
    def runs(self) -> xr.Dataset:
        """All batches that stand, in one table."""
        return self.joint.runs

    @property
    def key(self) -> str:
        """SHA-256 of what decides draws and verdict: runs, model with priors, settings, labels now, code, backtest."""
        return self._key(bool(self.spec[names.BACKTEST]))

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of fits that will do: where no backtest is asked for, one that has been backtested does as well."""
        return (self.key,) if self.spec[names.BACKTEST] else (self._key(False), self._key(True))

    def _key(self, backtested: bool) -> str:
        told = {name: self.spec[name] for name in ("runs", "model", "fit", names.LABELS_NOW, "code")}
        return digest_of(told | ({names.BACKTEST: True} if backtested else {}))


def gather(joint: Joint, configuration: Configuration, *, backtest: bool = True) -> Inputs:
    """Put together what a fit is made from."""
    chosen, priors = model_of(configuration)
    asked = dataclasses.asdict(configuration.fit)
    spec = {
        "runs": joint.digest,
        "batches": [{**vars(batch), "metric": dict(batch.metric)} for batch in joint.batches],
        "model": {"name": chosen.name, "priors": priors.as_dict()},
        "fit": asked,
        names.LABELS_NOW: dict(configuration.labels_now),
        names.BACKTEST: asked.pop("backtest") and backtest,
        "code": {**code_version(), "model": model_source(chosen)},
        "assumptions": [dict(item) for item in configuration.assumptions],
    }
    return Inputs(joint, spec)


def recorded_digest(fits: Path, records: Sequence[Record], batches: Sequence[Batch]) -> str | None:
    """Return the digest of the runs of batches together, where a fit is recorded that was made from just these."""
    numbers = [batch.number for batch in batches]
    made = next((r for r in reversed(records) if r.kind == "fit" and r.content["batches"] == numbers), None)
    if made is None:
        return None
    try:
        return str(read_spec(fits, made)["runs"])
    except StorageError:  # told by whoever needs the fit; runs can be read again
        return None


def fit_spec(runs: xr.Dataset, spec: Mapping[str, Any], *, progress: bool, checkpoint: str | None = None) -> Fit:
    """Fit runs as a specification says."""
    settings = dict(spec["fit"])
    name = settings.pop("model")
    priors = {key: Prior(**given) for key, given in spec["model"]["priors"].items()}
    return fitting.fit(
        runs,
        model=name,
        priors=priors,
        labels_now=spec[names.LABELS_NOW] or None,
        progress=progress,
        checkpoint=checkpoint,
        **settings,
    )


def fit_backtested(runs: xr.Dataset, spec: Mapping[str, Any], *, progress: bool, checkpoint: str | None = None) -> Fit:
    """Fit as :func:`fit_spec` does, and backtest where the specification says so."""
    made = fit_spec(runs, spec, progress=progress, checkpoint=checkpoint)
    if not spec.get(names.BACKTEST, False):
        return made
    given = {name: spec["fit"][name] for name in ("random_seed", "draws", "tune", "chains", names.CLASSES, DISCOUNT)}
    priors = {key: Prior(**told) for key, told in spec["model"]["priors"].items()}
    return with_backtest(made, runs, spec["fit"]["model"], priors=priors, progress=progress, **given)


def without_backtest(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the specification of a fit of which only the draws are wanted."""
    return {**spec, names.BACKTEST: False}


def backtest_at_hand(fits: Path, records: Sequence[Record], spec: Mapping[str, Any]) -> xr.Dataset | None:
    """Return the backtest of an earlier fit to the same runs, by the same code, model, priors, classes and discounts.

    Draws, seed and labels now may be others: a backtest is made anew where runs or model are new, not where somebody
    asks for more draws.
    """
    if not spec[names.BACKTEST]:
        return None
    for record in reversed(
        [record for record in records if record.kind == "fit" and record.content.get(names.BACKTEST)]
    ):
        told = record.content["inputs"]
        if any(told[part] != digest_of(spec[part]) for part in ("runs", "model", "code")):
            continue
        try:
            old = read_spec(fits, record)["fit"]
            if all(old[name] == spec["fit"][name] for name in (names.CLASSES, DISCOUNT)):
                return load(fits, record).backtest
        except StorageError:  # whoever needs that fit is told; a backtest can be made again
            continue
    return None


def keep(fits: Path, inputs: Inputs, fit: Fit) -> str:
    """Write a fit into a folder of its own, which appears whole; return its id."""
    name = id_of(inputs.key)
    facts = {KEY: inputs.key, "verdict": fit.diagnostics.verdict, LAYOUT: NEWEST}
    facts["libraries"] = inputs.spec["code"]["libraries"]
    with new_folder(fits / name, facts) as folder:
        fit.save(folder / POSTERIOR_FILE)
        write_whole(folder / SPEC, canonical(inputs.spec).encode())
    return name


def adopt(fits: Path, key: str, known: set[str]) -> Fit | None:
    """Return the fit that a process finished and died before recording, where it is whole and the one wanted."""
    name = id_of(key)
    if name not in orphans(fits, known):
        return None
    try:
        return load_fit(fits / name / POSTERIOR_FILE) if check_fit(fits / name)[KEY] == key else None
    except StorageError:  # cut off or altered: it is made again, in its place
        return None


def read_spec(fits: Path, record: Record) -> dict[str, Any]:
    """Read what decided a recorded fit, after comparing it with the record."""
    path = fits / record.content["fit"] / SPEC
    try:
        spec = parse_json(read_text(path, MOST_SPEC, ours=True))
        told = {part: digest_of(spec[part]) for part in PARTS}
    except (StorageError, ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{path}: cannot be read. {AGAIN}.") from error
    if told != record.content["inputs"]:
        raise StorageError(f"{path}: is not what record {record.number} names. {AGAIN}.")
    return spec


def fit_record(fits: Path, name: str, inputs: Inputs, fit: Fit, adopted: bool) -> dict[str, Any]:
    """Return what the record of a fit holds."""
    position = fit.position
    others = [d for d in position[names.LABELS_NOW].dims if d != names.SLICE]
    now = position[names.LABELS_NOW].max(others)
    return {
        "fit": name,
        KEY: inputs.key,
        "manifest": manifest_digest(fits / name),
        "model": {"name": inputs.spec["model"]["name"], **inputs.spec["code"]["model"]},
        "verdict": fit.diagnostics.verdict,
        "reasons": list(fit.diagnostics.reasons),
        "published": fit.diagnostics.verdict == OK,
        "adopted": adopted,
        "draws_sha256": draws_digest(fit),
        "batches": [batch["number"] for batch in inputs.spec["batches"]],
        names.LABELS_NOW: {str(k): int(v) for k, v in zip(now[names.SLICE].values, now.values, strict=True)},
        "learners": list(fit.settings["learners"]),
        names.BACKTEST: backtest_said(fit),
        DISCOUNT: dict(inputs.spec["fit"][DISCOUNT]),
        "inputs": {part: digest_of(inputs.spec[part]) for part in PARTS},
    }


def gain_forecast(fit: Fit, budgets: Sequence[int] | None, factor: float) -> dict[str, Any]:
    """Return the gains that a fit promises, as plain values to be frozen."""
    wanted, dims = list(budgets or default_budgets(fit)), curve_dims(fit)
    plain, wide = (
        predict_gain(one, wanted).stack(cell=(*dims, names.BUDGET)).transpose("cell", ...)
        for one in (fit, recalibrated(fit, factor))
    )
    keep_draws = np.linspace(0, plain[0].size - 1, min(scorecard.KEPT_DRAWS, plain[0].size)).astype(int)
    cells = []
    for one, other in zip(plain, wide, strict=True):
        where: dict[str, Any] = {d: str(one[d].item()) for d in dims} | {names.BUDGET: int(one[names.BUDGET])}
        quantiles = {
            name: scorecard.quantiles_of(drawn.values) for name, drawn in (("quantiles", one), ("widened", other))
        }
        cells.append(where | quantiles | {"draws": one.values.ravel()[keep_draws].tolist()})
    return {"of": names.GAIN, scorecard.FACTOR: factor, scorecard.CELLS: cells}


def runs_of(runs: xr.Dataset, learners: Sequence[str]) -> xr.Dataset:
    """Return the runs of some learners."""
    return runs.isel({names.RUN: np.isin(runs[names.LEARNER].values.astype(str), list(learners))})


def carried_over(together: Fit, alone: Fit, learner: str, labels: int) -> list[dict[str, Any]]:
    """Compare what is known of a learner's gain from today's labels on, with old learners' runs and without."""
    found = []
    gain = predict_gain(together, [labels]).isel({names.BUDGET: 0})
    narrow = _spread(gain.sel({names.LEARNER: learner}) if names.LEARNER in gain.dims else gain)
    wide = _spread(_gain_from(alone, _now(together, learner), labels))
    for name in sorted({*wide} & {*narrow}):
        share = max(0.0, 1.0 - (narrow[name] / wide[name]) ** 2) if wide[name] > 0 else 0.0
        found.append({names.SLICE: name, "with": narrow[name], "without": wide[name], "share": share})
    return found


def counted(together: Fit) -> dict[str, float] | None:
    """Say for how much an old learner's curve counts in the new one's: the factor that the fit has learned."""
    try:
        factor = carry_over(together)
    except ValueError:
        return None
    low, high = np.quantile(factor, TAILS)
    return {"mean": float(factor.mean()), "low": float(low), "high": float(high), "prior": factor.attrs["prior"]}


def _now(together: Fit, learner: str) -> xr.Dataset:
    now = together.position[[names.LABELS_NOW, names.OTHER_LABELS_NOW]]
    return now.sel({names.LEARNER: learner}, drop=True) if names.LEARNER in now.dims else now


def _gain_from(alone: Fit, now: xr.Dataset, labels: int) -> xr.DataArray:
    """Gain of labels beyond a place that need not be where the fit's own runs end."""
    known = [name for name in alone.slices if name in now[names.SLICE]]
    now = now.sel({names.SLICE: known}).expand_dims({SIZE: 2}, axis=-1)
    own = now[names.LABELS_NOW] + xr.DataArray([0, labels], dims=SIZE)
    posterior = alone.posterior.sel({names.SLICE: known})
    error = error_draws(posterior, alone, own, now[names.OTHER_LABELS_NOW])
    return error.isel({SIZE: 0}) - error.isel({SIZE: 1})


def _spread(gain: xr.DataArray) -> dict[str, float]:
    spread = gain.std(names.SAMPLE)
    spread = spread.mean([d for d in spread.dims if d != names.SLICE])
    return {str(name): float(value) for name, value in zip(spread[names.SLICE].values, spread.values, strict=True)}
