"""The pages of a project as a person sees them: the report with its past, the trail, and all projects."""

from labelvalue import refit_all
from labelvalue.operate.history.pages import write_trail
from tests.browsing import overflow, passes_axe, shot, unfold
from tests.operate.conftest import CASE, WITH_CASE, configure


def test_axe_finds_nothing_and_nothing_is_cut(running, tmp_path, visit):
    (running.folder / "case.toml").write_text(f"{CASE}[guardrails]\nlabels_in_all = 5\n")
    configure(running, WITH_CASE)
    running.note("two annotators only", slice="west", author="E. Noether")
    running.note("second shipment", batch="b", author="M. Curie")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "labelvalue.toml").write_text("[fit]\ndraw = 1\n")
    table = refit_all(tmp_path, progress=False)
    pages = {
        "over-time": table.set_index("project").loc["project", "page"],
        "projects": table.attrs["page"],
        "trail": write_trail(running, tmp_path / "trail.html"),
    }
    for name, path in pages.items():
        for width in (390, 1200):
            page = visit(path, width=width)
            unfold(page)
            shot(page, f"{name}-{width}", full_page=True)
            assert overflow(page) == [0, []], name
            passes_axe(page)
