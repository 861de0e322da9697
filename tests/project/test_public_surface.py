"""The public names, module by module, and that documentation and example DAGs import no others."""

from __future__ import annotations

import inspect
import re
import textwrap
from importlib import import_module
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline import errors

ROOT = Path(__file__).parents[2]
PACKAGE = "airflow_provider_tiktok_offline"

#: A change here is a change that users notice: docs/upgrading.md, "What is public".
PUBLIC = {
    "clock": {"LEASE_TOLERANCE", "Clock", "ManualClock", "SystemClock", "lease_runs", "system_clock"},
    "config": {"AdvertiserConfig", "BrokenEntry", "LoadedConfig", "load_config"},
    "connections": {"Connection", "Connections"},
    "dag_factory": {
        "BrokenAdvertisersError",
        "build_dag",
        "build_dags",
        "build_report_dag",
        "raise_broken_advertisers",
    },
    "delivery.source.source_file": {"stamp_of"},
    "delivery.steps.prepare_file": {"PreparedFile", "prepare_file"},
    "delivery.steps.validate": {"validate"},
    "get_provider_info": {"get_provider_info"},
    "hooks.sftp": {"ConversionFileSFTPHook"},
    "hooks.tiktok": {"TikTokHook"},
    "ledger": {"DeliveredFile", "Deliveries", "DeliveryState", "Ledger", "delivery_id"},
    "links": {"EventsManagerLink", "FileReportLink"},
    "notifications.delivery": {
        "ApprovalNotifier",
        "DeliveryFailedNotifier",
        "DeliverySucceededNotifier",
        "DriftNotifier",
        "GateBreachedNotifier",
        "StaleFeedNotifier",
        "TikTokReportNotifier",
        "UnconfirmedNotifier",
    },
    "notifications.liveramp": {"LiveRampConfirmationNotifier"},
    "operators.approval": {"ApproveDeliveryOperator"},
    "operators.conversions": {"DedupeOperator", "NormalizeHashOperator", "ValidateConversionFileOperator"},
    "operators.liveramp": {"LiveRampDeliveryOperator", "WriteLiveRampFileOperator"},
    "operators.maintenance": {"DoctorOperator", "LedgerInitOperator", "LedgerMaintenanceOperator"},
    "operators.prepare": {"TikTokOfflinePrepareOperator"},
    "operators.reports": {"TikTokOfflineReportOperator"},
    "operators.shards": {"CutConversionFileOperator", "PrepareShardOperator"},
    "operators.summary": {"DeliverySummaryOperator"},
    "operators.tiktok": {"TikTokOfflineEventSetOperator", "TikTokUploadOperator"},
    "samples.sample_file": {"SAMPLE_COLUMNS", "Sample", "write_sample"},
    "sensors.conversion_file": {"ConversionFileSensor"},
    "taskflow": {"delivery_step"},
    "timetables": {"data_intervals"},
    "triggers.conversion_file": {"ConversionFileTrigger"},
}


@pytest.mark.parametrize("module", PUBLIC)
def test_a_module_declares_its_public_names(module: str) -> None:
    """``__all__`` is the list, and each name is there."""
    imported = import_module(f"{PACKAGE}.{module}")
    assert set(imported.__all__) == PUBLIC[module]
    assert all(hasattr(imported, name) for name in imported.__all__)


def test_every_error_is_public() -> None:
    """Who catches errors may name any of them."""
    classes = {name for name, one in vars(errors).items() if inspect.isclass(one) and not name.startswith("_")}
    assert set(errors.__all__) == classes - {"ClassVar"}


def _examples() -> list[tuple[str, str]]:
    """The Python of example DAGs, and of the blocks in README and docs."""
    found = [(file.name, file.read_text(encoding="utf-8")) for file in sorted((ROOT / "dags").glob("*.py"))]
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        found += [(page.name, textwrap.dedent(block)) for block in blocks]
    return found


@pytest.mark.parametrize(("name", "code"), _examples(), ids=lambda value: value if len(value) < 60 else "")
def test_examples_import_public_names(name: str, code: str) -> None:
    """Each name that an example imports from the package is a public one."""
    for module, listed in re.findall(rf"from {PACKAGE}\.([\w.]+) import (\([^)]*\)|[^\n]*)", code):
        allowed = set(errors.__all__) if module == "errors" else PUBLIC.get(module, set())
        assert set(re.findall(r"\w+", listed)) <= allowed, f"{name}: {module}"
