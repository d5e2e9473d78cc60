"""One compiled model for all statistical tests."""

import pytest

from tests.statistics.world import Bench


@pytest.fixture(scope="session")
def bench() -> Bench:
    return Bench()
