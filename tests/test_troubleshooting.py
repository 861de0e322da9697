"""docs/troubleshooting.md speaks of messages that the package really gives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def _messages() -> list[str]:
    lines = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if line.startswith("| ") and not line.startswith("| the message")]
    return [line.split("|")[1].strip() for line in table]


def _source() -> str:
    """Every string of the package, with adjacent ones joined as Python joins them."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / _PACKAGE).rglob("*.py")))
    return re.sub(r"[\"']\s*\n\s*f?[\"']", "", text).lower()


_PACKAGE = "airflow_provider_tiktok_offline"
SOURCE = _source()


@pytest.mark.parametrize("message", _messages())
def test_a_message_is_in_the_code(message: str) -> None:
    """What stands between the dots is the package's own wording."""
    pieces = [piece.strip() for piece in message.split("...") if piece.strip()]
    assert pieces
    for piece in pieces:
        assert piece.lower() in SOURCE, piece
