"""What a person at a terminal sees, and a pipe does not."""

from __future__ import annotations

import os
import pty
import subprocess

from tests.cli.conftest import SCRIPT, Cli
from tests.cli.sales import AS_OF, rows


def test_progress_is_shown_on_a_terminal(cli: Cli) -> None:
    """On stderr, so that the output can still be piped."""
    (cli.home / "sales.csv").write_text(rows(40_000))
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [SCRIPT, "validate", "sales.csv", "--as-of", AS_OF],
        cwd=cli.home,
        env={**cli.environ, "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=follower,
    )
    os.close(follower)
    output = process.communicate(timeout=240)[0]
    seen = b""
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:
            break
        if not chunk:
            break
        seen += chunk
    os.close(leader)
    assert b"%" in seen
    assert b"validate" in seen
    assert b"\x1b[" not in output


def test_nothing_but_results_goes_into_a_pipe(cli: Cli) -> None:
    """Neither progress nor colours, and no name is cut to the width of a terminal."""
    (cli.home / "sales.csv").write_text(rows(10))
    result = cli("validate", "sales.csv", "--as-of", AS_OF, "--profile", "liveramp", COLUMNS="40")
    assert result.stderr == ""
    assert "category_unknown" in result.stdout
    assert "\x1b" not in result.stdout
