"""Models come in by name through one door."""

import dataclasses

import pytest

from labelvalue import get_model
from labelvalue.model.hierarchy import specification
from labelvalue.model.hierarchy.specification import model_names


def test_every_installed_model_can_be_loaded():
    assert "power_law" in model_names()
    for name in model_names():
        model = get_model(name)
        assert model.name == name
        assert model.description.endswith(".")


def test_an_object_is_taken_as_it_is(power_law):
    own = dataclasses.replace(power_law, name="own")
    assert get_model(own) is own


def test_an_unknown_name_is_answered_with_the_nearest_and_the_known():
    with pytest.raises(
        ValueError, match=r"unknown model 'power_lw'; did you mean 'power_law'\? Installed models: .*power_law"
    ):
        get_model("power_lw")
    with pytest.raises(ValueError, match=r"unknown model 'zzz'.*Installed models: .*power_law"):
        get_model("zzz")


def test_what_is_no_name_is_refused():
    with pytest.raises(TypeError, match=r"model must be a name or a labelvalue\.Model, got int"):
        get_model(7)


def test_an_entry_point_that_names_no_model_is_refused(monkeypatch):
    class Point:
        name, value, dist = "odd", "odd:MODEL", None

        def load(self):
            return 3

    monkeypatch.setattr(specification, "_points", lambda group: [(Point(), "")])
    with pytest.raises(TypeError, match="names a int, not a Model"):
        get_model("odd")
