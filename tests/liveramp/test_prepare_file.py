"""The merged first task on the liveramp route: verdicts staged in one read, with what ``validate`` finds."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from airflow_provider_tiktok_offline.delivery.events.delivery_events import SIDECAR
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.deliver import deliver
from airflow_provider_tiktok_offline.delivery.steps.prepare_file import prepare_file
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize_all
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import GateExceededError
from tests.liveramp.office import Office
from tests.liveramp.rows import row
from tests.servers.reading import counted_reads
from tests.servers.sshd import Sshd

NAME = "sales_20261121.psv"
FAULTY = [(*row(number)[:3], "ten", *row(number)[4:]) for number in range(5, 9)]


def verdicts(ctx: DeliveryContext, delivery_id: str) -> pl.DataFrame:
    """The staged sidecar."""
    with StagedParts(ctx.staging, delivery_id).open_read(SIDECAR) as stream:
        return pl.read_parquet(stream)


def test_one_pass_stages_what_validate_stages(tmp_path: Path, server: Sshd) -> None:
    """And the run ends with the file at the destination."""
    office = Office(tmp_path, server)
    office.open()
    stamp = office.drop(NAME, [*(row(number) for number in range(1, 5)), *FAULTY[:1]])
    explicit = office.context("daily/run-1", state_uri=str(tmp_path / "explicit"))
    merged = office.context("daily/run-1")
    validated = validate(explicit, stamp)
    with counted_reads() as reads:
        found = prepare_file(merged, stamp)
    assert reads.times(stamp["uri"], stamp["size"]) == 1
    assert found.staged is None
    assert found.validated.to_dict() == {**validated.to_dict(), "report_uri": found.validated.report_uri}
    delivery_id = validated.delivery_id
    assert verdicts(merged, delivery_id).equals(verdicts(explicit, delivery_id))
    dedupe(merged, delivery_id)
    assert deliver(merged, delivery_id).outcome == "delivered"
    summarize_all(merged)
    assert [len(lines) for lines in office.delivered().values()] == [4]
    assert merged.staging.list("") == []


def test_a_breach_leaves_no_verdicts(tmp_path: Path, server: Sshd) -> None:
    """Neither of this pass nor of one under a laxer gate."""
    office = Office(tmp_path, server)
    office.open()
    stamp = office.drop(NAME, [*(row(number) for number in range(1, 5)), *FAULTY])
    prepare_file(office.context("daily/run-1"), stamp)
    strict = office.context("daily/run-1", max_rejected_ratio=0.1)
    with pytest.raises(GateExceededError):
        prepare_file(strict, stamp)
    assert strict.staging.list("") == []
