"""docs/file-format.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from airflow_provider_tiktok_offline.config import AdvertiserConfig
from airflow_provider_tiktok_offline.conversions.contract.catalogue import EXCLUSIONS, RULES
from airflow_provider_tiktok_offline.conversions.contract.columns import PROGRAMME_COLUMNS
from airflow_provider_tiktok_offline.samples import file_format_page

REPOSITORY = Path(__file__).parents[2]


def test_committed_page_is_the_generated_one() -> None:
    """A rule that changes changes the page in the same commit."""
    committed = (REPOSITORY / file_format_page.PAGE).read_text(encoding="utf-8")
    assert committed == file_format_page.page(), (
        "run python -m airflow_provider_tiktok_offline.samples.file_format_page"
    )


def test_every_rule_column_and_reason_has_its_line() -> None:
    """Nothing that a report can name is missing."""
    lines = file_format_page.page().splitlines()
    for name in (*RULES, *EXCLUSIONS):
        assert sum(line.startswith(f"| `{name}` |") for line in lines) == 1, name
    for number, name in enumerate(PROGRAMME_COLUMNS, 1):
        assert any(line.startswith(f"| {number} | `{name}` |") for line in lines)


def test_every_table_row_has_its_cells() -> None:
    """A pipe inside a cell does not tear a row apart."""
    rows = [line for line in file_format_page.page().splitlines() if line.startswith("|")]
    widths = {line.replace("\\|", "").count("|") for line in rows if line.startswith("| `") and line.count("|") > 4}
    assert widths == {9}


def test_every_rule_says_what_it_costs_and_every_setting_exists() -> None:
    """File, row, cell or nothing; off where it is not looked at."""
    page = file_format_page.page()
    for name, rule in RULES.items():
        line = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        severities = [cell.strip() for cell in line.replace("\\|", "/").split("|")[4:6]]
        for profile, cell in zip(("tiktok", "liveramp"), severities, strict=True):
            expected = "error" if rule.locked else rule.severity[profile]  # type: ignore[index]
            assert cell == "off" or re.fullmatch(f"{expected}( &#128274;)?: (file|row|cell|nothing)", cell), (
                name,
                cell,
            )
    known = set(AdvertiserConfig.model_fields)
    for line in page.partition("## What settings change")[2].partition("##")[0].splitlines():
        for setting in re.findall(r"^\| `([^`]+)`", line):
            assert {one.strip().split(".")[0].split(":")[0] for one in setting.split(",")} <= known, setting
