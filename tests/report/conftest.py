"""Fits and pages made once, and a parser that sees a page as a browser does."""

import dataclasses
from html.parser import HTMLParser

import numpy as np
import pytest

from labelvalue import testing, write_report
from tests.fits import altered

HOSTILE = (
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "<iframe src=https://evil.example>",
    "<a href='javascript:alert(1)'>x</a>",
    "<style>*{display:none}</style>",
    "<!-- comment",
    "]]>",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "&lt;b&gt; &amp; &#60;",
    "=cmd()",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "../x",
    "..\\x",
    "C:\\temp",
    "$\\frac{",
    "$x^2$",
    "_hidden",
    "__init__",
    "%s %d",
    "a;DROP TABLE runs;--",
    "very long name " * 13 + "end",
    "x" * 120,
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
    "\u0645\u0631\u062d\u0628\u0627",
    "\u4e2d\u6587",
    "emoji \U0001f600",
)


@pytest.fixture(scope="session")
def hostile_fit():
    """40 slices, 32 of them hostile, and hostile texts wherever else a user's text may come from."""
    slices = HOSTILE + tuple(f"region {i}" for i in range(40 - len(HOSTILE)))
    fit = testing.fake_fit(seed=3, slices=slices, draws=100)
    settings = {"notes": list(HOSTILE), "source": HOSTILE[0], "metric": HOSTILE[2]}
    flags = fit.diagnostics.flags | {slices[0]: (HOSTILE[2],), slices[1]: ("mostly assumption",)}
    attempt = {"remedy": HOSTILE[2], "verdict": "ok", "reasons": [HOSTILE[0]], HOSTILE[2]: HOSTILE[3]}
    diagnostics = dataclasses.replace(fit.diagnostics, flags=flags, attempts=(attempt,))
    prior = dataclasses.replace(fit.model.priors["churn"], meaning=HOSTILE[0], source=HOSTILE[2])
    model = dataclasses.replace(fit.model, priors=fit.model.priors.replace({"churn": prior}))
    return altered(fit, settings=settings, diagnostics=diagnostics, model=model)


@pytest.fixture(scope="session")
def hostile_page(hostile_fit, tmp_path_factory):
    return write_report(hostile_fit, path=tmp_path_factory.mktemp("hostile") / "report.html").read_text("utf-8")


@pytest.fixture(scope="session")
def page(fake_fit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    return write_report(fake_fit, path=folder / "report.html", budgets=[500, 2000]).read_text("utf-8")


@pytest.fixture(scope="session")
def decided(fake_fit):
    """A case with all kinds of costs and rules, and the plan for it."""
    import labelvalue as lv

    case = lv.Case(
        costs={
            "price_per_label": {"low": 0.05, "high": 0.2},
            "rework": {"low": 0.02, "high": 0.1},
            "setup_per_batch": 20,
            "batch_size": 2000,
            "retraining": 50,
            "labels_per_day": 300,
            "delay_per_day": 2,
        },
        value={"per_error_point": {"low": 100, "high": 300}, "stakes": {"west": 2}},
        guardrails={
            "minimum_gain": {"limit": 0.0005},
            "maximum_budget": {"limit": 900, "probability": 0.8},
            "floors": [{"slice": "west", "error": 0.2, "reason": "agreed with the regulator"}],
        },
        approvals=[
            {"approver": "head of data", "above": 100, "reason": "by-law 4"},
            {"approver": "board", "above": 1e6},
        ],
        currency="USD",
    )
    return case, lv.decide(fake_fit, case, max_labels=3000)


@pytest.fixture(scope="session")
def decided_file(fake_fit, decided, tmp_path_factory):
    """Its page, with the page's numbers beside it. Shared with the browser tests."""
    _, plan = decided
    path = tmp_path_factory.mktemp("decided") / "report.html"
    return write_report(plan, path=path, budgets=[500, 2000], numbers=path.with_suffix(".json"))


@pytest.fixture(scope="session")
def decided_page(decided_file):
    return decided_file.read_text("utf-8")


def artists(axes, gid):
    """What is drawn under a name."""
    return [a for a in axes.get_children() if a.get_gid() == gid]


def line(axes, gid):
    """Where the one line of a name goes through."""
    (found,) = artists(axes, gid)
    return np.asarray(found.get_xdata(), dtype=float), np.asarray(found.get_ydata(), dtype=float)


def band(axes, gid):
    """Lower and upper edge by x."""
    (found,) = artists(axes, gid)
    points = np.concatenate([p.vertices for p in found.get_paths()])
    return {x: (points[points[:, 0] == x, 1].min(), points[points[:, 0] == x, 1].max()) for x in set(points[:, 0])}


class Seen(HTMLParser):
    """Elements, attributes and text of a page."""

    VOID = frozenset({"meta", "img", "br", "input", "wbr"})

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.names, self.text, self.cells = [], [], [], [], []
        self.open = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag == "bdi":
            self.names.append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text.append(data)
        if "bdi" in self.open:
            self.names[-1] += data

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="session")
def seen():
    return Seen
