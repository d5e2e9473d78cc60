"""The other families of curves against worlds of their own: ranks and coverage, and the wrong family must fail."""

import numpy as np
import pytest

from tests.statistics.test_calibration import coverage_failures, run_pass
from tests.statistics.world import ABOVE_FLOOR, FAMILIES, Bench

OTHERS = [name for name in FAMILIES if name != "power_law"]
SIMULATIONS = 100


@pytest.mark.parametrize("family", FAMILIES)
def test_the_second_writing_is_anchored_too(family):
    """1 at size 1, with minus the rate as its slope there on logarithmic axes."""
    shape = {"morgan_mercer_flodin": (3.0,), "broken_power_law": (1.5, 0.4)}.get(family, ())
    above, step = ABOVE_FLOOR[family], 1e-6
    assert above(1.0, 0.3, *shape) == pytest.approx(1.0)
    slope = np.log(above(np.exp(step), 0.3, *shape) / above(np.exp(-step), 0.3, *shape)) / (2 * step)
    assert slope == pytest.approx(-0.3, rel=1e-6)


@pytest.fixture(scope="module", params=OTHERS)
def outcome(request):
    return run_pass(Bench(request.param), range(SIMULATIONS))


@pytest.mark.slow(reason="a hundred fits a family")
def test_ranks_of_the_truth_are_uniform(outcome):
    """Every parameter, those of the family's own shape among them. False alarms: 1 in 1,000 a family."""
    assert outcome.ranks.failures() == {}


@pytest.mark.slow(reason="the same fits")
def test_intervals_of_the_future_error_cover(outcome):
    """At 2, 4 and 8 times the reference. False alarms: 1 in 1,000."""
    assert coverage_failures(outcome) == {}


@pytest.mark.slow(reason="forty fits")
def test_curves_of_another_family_fail_the_rank_test():
    """Curves that fall exponentially, read as power laws."""
    bench = Bench("power_law")
    bench.family = "exponential"
    found = run_pass(bench, range(40)).ranks.failures()
    assert {"curve_elasticity", "floor_share", "gain"} & set(found)
