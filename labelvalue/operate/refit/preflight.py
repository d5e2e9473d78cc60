"""Everything that can be refused of a project's settings before a fit begins, in one pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import xarray as xr

from labelvalue import names
from labelvalue.model.hierarchy.specification import JOIN, Model, get_model, model_names
from labelvalue.model.prior.priors import Prior, Priors
from labelvalue.observe.simulate.protocol import read_protocol
from labelvalue.operate.store.configuration import FILE, Configuration
from labelvalue.operate.store.folders import ProjectFolder, inside
from labelvalue.problems import InputError, Problem, did_you_mean


def check_settings(project: ProjectFolder, runs: xr.Dataset, latest: Sequence[str]) -> None:
    """Refuse settings that do not go with the runs, or that advice would stumble over after the fit."""
    configuration = project.configuration
    known = {name: sorted({*runs[name].values.astype(str).tolist()}) for name in (names.SLICE, names.BATCH)}
    there = {name: sorted({*runs[name].values.astype(str).tolist()}) for name in (names.LEARNER, names.SUITE)}
    problems = [
        *_model_problems(configuration),
        *_unknown(names.LABELS_NOW, configuration.labels_now, "slice", known[names.SLICE]),
        *_unknown("fit.discount", configuration.fit.discount, "batch", known[names.BATCH]),
        *_protocol_problems(project),
        *case_problems(project, known[names.SLICE], there[names.LEARNER], there[names.SUITE], latest),
    ]
    if problems:
        raise InputError(problems)


def model_of(configuration: Configuration) -> tuple[Model, Priors]:
    """Return the model that a project asks for, with its priors."""
    problems = list(_model_problems(configuration))
    if problems:
        raise InputError(problems)
    chosen = get_model(configuration.fit.model)
    return chosen, chosen.priors.replace({name: Prior(**given) for name, given in configuration.priors.items()})


def _model_problems(configuration: Configuration) -> Iterator[Problem]:
    name, known = configuration.fit.model, model_names()
    if unknown := [part for part in name.split(JOIN) if part not in known]:
        why = f"unknown model{did_you_mean(unknown[0], known)}"
        yield Problem(file=FILE, column="fit.model", value=name, why=why, fix=f"one of {', '.join(known)}")
        return
    there = get_model(name).priors
    for prior, given in configuration.priors.items():
        if prior not in there:
            why = f"model {name!r} has no such prior{did_you_mean(prior, there)}"
            yield Problem(file=FILE, column=f"priors.{prior}", why=why, fix=f"one of {', '.join(there)}")
            continue
        missing = [key for key in ("distribution", "center", "spread") if key not in given]
        if missing:
            why = f"{', '.join(missing)} missing"
            yield Problem(file=FILE, column=f"priors.{prior}", why=why, fix="say distribution, center and spread")
            continue
        try:
            Prior(**given)
        except ValueError as error:
            yield Problem(file=FILE, column=f"priors.{prior}", why=str(error), fix="mend it")


def _unknown(key: str, given: Mapping[str, Any], what: str, known: Sequence[str]) -> Iterator[Problem]:
    for name in given:
        if name not in known:
            shown = ", ".join(known[:20]) + (", …" if len(known) > 20 else "")
            why = f"unknown {what}{did_you_mean(name, known)}"
            yield Problem(file=FILE, column=f"{key}.{name}", why=why, fix=f"one of {shown}")


def _protocol_problems(project: ProjectFolder) -> Sequence[Problem]:
    if project.configuration.protocol is None:
        return ()
    try:
        read_protocol(inside(project.folder, project.configuration.protocol))
    except InputError as error:
        return error.problems
    return ()


def case_problems(
    project: ProjectFolder,
    slices: Sequence[str],
    learners: Sequence[str],
    suites: Sequence[str],
    latest: Sequence[str],
) -> Sequence[Problem]:
    """Say what keeps a project's case, and the assumptions on it, from being decided on."""
    configuration = project.configuration
    if configuration.case is None:
        tested = [item for item in configuration.assumptions if "key" in item]
        fix = "name a case, or leave key and alternative out"
        return [_of_assumption(item, "there is no case that it could be a key of", fix) for item in tested]
    from labelvalue.decisions.case.case import misfits, parse_case
    from labelvalue.operate.refit.advice import case_text, with_key, with_latest

    try:
        text = case_text(project)
        case = with_latest(parse_case(str(text), file=configuration.case), learners, latest)
    except InputError as error:
        return error.problems
    problems = [dataclasses.replace(p, file=configuration.case) for p in misfits(case, slices, learners, suites)]
    for item in configuration.assumptions:
        if "key" not in item:
            continue
        try:
            other = dataclasses.replace(with_key(str(text), item["key"], item["alternative"]), learner=case.learner)
            wrong = misfits(other, slices, learners, suites)
        except InputError as error:
            wrong = list(error.problems)
        if not problems:
            problems += [_of_assumption(item, f"{p.column}: {p.why}", p.fix) for p in wrong]
    return problems


def _of_assumption(item: Mapping[str, Any], why: str, fix: str) -> Problem:
    told = f"of assumption {item['id']!r}, {why}"
    return Problem(file=FILE, column="assumptions.key", value=item["key"], why=told, fix=fix)
