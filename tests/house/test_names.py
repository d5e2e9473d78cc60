"""Names of dims and variables are written down in names.py and nowhere else."""

import ast
from pathlib import Path

from labelvalue import names

ROOT = Path(__file__).resolve().parents[2]

# Words such as "slice" or "error" mean other things too; a compound name or a flag can only be ours.
OURS = {v for k, v in vars(names).items() if k.isupper() and isinstance(v, str) and ("_" in v or " " in v)}
OURS |= {names.ELASTICITY, names.DOUBLINGS, names.BORROWED}

EXEMPT = {"labelvalue/names.py", "labelvalue/__init__.py"}  # the second lists functions of the same names


def modules() -> list[Path]:
    found = (p for room in ("labelvalue", "models") for p in (ROOT / room).rglob("*.py"))
    return sorted(p for p in found if str(p.relative_to(ROOT)) not in EXEMPT)


def exported(tree: ast.Module) -> set[int]:
    """Lines of ``__all__``, where function names stand as text."""
    nodes = [n for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__"]
    return {line for n in nodes for line in range(n.lineno, (n.end_lineno or n.lineno) + 1)}


def test_no_name_is_repeated():
    trees = {path: ast.parse(path.read_text()) for path in modules()}
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.value!r} stands in names.py; use the constant"
        for path, tree in trees.items()
        for skipped in [exported(tree)]
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in OURS and node.lineno not in skipped
    ]
    assert not wrong, "\n".join(wrong)


def test_names_are_unique():
    """Two constants with one value would let a typo pass; a dim and a group may share a word on purpose."""
    values = [v for k, v in vars(names).items() if k.isupper() and isinstance(v, str)]
    assert len(values) == len(set(values))
