"""Without its system packages the deployment's tests fail, and say what to install."""

from __future__ import annotations

import pytest

from tests.deployment.processes import ProgramMissingError, program


def test_a_missing_program_names_its_package() -> None:
    """Nothing is skipped."""
    with pytest.raises(ProgramMissingError, match=r"^no-such-server is needed: apt-get install postgresql$"):
        program("no-such-server", "postgresql")
