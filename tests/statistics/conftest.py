"""One compiled model for all statistical tests."""

from __future__ import annotations

import pytest

from tests.statistics.world import Bench


@pytest.fixture(scope="session")
def bench() -> Bench:
    return Bench()
