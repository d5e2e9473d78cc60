"""The project of the tests of ``operate``, once more here."""

from tests.operate.conftest import first, project, sampler, second  # noqa: F401
