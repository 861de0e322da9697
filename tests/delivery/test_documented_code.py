"""Python blocks of the documentation that stand in no runnable file are run, on what a delivery has written."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import airflow.sdk
import yaml
from airflow.providers.common.compat.sdk import DAG, BaseOperator

from airflow_provider_tiktok_offline.delivery.operations.attribution import read_attribution
from airflow_provider_tiktok_offline.notifications.delivery import StaleFeedNotifier
from airflow_provider_tiktok_offline.operators.conversions import (
    DedupeOperator,
    NormalizeHashOperator,
    ValidateConversionFileOperator,
)
from airflow_provider_tiktok_offline.operators.tiktok import TikTokUploadOperator
from tests.delivery.world import World, rows

DOCS = Path(__file__).parents[2] / "docs"


def block(page: str, words: str) -> str:
    """The Python block of a page that has these words."""
    found = re.findall(r"^```python\n(.*?)^```$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    [one] = [text for text in found if words in text]
    return str(one)


def run(code: str, **names: Any) -> dict[str, Any]:
    """What the code leaves; the value of its last expression as ``last``."""
    *statements, last = code.rstrip().splitlines()
    assigned = re.match(r"\w+ = |\)$", last)
    exec("\n".join([*statements, last if assigned else f"last = {last}"]), names)  # noqa: S102 - our own documentation
    return names


def test_the_ledger_is_read_with_polars(world: World) -> None:
    """The newest row of each key, by day and outcome."""
    world.init_ledger()
    world.deliver(world.drop(rows(1, 7)))
    [keys] = (world.folder / "state").glob("event_sets/*/g0001/keys")
    code = re.sub(r'scan_delta\(".*?"\)', f'scan_delta("{keys}")', block("ledger.md", "import polars"))
    assert run(code)["last"].select("outcome", "len").rows() == [("accepted", 7)]


def test_what_was_attributed_is_read_with_polars(world: World) -> None:
    """The newest reading of each number."""
    world.init_ledger()
    world.deliver(world.drop(rows(1, 5)))
    for _ in range(2):
        read_attribution(world.context(reports={}))
        world.clock.advance(timedelta(hours=1))
    [table] = (world.folder / "state").glob("advertisers/*/attribution")
    code = re.sub(r'scan_delta\(".*?"\)', f'scan_delta("{table}")', block("airflow.md", "scan_delta"))
    result = run(code)
    numbers = ["level", "object_id", "stat_day", "metric"]
    assert result["latest"].height == result["rows"].select(numbers).unique().collect().height > 0
    assert result["rows"].collect().height == 2 * result["latest"].height


def test_the_dag_file_builds_dags(world: World, tmp_path: Path) -> None:
    """The two lines of a DAG file."""
    entry = world.context().config.model_dump(mode="json", exclude_unset=True)
    (tmp_path / "advertisers.yaml").write_text(yaml.safe_dump({"advertisers": [entry]}), encoding="utf-8")
    names = run(block("airflow.md", "build_dags(globals()"), __file__=str(tmp_path / "shops.py"))
    assert f"tiktok_offline__{entry['name']}" in names


def test_a_deadline_tells_of_a_stale_file() -> None:
    """The DAG of the block has the deadline."""
    code = block("airflow.md", "DeadlineAlert(").replace("DAG(\n    ...,", 'dag = DAG(\n    "stale",')
    if not hasattr(airflow.sdk, "DeadlineAlert"):  # Airflow 3.1
        code = code.replace("from airflow.sdk import", "from airflow.sdk.definitions.deadline import")
    dag = run(code, DAG=DAG, timedelta=timedelta, StaleFeedNotifier=StaleFeedNotifier)["dag"]
    [deadline] = dag.deadline if isinstance(dag.deadline, list) else [dag.deadline]
    assert deadline.interval == timedelta(hours=4)
    assert deadline.callback.kwargs["advertiser"] == "acme_us"


def test_a_pod_of_a_task_has_its_resources(world: World) -> None:
    """The block for KubernetesExecutor."""
    settings = world.context().config
    with DAG("pods", schedule=None):
        validate = ValidateConversionFileOperator(task_id="validate", settings=settings, files=[])
        operator = partial(NormalizeHashOperator, settings=settings)
        task = run(block("kubernetes.md", "pod_override"), NormalizeHashOperator=operator, validate=validate)["last"]
    [container] = task.executor_config["pod_override"].spec.containers
    assert container.resources.requests["memory"] == "1Gi"


def test_upload_is_mapped_over_parts(world: World) -> None:
    """The line of the reference."""
    settings = world.context().config
    with DAG("mapped", schedule=None):
        dedupe: BaseOperator = DedupeOperator(task_id="dedupe", settings=settings, deliveries=[])
        upload = run(
            block("reference-airflow.md", "TikTokUploadOperator.partial("),
            TikTokUploadOperator=TikTokUploadOperator, settings=settings, dedupe=dedupe,
        )["last"]  # fmt: skip
    assert upload.is_mapped
    assert upload.upstream_task_ids == {"dedupe"}
