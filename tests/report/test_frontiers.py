"""The contour plot of items against votes."""

import io

import numpy as np
import pytest

from labelvalue.label_quality import quality_frontier
from labelvalue.report.plots.plan import plot_frontier


@pytest.fixture(scope="module")
def frontier(fake_fit):
    return quality_frontier(fake_fit, 600, price=0.1, item_price=0.3, noise={"default": 0.05, "west": 0.4})


def drawn(ax, gid):
    return next(line for line in ax.lines if line.get_gid() == gid)


def test_the_line_is_what_the_sum_buys_and_the_point_what_is_chosen(frontier):
    figure = plot_frontier(frontier)
    for ax, name in zip(figure.axes, frontier["slice"].values, strict=True):
        np.testing.assert_array_equal(drawn(ax, "sum").get_xdata(), frontier["labels"])
        chosen = frontier["votes_chosen"].sel(slice=name).item()
        assert drawn(ax, "chosen").get_ydata().tolist() == [chosen]
        assert ax.get_title() == "" or str(name) in ax.get_title()
    content = io.BytesIO()
    figure.savefig(content, format="png")
    assert content.getbuffer().nbytes > 10_000


def test_other_frontiers_are_refused(frontier):
    with pytest.raises(ValueError, match="at least two numbers of votes"):
        plot_frontier(frontier.isel(votes=[0]))
