"""The project of the tests of ``operate``, once more here."""

from tests.operate.conftest import decided, first, fitted, made_once, project, running, sampler, second  # noqa: F401
