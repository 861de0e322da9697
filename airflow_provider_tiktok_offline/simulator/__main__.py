"""``python -m airflow_provider_tiktok_offline.simulator``: the simulator as a bare process.

The first line of its output is its URL, printed as soon as it answers.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from airflow_provider_tiktok_offline.simulator.server import HOST, PORT, Listening, serve


def _announce(listening: Listening) -> None:
    sys.stdout.write(f"{listening.url}\n")
    sys.stdout.flush()


def main() -> None:
    """Parse the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_tiktok_offline.simulator")
    parser.add_argument("--host", default=HOST, help="an address of the loopback interface")
    parser.add_argument("--port", type=int, default=PORT, help="0 for any free one")
    parser.add_argument("--state", type=Path, help="a file to remember in")
    parser.add_argument("--sink", action="store_true", help="count events and answer at once")
    given = parser.parse_args()
    serve(given.port, host=given.host, state=given.state, sink=given.sink, announce=_announce)


if __name__ == "__main__":
    main()
