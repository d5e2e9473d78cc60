"""What a user is told: every problem, in one go, and no more than can be read."""

import pytest

from labelvalue.problems import SHOWN, InputError, Problem, StorageError, did_you_mean, quote


def problems(count):
    return [Problem(why=f"wrong {i}", fix="mend it", file="r.csv", line=i) for i in range(count)]


@pytest.mark.parametrize("count", [1, SHOWN, SHOWN + 1, 500])
def test_twenty_are_shown_and_the_rest_is_counted(count):
    error = InputError(problems(count))
    lines = str(error).splitlines()
    assert len(error.problems) == count
    assert lines[: min(count, 20)] == [f"r.csv:{i}: wrong {i}. Fix: mend it." for i in range(min(count, 20))]
    assert lines[20:] == ([f"… and {count - 20} more"] if count > 20 else [])
    assert isinstance(error, ValueError)


def test_problems_may_come_from_a_generator():
    assert len(InputError(p for p in problems(3)).problems) == 3


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("10.5", "'10.5'"),
        (10.5, "10.5"),
        (None, "None"),
        ("a\x00\x1b[31m", "'a\\x00\\x1b[31m'"),
        ("\u202eevil", "'\\u202eevil'"),
        ("line\nbreak", "'line\\nbreak'"),
        ("é漢", "'é漢'"),
    ],
)
def test_quote_shows_what_was_written(value, shown):
    assert quote(value) == shown
    assert quote(value).isprintable()


@pytest.mark.parametrize("length", [70, 78, 79, 1_000_000])
def test_quote_is_cut_at_its_limit(length):
    shown = quote("x" * length)
    assert len(shown) == min(length + 2, 80)
    assert shown.endswith("…") == (length > 78)
    assert len(quote("x" * length, limit=10)) == 10


@pytest.mark.parametrize(
    ("word", "known", "tail"),
    [
        ("norht", ["north", "south"], "; did you mean 'north'?"),
        ("n_labels", ["labels", "slice"], "; did you mean 'labels'?"),
        ("xyz", ["north", "south"], ""),
        ("north", [], ""),
        ("", ["north"], ""),
    ],
)
def test_did_you_mean(word, known, tail):
    assert did_you_mean(word, known) == tail
    assert did_you_mean(word, (k for k in known)) == tail


@pytest.mark.parametrize(
    ("place", "head"),
    [
        ({}, ""),
        ({"file": "r.csv"}, "r.csv: "),
        ({"file": "r.csv", "line": 7}, "r.csv:7: "),
        ({"line": 7}, "row 7: "),
        ({"file": "r.csv", "line": 7, "column": "labels"}, "r.csv:7, column 'labels': "),
        ({"column": "labels", "value": 0}, "column 'labels', value 0: "),
    ],
)
def test_a_problem_says_where_it_is(place, head):
    assert str(Problem(why="it is wrong", fix="mend it", **place)) == f"{head}it is wrong. Fix: mend it."


@pytest.mark.parametrize("place", ["column", "why", "fix", "file"])
def test_a_problem_never_quotes_a_file_at_length(place):
    """A header of a megabyte was printed whole, and all twenty times."""
    given = {"file": "a.csv", "column": "c", "why": "it is wrong", "fix": "mend it"}
    told = str(InputError([Problem(**given | {place: "x" * 10**6})] * 20))
    assert len(told) < 30_000
    assert told.count(" Fix: ") == 20
    assert place == "file" or told.startswith("a.csv")


def test_a_question_keeps_its_mark():
    assert str(Problem(why="is it wrong?", fix="mend it")) == "is it wrong? Fix: mend it."


def test_a_problem_as_plain_data():
    shown = Problem(why="w", fix="f", line=3, value=1.5).as_dict()
    assert shown == {"file": "", "line": 3, "column": "", "value": "1.5", "why": "w", "fix": "f"}
    assert Problem(why="w", fix="f").as_dict()["value"] is None


def test_storage_errors_are_errors_of_the_system():
    assert issubclass(StorageError, OSError)
    assert str(StorageError("fit.nc: checksum differs")) == "fit.nc: checksum differs"
