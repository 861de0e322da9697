"""A pass loads what it needs and nothing else: each module counts in every task that starts one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conversions.files import text

_SCRIPT = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
from airflow_provider_tiktok_offline.conversions.preparation.prepare import prepare
folder = Path(sys.argv[1])
settings = ConversionSettings(phone_region="US", currency="USD")
done = prepare(LocalFile(folder / "day.csv"), settings, as_of=datetime(2026, 11, 22, 12, tzinfo=UTC),
               output=DirectoryParts(folder / "parts"))
assert done.report.rows_valid == 2, done.report
print(*sorted({name for name in sys.modules if name in ("pandas", "pyarrow.compute", "httpx", "airflow", "deltalake")}))
"""


def test_preparing_loads_no_library_that_it_does_not_need(tmp_path: Path) -> None:
    """Pandas takes half a second of processor time, and Arrow's compute functions a tenth."""
    content = text(
        [{"order_id": "o1", "phone_1": "2125550100"}, {"order_id": "o2", "transaction_category": "Purchase"}]
    )
    (tmp_path / "day.csv").write_text(content)
    run = subprocess.run([sys.executable, "-c", _SCRIPT, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.split()) == (0, []), run.stderr
