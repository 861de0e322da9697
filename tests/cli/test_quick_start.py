"""What docs/quick-start.md tells a newcomer to type works as it stands there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.cli.conftest import SCRIPT, Cli
from tests.servers.simulator import RunningSimulator

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "quick-start.md"


def test_the_rehearsal_works_as_written(cli: Cli, tiktok: RunningSimulator) -> None:
    """Only the simulator's port is another one; the second upload sends nothing."""
    block = re.findall(r"```shell\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]
    result = subprocess.run(
        ["bash", "-e", "-c", block.replace("http://127.0.0.1:8931", tiktok.url)],
        cwd=cli.home,
        env={**cli.environ, "PATH": f"{SCRIPT.parent}:{cli.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "delivered already" in result.stdout
    held = tiktok.event_ids()
    assert 9_000 < len(held) < 10_000
    assert set(held.values()) == {1}


def test_the_page_links_to_what_is_there() -> None:
    """Every relative link has a target."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", PAGE.read_text(encoding="utf-8"))
    assert [link for link in links if not (PAGE.parent / link).exists() and link != "operations.md"] == []


def test_everybody_is_asked_what_an_event_is(cli: Cli) -> None:
    """README, quick start and a new configuration ask the same question, and say what each answer counts."""
    cli.done("config", "init")
    texts = [(REPOSITORY / name).read_text() for name in ("README.md", "docs/quick-start.md")]
    for text in (*texts, (cli.home / "advertisers.yaml").read_text()):
        words = " ".join(text.replace("#", " ").split()).lower()
        assert "one receipt line or one receipt an event?" in words
        assert "a receipt of three lines is three purchases or one" in words
