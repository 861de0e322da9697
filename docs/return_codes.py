"""Writes the tables of return-codes.md from the code: ``python docs/return_codes.py``."""

from __future__ import annotations

import re
from pathlib import Path

from airflow_provider_tiktok_offline.tiktok.codes import RANGES, RETURN_CODES

PAGE = Path(__file__).parent / "return-codes.md"


def written(page: str) -> str:
    """The page with the tables of today."""
    codes = [f"| {code} | {known.name} | {known.kind} | {known.todo} |" for code, known in RETURN_CODES.items()]
    ranges = [f"| {numbers.start} to {numbers.stop - 1} | {kind} |" for numbers, kind, _ in RANGES]
    page = _replaced(page, "Codes", ["| code | name | kind | what to do |", "| --- | --- | --- | --- |", *codes])
    table = ["| codes | kind |", "| --- | --- |", *ranges, "| any other | fault |"]
    return _replaced(page, "Codes that are not listed", table)


def _replaced(page: str, heading: str, table: list[str]) -> str:
    pattern = rf"(?m)(^## {heading}\n\n)(?:\|.*\n)+"
    return re.sub(pattern, lambda match: match.group(1) + "\n".join(table) + "\n", page)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
