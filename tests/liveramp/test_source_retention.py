"""What becomes of a source file after its delivery."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_tiktok_offline.errors import GateExceededError, InputFileError
from tests.liveramp.office import Office
from tests.liveramp.rows import row, text
from tests.servers.sshd import Sshd


@pytest.fixture
def office(server: Sshd, tmp_path: Path) -> Office:
    office = Office(tmp_path, server)
    office.open()
    return office


def _source(office: Office, **settings: Any) -> dict[str, Any]:
    return {"source": {"path": str(office.folder / "drop" / "sales_{{ ds_nodash }}.psv"), **settings}}


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_delivered_file_is_archived_and_an_older_one_of_its_name_kept(office: Office) -> None:
    """Two files of one name in a row: both end in the archive."""
    archive = office.folder / "archive"
    settings = _source(office, after_delivery="archive", archive_path=str(archive))
    for day in range(2):
        rows = [row(number) for number in range(day * 40, day * 40 + 40)]
        office.run(f"daily/{day}", [office.drop("sales.psv", rows)], **settings)
        office.clock.advance(timedelta(days=1))
    assert _names(office.folder / "drop") == []
    assert len(_names(archive)) == 2
    assert "sales.psv" in _names(archive)


def test_a_delivered_file_is_deleted_only_if_it_is_still_the_same(office: Office) -> None:
    """Kept on a dry run, deleted after the delivery."""
    settings = _source(office, after_delivery="delete")
    stamp = office.drop("sales.psv", [row(number) for number in range(40)])
    office.run("dry/1", [stamp], mode="dry_run", **settings)
    assert _names(office.folder / "drop") == ["sales.psv"]
    office.run("daily/1", [stamp], **settings)
    assert _names(office.folder / "drop") == []


def test_a_waiting_file_stays_until_it_went_out(office: Office) -> None:
    """A queued delivery still needs its file."""
    settings = _source(office, after_delivery="delete")
    office.run("daily/1", [office.drop("a.psv", [row(number) for number in range(40)])], **settings)
    office.run("daily/2", [office.drop("b.psv", [row(number) for number in range(40, 80)])], **settings)
    assert _names(office.folder / "drop") == ["b.psv"]
    office.clock.advance(timedelta(days=1))
    office.run("daily/3", [office.drop("c.psv", [row(number) for number in range(80, 120)])], **settings)
    assert _names(office.folder / "drop") == []


@pytest.mark.parametrize("fault", ["empty", "gate"])
def test_an_unusable_file_is_quarantined(office: Office, fault: str) -> None:
    """A file that can't be used, or is mostly rejected, is moved out of the way."""
    settings = _source(office, quarantine_path=str(office.folder / "quarantine"))
    bad = [(*row(number)[:3], "free", *row(number)[4:]) for number in range(40)]
    stamp = office.drop_content("a.psv", b"" if fault == "empty" else text(bad))
    with pytest.raises(InputFileError if fault == "empty" else GateExceededError):
        office.run("daily/1", [stamp], **settings)
    assert _names(office.folder / "drop") == []
    assert _names(office.folder / "quarantine") == ["a.psv"]
