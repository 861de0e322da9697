"""The programme's file template: a header to fill rows below, or a workbook with the formatting instructions."""

from __future__ import annotations

from pathlib import Path

from airflow_provider_tiktok_offline.conversions.contract.catalogue import RULES
from airflow_provider_tiktok_offline.conversions.contract.columns import (
    COLUMNS,
    DELIMITER_OF_TYPE,
    PROGRAMME_COLUMNS,
    Column,
)
from airflow_provider_tiktok_offline.errors import ConfigError

_WHOLE_ROW = {"white_space", "placeholder", "placeholder_name", "needs_quotes"}


def write_template(path: Path) -> None:
    """Write the template.

    :param path: ``.csv``, ``.tsv``, ``.psv`` or ``.txt`` gets the header alone; ``.xlsx`` the header and, below it, a
        row of instructions, to be deleted before the file is saved as text.
    :raises ConfigError: if the path has another type, or XlsxWriter is not installed.
    """
    if path.suffix == ".xlsx":
        _write_workbook(path)
        return
    delimiter = DELIMITER_OF_TYPE.get(path.suffix, "|" if path.suffix == ".txt" else "")
    if not delimiter:
        raise ConfigError("must end in .csv, .tsv, .psv, .txt or .xlsx.", where=str(path))
    path.write_text(delimiter.join(PROGRAMME_COLUMNS) + "\n", encoding="utf-8")


def instruction(column: Column) -> str:
    """What a cell of the column must hold, in the words of its rules."""
    need = "Required." if column.value_required else "Column required." if column.required else "Optional."
    checks = [
        rule.fault
        for rule in RULES.values()
        if column.name in rule.columns and rule.severity["liveramp"] == "error" and rule.name not in _WHOLE_ROW
    ]
    return " ".join([need, "Refused:", *checks]) if checks else need


def _write_workbook(path: Path) -> None:
    try:
        import xlsxwriter
    except ImportError:
        raise ConfigError(
            "needs the package XlsxWriter.",
            where=str(path),
            todo="Install airflow-provider-tiktok-offline[xlsx], or write a .csv template.",
        ) from None
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet("conversions")
        bold, wrapped = book.add_format({"bold": True}), book.add_format({"text_wrap": True, "valign": "top"})
        text = book.add_format({"num_format": "@"})
        for number, column in enumerate(COLUMNS):
            # Cells are text: a spreadsheet would turn phones into numbers and drop zeros.
            sheet.set_column(number, number, 28, text)
            sheet.write_string(0, number, column.name, bold)
            sheet.write_string(1, number, instruction(column), wrapped)
        sheet.freeze_panes(1, 0)
