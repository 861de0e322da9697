"""What a task read and wrote, for OpenLineage where its provider is installed: places and row counts, no credential.

A file on an SFTP server is named by its connection's id, since the server's own name is the connection's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.storage.uris import parse

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.event_v2 import Dataset as OpenLineageDataset
    from openlineage.client.facet_v2 import OutputDatasetFacet, RunFacet

    from airflow_provider_tiktok_offline.config.models import AdvertiserConfig


@dataclass(frozen=True, slots=True)
class Place:
    """One dataset.

    Attributes:
        namespace: the store: ``file``, ``sftp://conn_id``, ``s3://bucket``, ``gs://bucket`` or ``tiktok``.
        name: where it lies there.
        rows: rows written to it; None where it was read.
    """

    namespace: str
    name: str
    rows: int | None = None


def at(uri: str, rows: int | None = None) -> Place:
    """The dataset at a URI."""
    location = parse(uri)
    if location.scheme == "file":
        return Place("file", location.path, rows)
    return Place(f"{location.scheme}://{location.bucket or location.conn_id}", location.path, rows)


def event_set(config: AdvertiserConfig, rows: int | None = None) -> Place:
    """The advertiser's event set at TikTok."""
    return Place("tiktok", f"advertisers/{config.advertiser_id}/event_sets/{config.event_set_id}", rows)


class Traced:
    """Mixed into operators that say what they read and wrote while they do it."""

    def trace(self, *, read: list[Place] | None = None, written: list[Place] | None = None) -> None:
        """Add to what this task has read and written."""
        # Made here: operators are built by the thousand at each parse, and run one at a time.
        traced: list[tuple[list[Place], list[Place]]] = self.__dict__.setdefault("_traced", [])
        traced.append((read or [], written or []))

    def get_openlineage_facets_on_complete(
        self,
        task_instance: object,  # noqa: ARG002 - Airflow's signature
    ) -> OperatorLineage[OpenLineageDataset, RunFacet]:
        """OpenLineage's view of the task.

        It is asked in a forked child of the task's process, where Polars would hang: only what :meth:`trace` was given
        is looked at.
        """
        from airflow.providers.common.compat.openlineage.facet import (
            Dataset,
            OutputDataset,
            OutputStatisticsOutputDatasetFacet,
        )
        from airflow.providers.openlineage.extractors import OperatorLineage

        inputs: dict[Place, Dataset] = {}
        outputs: dict[Place, Dataset] = {}
        for read, written in self.__dict__.get("_traced", []):
            inputs |= {place: Dataset(place.namespace, place.name) for place in read}
            for place in written:
                facets: dict[str, OutputDatasetFacet] = {}
                if place.rows is not None:
                    facets["outputStatistics"] = OutputStatisticsOutputDatasetFacet(rowCount=place.rows)
                outputs[place] = OutputDataset(place.namespace, place.name, outputFacets=facets)
        return OperatorLineage(inputs=list(inputs.values()), outputs=list(outputs.values()))
