"""Processes whose clock is ahead of the machine's."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path


def moved(ahead: timedelta) -> dict[str, str]:
    """The variables under which a Python process finds the package's clock so much ahead.

    Python runs ``sitecustomize`` of the first directory on its path before all else; production has no such switch.
    """
    path = [str(Path(__file__).with_name("moved_clock")), os.environ.get("PYTHONPATH", "")]
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        "TESTS_CLOCK_AHEAD": str(ahead.total_seconds()),
    }
