"""Label noise as a posterior: from judgements by slice and annotator, or from a model's probabilities with cleanlab."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.model.annotators.judgements import (
    DENSE_CLASSES,
    LEVELS,
    Audits,
    count_judgements,
    levels_of,
    log_confusion,
    log_prevalence,
    log_right,
)
from labelvalue.model.annotators.work import share_as_stated
from labelvalue.model.curve.families import useless_share
from labelvalue.model.hierarchy.specification import get_label_model
from labelvalue.model.prior.priors import Prior
from labelvalue.model.sampling import sampling
from labelvalue.model.sampling.diagnostics import Diagnostics, SamplerSettings
from labelvalue.printing import doing
from labelvalue.problems import input_error

BOOTSTRAPS = 200


def noise_from_probabilities(
    labels: Sequence[int], probabilities: np.ndarray, slices: Sequence[str], *, random_seed: int = 0
) -> xr.DataArray:
    """Estimate the share of wrong labels by slice from a model's out-of-sample probabilities: confident learning.

    A second choice, for data without repeated judgements, references or audits: it takes the model's word for what is
    wrong, and the interval, a bootstrap of items, knows nothing of the model's own faults.

    Parameters
    ----------
    labels : sequence of int
        Label of every item, as a class from 0.
    probabilities : array, shape (item, class)
        Out-of-sample probabilities of the classes, from cross-validation.
    slices : sequence of str
        Slice of every item.
    random_seed : int
        Seed of the bootstrap.

    Returns
    -------
    xarray.DataArray
        ``label_noise``, dims chain (1), draw (200 bootstraps), slice: share of labels that look wrong; what ``noise=``
        of forecasts takes.

    Raises
    ------
    InputError
        If lengths differ, or cleanlab (extra ``noise``) is not installed.

    References
    ----------
    Northcutt, Jiang and Chuang (2021), "Confident learning: estimating uncertainty in dataset labels", JAIR 70.

    Examples
    --------
    >>> noise_from_probabilities(labels, probabilities, slices).mean("draw")  # doctest: +SKIP
    """
    try:
        from cleanlab.filter import find_label_issues
    except ImportError:
        raise input_error("cleanlab is not installed", "pip install 'labelvalue[noise]'") from None
    given, chance, of = np.asarray(labels, dtype=int), np.asarray(probabilities, dtype=float), np.asarray(slices)
    if not given.size == of.size == len(chance) or chance.ndim != 2:
        why = f"{given.size} labels, {len(chance)} rows of probabilities and {of.size} slices"
        raise input_error(why, "give one of each for every item", column="labels")
    wrong = np.asarray(find_label_issues(given, chance, n_jobs=1), dtype=float)
    known = sorted(set(of.tolist()))
    rng = np.random.default_rng([random_seed, 8])
    draws = np.empty((1, BOOTSTRAPS, len(known)))
    for place, name in enumerate(known):
        mine = wrong[of == name]
        draws[0, :, place] = mine[rng.integers(mine.size, size=(BOOTSTRAPS, mine.size))].mean(axis=1)
    dims = (names.CHAIN, names.DRAW, names.SLICE)
    return xr.DataArray(
        draws,
        dims=dims,
        coords={names.CHAIN: [0], names.DRAW: np.arange(BOOTSTRAPS), names.SLICE: known},
        name=names.LABEL_NOISE,
        attrs={names.UNIT: "share of labels", names.NOTES: ""},
    )


DRAWS = 100  # posterior draws over which probabilities are averaged
LEVEL_NAMES = (*LEVELS, "class_level", "class_of_slice")
BLOCK = 20_000_000  # numbers held at once


def thinned(posterior: xr.Dataset, most: int = DRAWS) -> list[dict[str, np.ndarray]]:
    """Return the levels of some draws of a posterior, evenly spread over chains and draws."""
    kept = posterior[[name for name in LEVEL_NAMES if name in posterior]]
    stacked = {str(n): v.values.reshape(-1, *v.shape[2:]) for n, v in kept.data_vars.items()}
    total = next(iter(stacked.values())).shape[0]
    which = np.linspace(0, total - 1, min(most, total)).round().astype(int)
    return [{name: values[i] for name, values in stacked.items()} for i in which]


def class_probabilities(posterior: xr.Dataset, judgements: xr.Dataset) -> np.ndarray:
    """Return the probability of every class for every pattern, averaged over draws (pattern, class)."""
    classes = judgements.sizes[names.TRUE_CLASS]
    patterns = judgements["count"].size
    total = np.zeros((patterns, classes))
    if patterns == 0:
        return total
    draws = thinned(posterior)
    step = max(1, BLOCK // (classes * max(judgements["group_code"].shape[1], 1)))
    groups = judgements["group_slice"].values, judgements["group_annotator"].values
    for levels in draws:
        table, prevalence = log_confusion(levels_of(levels), *groups, classes), log_prevalence(levels)
        for start in range(0, patterns, step):
            part = slice(start, start + step)
            total[part] += _weighed(judgements, table, prevalence, part)
    total /= len(draws)
    truth = judgements["truth"].values
    known = np.flatnonzero(truth >= 0)
    total[known] = 0.0
    total[known, truth[known]] = 1.0
    return total


def _weighed(judgements: xr.Dataset, table: np.ndarray, prevalence: np.ndarray, part: slice) -> np.ndarray:
    """Probabilities of classes for some patterns, given those of each label, (group, true class, label given)."""
    group, label = judgements["group_code"].values[part], judgements["label_code"].values[part]
    log_share = prevalence[judgements["slice_code"].values[part] * (len(prevalence) > 1)]
    for vote in range(group.shape[1]):
        given = np.flatnonzero(group[:, vote] >= 0)
        log_share[given] += table[group[given, vote], :, label[given, vote]]
    weight = np.exp(log_share - log_share.max(axis=1, keepdims=True))
    return weight / weight.sum(axis=1, keepdims=True)


def consensus_labels(items: pd.DataFrame, probabilities: np.ndarray, classes: list[str]) -> pd.DataFrame:
    """Return the likeliest label of every item, with its probability."""
    mine = probabilities[items["pattern"].to_numpy()] if len(items) else np.zeros((0, len(classes)))
    best = mine.argmax(axis=1) if len(items) else np.zeros(0, dtype=int)
    table = items.drop(columns="pattern").assign(
        **{names.LABEL: np.array(classes, dtype=object)[best], names.PROBABILITY: mine.max(axis=1, initial=0.0)}
    )
    shares = pd.DataFrame(mine, columns=[f"p({name})" for name in classes], index=table.index)
    return pd.concat([table, shares], axis=1)


MANY_ACCEPT = 0.8
"""Acceptance aimed at beyond ten classes: of thousands of parameters, nearly Gaussian, 22 gradients a draw, not 31."""


@dataclasses.dataclass(frozen=True)
class LabelNoise:
    """What judgements tell about wrong labels.

    Parameters
    ----------
    posterior : xarray.Dataset
        Dims chain, draw: ``label_noise`` (slice), share of single judgements that are wrong; ``annotator_noise``
        (annotator); ``prevalence`` (slice, true_class); up to ten classes ``confusion`` (annotator, true_class,
        given_class).
    consensus : pandas.DataFrame
        One row an item: its likeliest ``label``, the ``probability`` of it, and one of every class.
    diagnostics : Diagnostics
        Convergence verdict.
    levels : xarray.Dataset
        Draws of the model's own variables.
    judgements : xarray.Dataset
        What they were drawn from.

    Examples
    --------
    >>> estimate_label_noise(annotations).label_noise  # doctest: +SKIP
    """

    posterior: xr.Dataset
    consensus: pd.DataFrame
    diagnostics: Diagnostics
    levels: xr.Dataset
    judgements: xr.Dataset

    @property
    def label_noise(self) -> xr.DataArray:
        """Share of wrong judgements, dims chain, draw, slice: what ``noise=`` of forecasts takes."""
        return self.posterior[names.LABEL_NOISE]

    @property
    def annotator_noise(self) -> xr.DataArray:
        """Share of each annotator's judgements that are wrong, dims chain, draw, annotator."""
        return self.posterior[names.ANNOTATOR_NOISE]

    def quantities(self) -> dict[str, Any]:
        """Return what ``Case`` takes: the share of wrong labels by slice, and that annotations tell it.

        Returns
        -------
        dict
            ``label_noise`` by slice, as 90 % intervals, or as branches where a slice's draws come near what labels at
            random would be; ``label_noise_origin``.

        Examples
        --------
        >>> Case(costs=costs, value=value, **estimate_label_noise(annotations).quantities())  # doctest: +SKIP
        """
        most, drawn = useless_share(len(self.classes)), self.label_noise
        shares = {
            str(name): share_as_stated(drawn.sel({names.SLICE: name}).values, most)
            for name in drawn[names.SLICE].values
        }
        return {names.LABEL_NOISE: shares, names.LABEL_NOISE_ORIGIN: names.FROM_ANNOTATIONS}

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        return [str(name) for name in self.judgements[names.TRUE_CLASS].values]


def estimate_label_noise(
    annotations: pd.DataFrame | None = None,
    *,
    classes: Sequence[str] | None = None,
    audits: Audits | None = None,
    priors: Mapping[str, Prior] | None = None,
    random_seed: int = 0,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    progress: bool = True,
) -> LabelNoise:
    """Estimate the share of wrong labels from repeated judgements, from references, from audits, or from all of them.

    A Bayesian Dawid-Skene model. Given the true class, annotators err independently: where items are hard for all of
    them alike, noise is estimated too low, and only references or audits mend that.

    Parameters
    ----------
    annotations : pandas.DataFrame, optional
        Annotations table, as :func:`labelvalue.label_quality.read_annotations` returns it. Rows with
        ``reference`` are taken for the truth about their items.
    classes : sequence of str, optional
        All classes (2 to 50), where not every one was given.
    audits : mapping of str to (int, int), optional
        By slice: wrong labels among single labels that were checked.
    priors : mapping of str to Prior, optional
        Priors that replace the model's, by name.
    random_seed, draws, tune, chains, progress : optional
        As for :func:`labelvalue.fit`.

    Returns
    -------
    LabelNoise
        Noise by slice and annotator, consensus labels with probabilities, verdict.

    Raises
    ------
    InputError
        If nothing tells errors, or there are more than 50 classes.

    References
    ----------
    Dawid and Skene (1979), "Maximum likelihood estimation of observer error-rates using the EM algorithm", Applied
    Statistics 28; Paun et al. (2018), "Comparing Bayesian models of annotation", TACL 6, for the hierarchy.

    Examples
    --------
    >>> from labelvalue.testing import fake_annotations
    >>> estimate_label_noise(fake_annotations(seed=1)).label_noise.mean(("chain", "draw"))  # doctest: +SKIP
    """
    judgements, items = count_judgements(annotations, classes=classes, audits=audits)
    model = get_label_model("dawid_skene")
    built = model.build(judgements, model.priors.replace(priors or {}))
    counted, patterns = int(judgements["judged"].sum()), judgements["count"].size
    doing(f"{counted} judgements in {patterns} patterns; sampling", show=progress)
    accept = None if judgements.sizes[names.TRUE_CLASS] <= DENSE_CLASSES else MANY_ACCEPT
    settings = SamplerSettings(draws, tune, chains, target_accept=accept, random_seed=random_seed)
    tree, diagnostics = sampling.sample(sampling.compile_model(built), settings, progress=progress)
    return noise_from(tree["posterior"].to_dataset(), diagnostics, judgements, items)


def noise_from(
    posterior: xr.Dataset, diagnostics: Diagnostics, judgements: xr.Dataset, items: pd.DataFrame
) -> LabelNoise:
    """Turn draws of a model's variables into what is promised."""
    levels = posterior[[name for name in LEVEL_NAMES if name in posterior]]
    promised = _promised(levels, judgements).assign_attrs(verdict=diagnostics.verdict)
    for name in (names.LABEL_NOISE, names.ANNOTATOR_NOISE):
        promised[name].attrs = {names.UNIT: "share of judgements", "verdict": diagnostics.verdict, names.NOTES: ""}
    classes = [str(name) for name in judgements[names.TRUE_CLASS].values]
    consensus = consensus_labels(items, class_probabilities(levels, judgements), classes)
    consensus.attrs = {names.NOTES: ""}
    return LabelNoise(promised, consensus, diagnostics, levels, judgements)


def _promised(levels: xr.Dataset, judgements: xr.Dataset) -> xr.Dataset:
    """Noise by slice and annotator, prevalence and confusion, draw by draw."""
    slices, annotators = judgements[names.SLICE].values, judgements[names.ANNOTATOR].values
    classes = judgements[names.TRUE_CLASS].values
    chains, draws = levels.sizes[names.CHAIN], levels.sizes[names.DRAW]
    weight = np.zeros((slices.size, annotators.size))
    weight[judgements["group_slice"].values, judgements["group_annotator"].values] = judgements["judged"].values
    of_slice = np.where(weight.sum(1, keepdims=True) > 0, weight, 1.0)
    of_annotator = np.where(weight.sum(0, keepdims=True) > 0, weight, 1.0)
    of_slice, of_annotator = of_slice / of_slice.sum(1, keepdims=True), of_annotator / of_annotator.sum(0)
    everyone, who = [part.ravel() for part in np.indices(weight.shape)], np.arange(annotators.size)
    dense = classes.size <= DENSE_CLASSES and "of_class" in levels
    found: dict[str, list[np.ndarray]] = {}
    for one in thinned(levels, chains * draws):
        prevalence = np.broadcast_to(np.exp(log_prevalence(one)), (slices.size, classes.size))
        logit = log_right({k: v for k, v in levels_of(one).items() if "confusing" not in k}, *everyone)
        wrong = 1.0 / (1.0 + np.exp(logit)).reshape(*weight.shape, -1)
        by_pair = (wrong * prevalence[:, None, :]).sum(-1) if wrong.shape[-1] > 1 else wrong[..., 0]
        of_draw = {
            names.LABEL_NOISE: (by_pair * of_slice).sum(1),
            names.ANNOTATOR_NOISE: (by_pair * of_annotator).sum(0),
            names.PREVALENCE: prevalence,
        }
        if dense:
            average = {k: v for k, v in levels_of(one).items() if k != "of_slice"}
            of_draw[names.CONFUSION] = np.exp(log_confusion(average, np.zeros_like(who), who, classes.size))
        for name, value in of_draw.items():
            found.setdefault(name, []).append(value)
    dims = {
        names.LABEL_NOISE: (names.SLICE,),
        names.ANNOTATOR_NOISE: (names.ANNOTATOR,),
        names.PREVALENCE: (names.SLICE, names.TRUE_CLASS),
        names.CONFUSION: (names.ANNOTATOR, names.TRUE_CLASS, names.GIVEN_CLASS),
    }
    coords = {names.SLICE: slices, names.ANNOTATOR: annotators, names.TRUE_CLASS: classes}
    coords |= {names.GIVEN_CLASS: classes} if dense else {}
    coords |= {d: levels[d].values for d in names.SAMPLE}
    return xr.Dataset(
        {n: ((*names.SAMPLE, *dims[n]), np.reshape(v, (chains, draws, *v[0].shape))) for n, v in found.items()},
        coords=coords,
    )
