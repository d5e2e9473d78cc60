"""What the house is measured by counts what it says."""

from benchmarks.house import measure

MODULE = '''"""A module."""

import math  # used


class Box:
    """Holds."""

    def area(self, side):
        # squared
        return side**2


def half(number):
    """Half of it.

    More.
    """
    return number / 2
'''


def test_lines_are_counted_once_and_tests_not_at_all(tmp_path):
    (tmp_path / "tests").mkdir()
    for path in (tmp_path / "one.py", tmp_path / "tests" / "two.py"):
        path.write_text(MODULE)
    found = measure([tmp_path])
    assert (found["files"], found["lines"], found["code"], found["docstrings"]) == (1, 19, 6, 6)
    assert (found["largest class"], found["functions: median / 95 % / longest"]) == (3, "2 / 2 / 2")
