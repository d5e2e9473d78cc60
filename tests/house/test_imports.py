"""Imports point left, models come in through entry points, and nothing reads code from data."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

from labelvalue import Project, testing

ROOT = Path(__file__).resolve().parents[2]

ORDER = [
    "names", "exits", "printing", "numerals", "problems", "reading", "server", "storage", "settings", "quantities",
    "observe", "model", "forecast", "decisions", "report", "testing", "operate", "cli",
    "suites", "label_quality", "priors", "diagnostics", "interventions", "plans", "risk", "rules", "voi",
]  # fmt: skip
"""The namespaces stand last: they hold nothing of their own, and nobody here takes anything from them."""
GROUND = {"names", "printing", "numerals"}
FRONT_DOORS = sorted(p.parent / "__init__.py" for p in (ROOT / "labelvalue").rglob("__init__.pyi"))
HEAVY = ("pymc", "pytensor", "nutpie", "arviz_stats", "arviz_plots", "matplotlib", "sklearn", "scipy.stats",
         "scipy.special")  # fmt: skip
"""What takes a second to import, or a third of one."""
TABLES = ("pandas", "xarray", "pyarrow")

NEVER_IMPORTED = {
    "pickle", "cloudpickle", "dill", "marshal", "shelve", "yaml",
    "requests", "urllib", "urllib3", "http", "socket", "ftplib", "httpx", "aiohttp",
}  # fmt: skip
DOOR = {"server": {"urllib", "http"}}
"""The one module that may open a connection."""
PRINTS = {"print", "typer.echo", "typer.secho", "click.echo", "sys.stdout.write", "sys.stderr.write"}
NEVER_CALLED = {"eval", "exec", "joblib.load", "pd.read_pickle", "pandas.read_pickle"}


def modules() -> list[Path]:
    return sorted(p for room in ("labelvalue", "models") for p in (ROOT / room).rglob("*.py"))


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def room(path: Path) -> str:
    """The room a file belongs to; ``labelvalue`` for the package's own files, ``models`` for models."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1] if parts[0] == "labelvalue" and not parts[1].startswith("__") else parts[0]


def imported(tree: ast.AST, path: Path):
    """Yield (line, dotted name) of everything a file imports, relative imports made absolute."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(p for p in (base, node.module) if p)
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def is_behind_a_door(room: str, name: str) -> bool:
    """Whether a name is taken from a folder itself, and not from a module in it."""
    folder = ROOT / "labelvalue" / room
    return bool(name) and folder.is_dir() and not ((folder / name).is_dir() or (folder / f"{name}.py").is_file())


def test_imports():
    wrong = []
    for path, (line, name) in ((p, found) for p in modules() for found in imported(tree_of(p), p)):
        here = room(path)
        top, _, rest = name.partition(".")
        there = rest.split(".")[0]
        if top in NEVER_IMPORTED - DOOR.get(here, set()):
            wrong.append(f"{path}:{line}: {name} has no place here (no pickle, no YAML, no network)")
        if top in {"labelvalue_models", "models"} and here != "models":
            wrong.append(f"{path}:{line}: models come through the catalogue, never by import")
        if top != "labelvalue" or here == "labelvalue":
            continue
        if here in GROUND:
            wrong.append(f"{path}:{line}: {here} stands under everything and imports nothing of ours")
        elif there not in ORDER:
            if here not in {"cli", "testing"}:
                wrong.append(f"{path}:{line}: import from the module that defines it, not from the front door")
        elif ORDER.index(there) > ORDER.index("model" if here == "models" else here):
            wrong.append(f"{path}:{line}: {here} may not import {there}: imports point left")
        elif is_behind_a_door(*f"{rest}.".split(".")[:2]):
            wrong.append(f"{path}:{line}: import from the module that defines it: what folders offer is for users")
    assert not wrong, "\n".join(wrong)


SEARCH = tuple(f"labelvalue.decisions.{part}." for part in ("search", "outcomes.benefit", "outcomes.spending"))
NAMED = {"HALF", "thinned"}  # a word, and fewer draws of a fit for a picture


@pytest.mark.parametrize("path", sorted((ROOT / "labelvalue/report").rglob("*.py")), ids=lambda p: p.stem)
def test_report_searches_and_prices_nothing(path):
    """What searches a plan or computes money stands in decisions; the page takes what that found."""
    taken = [name for _, name in imported(ast.parse(path.read_text()), path) if name.startswith(SEARCH)]
    assert [name for name in taken if name.rpartition(".")[2] not in NAMED] == []


@pytest.mark.parametrize("path", FRONT_DOORS, ids=lambda p: str(p.relative_to(ROOT)))
def test_front_doors_load_nothing(path):
    """``import labelvalue`` is cheap because every room is loaded by whoever first uses it, and then in part."""
    eager = [n for n in ast.parse(path.read_text()).body if isinstance(n, ast.Import | ast.ImportFrom)]
    assert {name for n in eager for _, name in imported(n, path)} == {"lazy_loader"}


def test_commands_that_do_not_fit_load_neither_sampler_nor_pictures():
    """A scheduler asks every night whether there is anything new; most nights there is not."""
    commands = "import labelvalue.operate.refit.refitting, labelvalue.operate.history.trail;"
    commands += "import labelvalue.cli.project, sys;"
    code = f"{commands} print(sorted(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_namespaces_load_neither_sampler_nor_pictures():
    spaces = "suites label_quality priors diagnostics interventions plans risk rules voi report"
    code = f"import sys, labelvalue as lv; [getattr(lv, space) for space in {spaces.split()!r}];"
    code += f"print(sorted(m for m in {HEAVY[:-2]!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_a_note_is_written_without_libraries_of_tables(tmp_path):
    Project.create(tmp_path / "project").add(testing.fake_runs(seed=1), batch="a")
    command = ["note", str(tmp_path / "project"), "moved house", "--slice", "west"]
    code = f"from labelvalue import cli; import sys; code = cli.main({command!r});"
    code += f"print(code, sorted(m for m in {TABLES + HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_no_code_from_data_and_no_assert():
    wrong = []
    for path, node in ((p, node) for p in modules() for node in ast.walk(tree_of(p))):
        if isinstance(node, ast.Assert):
            wrong.append(f"{path}:{node.lineno}: raise an error that says what to do; assert is for tests")
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in PRINTS and path.stem != "printing":
            wrong.append(f"{path}:{node.lineno}: print through labelvalue.printing, which writes out what acts")
        if called in NEVER_CALLED:
            wrong.append(f"{path}:{node.lineno}: {called} runs code found in data")
        if any(k.arg == "allow_pickle" and ast.unparse(k.value) != "False" for k in node.keywords):
            wrong.append(f"{path}:{node.lineno}: allow_pickle must be False")
    assert not wrong, "\n".join(wrong)


def exports() -> dict[str, str]:
    """Where each name of a front door comes from: its ``.pyi`` says."""
    found = {}
    for path in (ROOT / "labelvalue").rglob("__init__.pyi"):
        package = ".".join(path.relative_to(ROOT).parent.parts)
        found |= {
            f"{package}.{name.rpartition('.')[2]}": name for _, name in imported(ast.parse(path.read_text()), path)
        }
    return found


def ties() -> dict[str, set[str]]:
    """Which modules each module imports: at its top, in a function, or for type checkers alone."""
    files = {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in modules()}
    doors = exports()

    def module_of(name: str) -> str:
        name = name.replace("labelvalue_models", "models")
        for _ in range(3):  # the package's door names a room's door, which names a module
            name = doors.get(name, name)
        while name and name not in files:
            name = name.rpartition(".")[0]
        return name

    return {
        module: {module_of(name) for _, name in imported(tree_of(path), path)} - {"", module}
        for module, path in files.items()
    }


def test_no_circle_of_imports():
    """Late imports and those for type checkers count: what two modules both need stands in a lower one."""
    left = ties()
    while free := {module for module, needed in left.items() if not needed & left.keys()}:
        left = {module: needed for module, needed in left.items() if module not in free}
    assert left == {}, {module: sorted(needed & left.keys()) for module, needed in left.items()}


def test_circles_are_seen():
    """The check itself: it knows late imports, those for type checkers, and those through a front door."""
    tied = ties()
    assert "labelvalue.model.hierarchy.building" in tied["labelvalue.model.hierarchy.anchored"]
    assert "labelvalue.operate.store.folders" in tied["labelvalue.operate.history.descriptions"]
    assert "labelvalue.model.fitting.result" in tied["labelvalue.decisions.case.case"]
