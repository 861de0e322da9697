"""``template``: the programme's columns, empty, as text or as a workbook with instructions."""

from __future__ import annotations

import zipfile

import pytest

from airflow_provider_tiktok_offline.conversions.contract.columns import COLUMNS, PROGRAMME_COLUMNS
from airflow_provider_tiktok_offline.samples.template import instruction
from tests.cli.conftest import Cli


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.psv", "|")])
def test_a_text_template_is_the_header(cli: Cli, name: str, delimiter: str) -> None:
    """With the delimiter that its type asks for."""
    cli.done("template", name)
    assert (cli.home / name).read_text() == delimiter.join(PROGRAMME_COLUMNS) + "\n"


def test_a_workbook_holds_header_and_instructions(cli: Cli) -> None:
    """And says that the row of instructions has to go."""
    assert "Delete the row of instructions" in cli.done("template", "a.xlsx")
    with zipfile.ZipFile(cli.home / "a.xlsx") as book:
        texts = book.read("xl/sharedStrings.xml").decode()
    assert all(f">{name}<" in texts for name in PROGRAMME_COLUMNS)
    assert "Required." in texts


def test_instructions_left_in_a_file_are_found(cli: Cli) -> None:
    """As a rule of its own, not as a heap of broken cells."""
    header = "|".join(PROGRAMME_COLUMNS)
    row = "|".join(instruction(column).replace("|", "/").replace('"', "") for column in COLUMNS)
    (cli.home / "a.psv").write_text(f"{header}\n{row}\n")
    result = cli("validate", "a.psv")
    assert result.returncode == 1
    assert "instruction_row" in result.stdout
    assert "timestamp_format" not in result.stdout


def test_another_type_is_one_error(cli: Cli) -> None:
    """The known ones are named."""
    assert ".xlsx" in cli.error("template", "a.doc")
