"""What Airflow 3.1 keeps in another place, or under another name, than later versions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow import __version__
from packaging.version import Version

# The type checker sees the newest version only.
if TYPE_CHECKING or Version(__version__) >= Version("3.2"):
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.encoders import encode_trigger
    from airflow.serialization.serialized_objects import DagSerialization

    _NAMED: dict[str, Any] = {"bundle_name": "dags-folder"}
else:
    from airflow.models.dagbag import DagBag
    from airflow.serialization.serialized_objects import SerializedDAG as DagSerialization
    from airflow.serialization.serialized_objects import _encode_trigger as encode_trigger

    _NAMED = {}

__all__ = ["DagBag", "DagSerialization", "dag_bag", "encode_trigger"]


def dag_bag(path: str | Path, *, bundle: Path | None = None) -> DagBag:
    """The DAGs of a file or folder, as the DAG processor collects them.

    :param bundle: the folder that places in import errors are relative to.
    """
    return DagBag(path, bundle_path=bundle, **_NAMED)
