"""The programme's template: the header, and a workbook with instructions."""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.conversions.contract.columns import PROGRAMME_COLUMNS
from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.samples.template import write_template


@pytest.mark.parametrize(("name", "mark"), [("a.csv", ","), ("a.tsv", "\t"), ("a.psv", "|"), ("a.txt", "|")])
def test_text_template_is_the_header(tmp_path: Path, name: str, mark: str) -> None:
    """One line, the 24 columns in the seed's order, in the delimiter of the type."""
    write_template(tmp_path / name)
    assert (tmp_path / name).read_text(encoding="utf-8") == mark.join(PROGRAMME_COLUMNS) + "\n"


def test_workbook_has_header_and_instructions(tmp_path: Path) -> None:
    """Row 1 is the header, row 2 says what each column must hold."""
    write_template(tmp_path / "a.xlsx")
    with zipfile.ZipFile(tmp_path / "a.xlsx") as book:
        texts = re.findall(r"<t[^>]*>([^<]*)</t>", book.read("xl/sharedStrings.xml").decode())
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert set(PROGRAMME_COLUMNS) <= set(texts)
    assert any(text.startswith("Required.") for text in texts)
    assert len(re.findall("<row ", sheet)) == 2


def test_other_types_are_refused(tmp_path: Path) -> None:
    """A type that the programme does not take is an error that names the ones it takes."""
    with pytest.raises(ConfigError, match=r"\.csv, \.tsv, \.psv, \.txt or \.xlsx"):
        write_template(tmp_path / "a.ods")


def test_workbook_without_the_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """XlsxWriter is optional; without it the error says how to get it."""
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(ConfigError, match=r"airflow-provider-tiktok-offline\[xlsx\]"):
        write_template(tmp_path / "a.xlsx")
