"""One public check for every model: shipped ones pass, a user's own passes by the same door, broken ones are named."""

import dataclasses

import numpy as np
import pymc as pm
import pytest
from labelvalue_models.power_law import power_law as reducible

from labelvalue import get_model, names
from labelvalue.diagnostics import check_model
from labelvalue.model.hierarchy import specification
from labelvalue.model.hierarchy.anchored import anchored_model
from labelvalue.model.hierarchy.specification import model_names


@pytest.mark.parametrize("name", model_names())
def test_m21_every_installed_model_passes_the_public_check(name):
    assert check_model(name) is get_model(name)


def test_m21_a_model_of_ones_own_comes_in_by_the_same_door_and_check(power_law, monkeypatch):
    mine = anchored_model("mine", "A power law of my own.", power_law.priors, reducible)

    class Point:
        name, value, module, dist = "mine", "my_package:MODEL", "my_package", None

        def load(self):
            return mine

    monkeypatch.setattr(specification, "_points", lambda group: [(Point(), "")])
    assert model_names() == ("mine",)
    assert check_model("mine") is mine
    assert specification.model_source(mine)["entry_point"] == "my_package:MODEL"


def silent(power_law):
    churn = dataclasses.replace(power_law.priors["churn"], meaning="")
    return dataclasses.replace(power_law, priors=power_law.priors.replace({"churn": churn}))


def without(power_law, name):
    kept = {key: prior for key, prior in power_law.priors.items() if key != name}
    return dataclasses.replace(power_law, priors=type(power_law.priors)(kept))


def empty(observations, priors):
    with pm.Model() as made:
        pm.Normal("x")
    return made


def infinite(observations, priors):
    made = get_model("power_law").build(observations, priors)
    with made:
        pm.Potential("broken", made["error_mean"] * np.inf)
    return made


def rising(log_ratio, parameters):
    """Right at the reference, and wrong beyond."""
    return get_model("power_law").curve(log_ratio, parameters) + 0.2 * log_ratio**2


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda m: dataclasses.replace(m, description="a power law"), "description must be a sentence"),
        (silent, "without a meaning or a source: churn"),
        (lambda m: without(m, "floor_spread"), "no prior floor_spread"),
        (lambda m: dataclasses.replace(m, curve=lambda r, p: m.curve(r, p) + 0.1), "not 0 at the reference size"),
        (lambda m: dataclasses.replace(m, curve=lambda r, p: 2 * m.curve(r, p)), "not minus the elasticity"),
        (lambda m: dataclasses.replace(m, curve=rising), "rises with labels although"),
        (lambda m: dataclasses.replace(m, curve=lambda r, p: -p[names.CURVE_ELASTICITY] * r), "falls below the floor"),
        (lambda m: dataclasses.replace(m, curve=lambda r, p: p["nothing"]), "arithmetic ended with KeyError"),
        (lambda m: dataclasses.replace(m, build=empty), "has no variable error_reference"),
        (lambda m: dataclasses.replace(m, build=infinite), "density is not finite"),
        (lambda m: dataclasses.replace(m, build=lambda o, p: 1 / 0), "build ended with ZeroDivisionError"),
    ],
)
def test_m21_what_is_wrong_with_a_model_is_named(power_law, broken, says):
    with pytest.raises(ValueError, match=says):
        check_model(broken(power_law))
