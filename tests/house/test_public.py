"""What users call: importable, without ``**kwargs``, and documented parameter by parameter."""

import ast
import dataclasses
import importlib
import inspect
import re
import textwrap
import warnings
from pathlib import Path

import pytest

import labelvalue

ROOT = Path(__file__).resolve().parents[2]
NAMESPACES = [n for n in labelvalue.__all__ if hasattr(getattr(labelvalue, n), "__all__")]
MOST_NAMES = 65


def public() -> dict[str, object]:
    """Every function and class that the package or one of its namespaces offers by name."""
    found = {f"labelvalue.{name}": getattr(labelvalue, name) for name in labelvalue.__all__}
    for name in [*NAMESPACES, "names", "testing"]:
        module = importlib.import_module(f"labelvalue.{name}")
        offered = getattr(module, "__all__", None) or [
            n for n, v in vars(module).items() if getattr(v, "__module__", None) == module.__name__
        ]
        found |= {f"labelvalue.{name}.{n}": getattr(module, n) for n in offered if not n.startswith("_")}
    kept, seen = {}, set()
    for name, thing in found.items():
        if (inspect.isfunction(thing) or inspect.isclass(thing)) and id(thing) not in seen:
            seen.add(id(thing))
            kept[name] = thing
    return kept


PUBLIC = public()
FUNCTIONS = {n: f for n, f in PUBLIC.items() if inspect.isfunction(f)}
CLASSES = {n: c for n, c in PUBLIC.items() if inspect.isclass(c)}
METHODS = {
    f"{n}.{m}": inspect.unwrap(getattr(f, "__func__", f))
    for n, c in CLASSES.items()
    for m, f in vars(c).items()
    if not m.startswith("_") and (inspect.isfunction(f) or isinstance(f, classmethod | staticmethod))
}


def parsed(thing):
    from numpydoc.docscrape import NumpyDocString

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # an unknown section is a misspelt one
        return NumpyDocString(inspect.getdoc(thing) or "")


def listed(doc, section="Parameters") -> list[str]:
    return [name.strip().lstrip("*") for p in doc[section] for name in p.name.split(",")]


def arguments(function) -> list[str]:
    return [n for n in inspect.signature(function).parameters if n not in {"self", "cls"}]


def annotated(function) -> str:
    """What comes back, as it is written: some modules keep annotations as text, others as what they name."""
    kind = inspect.signature(function).return_annotation
    return kind if isinstance(kind, str) else inspect.formatannotation(kind).removeprefix("typing.")


def raises(function) -> bool:
    """Does the function's own body raise, not only what it calls?"""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return any(isinstance(n, ast.Raise) and n.exc is not None for n in ast.walk(tree))


def test_every_public_name_is_there():
    assert {n for n in labelvalue.__all__ if not hasattr(labelvalue, n)} == set()
    assert set(dir(labelvalue)) == set(labelvalue.__all__)
    with pytest.raises(AttributeError, match="No labelvalue attribute oracle"):
        labelvalue.oracle  # noqa: B018


@pytest.mark.parametrize("stub", sorted((ROOT / "labelvalue").rglob("*.pyi")), ids=lambda p: p.parent.name)
def test_type_checkers_see_the_same_names(stub):
    seen = {alias.asname for n in ast.parse(stub.read_text()).body for alias in n.names}
    assert seen == {*importlib.import_module(".".join(stub.parent.relative_to(ROOT).parts)).__all__}


def test_the_door_is_small_and_lists_what_it_offers():
    assert len(labelvalue.__all__) <= MOST_NAMES
    told = re.findall(r"``(\w+)``", inspect.getdoc(labelvalue))
    assert sorted(told) == sorted(labelvalue.__all__)


@pytest.mark.parametrize("space", NAMESPACES)
def test_a_namespace_is_a_module_that_lists_its_members(space):
    module = importlib.import_module(f"labelvalue.{space}")
    assert module is getattr(labelvalue, space)
    told = [n for names in re.findall(r"^- ((?:``\w+``(?:, )?)+): \S", inspect.getdoc(module), re.M)
            for n in re.findall(r"\w+", names)]  # fmt: skip
    assert sorted(told) == sorted(module.__all__)
    assert [n for n in module.__all__ if not inspect.getdoc(getattr(module, n))] == []
    assert parsed(module)["Examples"]


def test_nothing_public_has_two_places():
    places = [(n, getattr(labelvalue, n)) for n in labelvalue.__all__]
    for space in NAMESPACES:
        module = getattr(labelvalue, space)
        places += [(f"{space}.{n}", getattr(module, n)) for n in module.__all__]
    made_here = [n for n, v in vars(labelvalue.testing).items() if getattr(v, "__module__", "") == "labelvalue.testing"]
    places += [(f"testing.{n}", getattr(labelvalue.testing, n)) for n in made_here]
    by_thing = {}
    for name, thing in places:
        by_thing.setdefault(id(thing), []).append(name)
    assert [names for names in by_thing.values() if len(names) > 1] == []
    last = [name.rpartition(".")[2] for name, _ in places]
    assert sorted({name for name in last if last.count(name) > 1}) == []
    folders = {p.parent.name for p in (ROOT / "labelvalue").glob("*/__init__.py")} - {*NAMESPACES}
    assert len(folders) > 4
    doors = [f for f in folders if {"__all__", "__getattr__"} & {*vars(importlib.import_module(f"labelvalue.{f}"))}]
    assert doors == [], "a room offers nothing beside the front door"


@pytest.mark.parametrize("name", [*FUNCTIONS, *METHODS])
def test_signature_and_docstring(name):
    function = {**FUNCTIONS, **METHODS}[name]
    signature = inspect.signature(function)
    kinds = {p.kind for p in signature.parameters.values()}
    assert inspect.Parameter.VAR_KEYWORD not in kinds, f"{name}: name the parameters, no **kwargs"

    doc = parsed(function)
    assert listed(doc) == arguments(function), f"{name}: the docstring lists other parameters than it takes"
    missing = [p.name for p in doc["Parameters"] if not p.type or not p.desc]
    assert not missing, f"{name}: {missing} lack a type or a meaning"
    if annotated(function) not in {"None", "NoReturn"}:
        assert doc["Returns"] or doc["Yields"], f"{name}: say what comes back"
    if raises(function):
        assert doc["Raises"], f"{name}: say what is raised, and when"


def test_f4_no_public_function_returns_a_bare_number():
    """Draws, tables, texts and files; of the kind of its arguments is only what is exact arithmetic."""
    doors = {f"labelvalue.{space}" for space in NAMESPACES} | {"labelvalue"}
    found = {n: annotated(f) for n, f in FUNCTIONS.items() if n.rpartition(".")[0] in doors}
    assert len(found) > 80
    bare = {"float", "int", "bool", "complex", "np.ndarray", "numpy.ndarray"}
    assert [name for name, kind in found.items() if kind in bare] == []
    loose = {name.rpartition(".")[2] for name, kind in found.items() if kind == "Any"}
    assert loose == {"plot_diagnostics"}


def test_example():
    without = [name for name, thing in PUBLIC.items() if ">>>" not in "\n".join(parsed(thing)["Examples"])]
    assert without == [], "give an example that runs"


def test_fields():
    """The docstring lists those that there are."""
    tables = {name: one for name, one in CLASSES.items() if dataclasses.is_dataclass(one)}
    fields = {name: [f.name for f in dataclasses.fields(one) if f.init] for name, one in tables.items()}
    assert {name: listed(parsed(one)) for name, one in tables.items()} == fields


def test_dataclasses_are_frozen():
    loose = [n for n, c in CLASSES.items() if dataclasses.is_dataclass(c) and not c.__dataclass_params__.frozen]
    assert not loose
