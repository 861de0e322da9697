"""Objects that were written long ago, for tests whose clock is not the store's."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC).timestamp()


def age_objects(objects: ObjectStore) -> None:
    """Give everything below a local store a date before any clock of the tests.

    Maintenance looks into what is old by the store's dates; what it finds there then decides.
    """
    for file in Path(objects.uri).rglob("*"):
        os.utime(file, (_LONG_AGO, _LONG_AGO))
