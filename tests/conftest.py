"""One throw-away Airflow home for the whole session, named before anything imports Airflow.

Airflow reads its environment when it is first imported, so this is done while pytest collects.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

from tests.servers.airflow import airflow_environment

_HOME = Path(tempfile.mkdtemp(prefix="tiktok-offline-airflow-"))
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
airflow_environment(_HOME).apply()
