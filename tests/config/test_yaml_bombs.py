"""YAML that is small on disk and large in memory is one message, not a crash."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.config.yaml_documents import read_document
from airflow_provider_tiktok_offline.errors import ConfigError

_LAUGHS = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 10)]
)


@pytest.mark.parametrize(
    "text",
    [
        _LAUGHS,
        "[" * 100_000 + "]" * 100_000,
        "{a: " * 100_000 + "}" * 100_000,
        "- " * 100_000 + "x",
        "{{" * 100_000,
        "{{" * 100_000 + "}}" * 100_000,
        "advertisers: " + "{{" * 60_000,
        "? " * 100_000 + "x",
        "a0: &a0 [x]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}]\n" for n in range(1000)),
        "\n".join(" " * level + "a:" for level in range(3000)),
        "a: [" + "1, [" * 5000 + "]" * 5001,
        "x" * (17 * 1024 * 1024),
    ],
    ids=[
        "laughs", "lists", "mappings", "dashes", "open-braces", "braces", "braces-of-a-key", "questions", "aliases",
        "indents", "mixed", "long",
    ],
)  # fmt: skip
def test_a_bomb_is_refused_at_once(tmp_path: Path, text: str) -> None:
    """Whatever makes it grow."""
    file = tmp_path / "advertisers.yaml"
    file.write_text(text)
    begun = time.process_time()
    with pytest.raises(ConfigError, match=r"deeper than|characters|no valid YAML"):
        read_document(file, {})
    assert time.process_time() - begun < 5


def test_anchors_of_a_usual_file_are_read(tmp_path: Path) -> None:
    """Repeated settings may be written once."""
    file = tmp_path / "advertisers.yaml"
    file.write_text("shared: &shared {a: [1, 2]}\nlist:\n  - *shared\n  - *shared\n")
    value = read_document(file, {}).value
    assert value == {"shared": {"a": [1, 2]}, "list": [{"a": [1, 2]}, {"a": [1, 2]}]}
