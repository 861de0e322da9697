"""``python -m tests.plugin.asking``: asks Airflow's API server what stands on stdin, and prints each answer.

A request is a JSON line ``{"url": ..., "user": ...}``; without a user nobody has logged in. The URL ``routes`` names
the paths of the page's app, ``modules`` what is imported, and ``seed NUMBER DAYS INCIDENT...`` makes advertisers; one
that ends in ``?values_for`` is asked while the setting shows values to Nora alone. The users are those of
:class:`tests.plugin.two_users.TwoUsers`.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

#: Before an answer, so that it is told from what Airflow prints.
MARK = "answer: "
USERS = {"nora": "viewer", "sven": "viewer", "adam": "admin", "before": "admin"}


def main() -> None:
    """Answer all."""
    with tempfile.TemporaryDirectory() as folder:
        passwords = Path(folder) / "passwords.json"
        passwords.write_text(json.dumps({name: name for name in USERS}))
        os.environ["AIRFLOW__CORE__AUTH_MANAGER"] = "tests.plugin.two_users.TwoUsers"
        os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] = ",".join(f"{n}:{r}" for n, r in USERS.items())
        os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"] = str(passwords)
        _answer_all([json.loads(line) for line in sys.stdin])


def _answer_all(requests: list[dict[str, Any]]) -> None:
    from airflow.api_fastapi.app import create_app
    from airflow.settings import engine
    from sqlalchemy import event
    from starlette.testclient import TestClient

    count = 0

    def counted(*_: object) -> None:
        nonlocal count
        count += 1

    event.listen(engine, "before_cursor_execute", counted)
    with TestClient(create_app(), base_url="http://127.0.0.1") as client:
        tokens = {
            name: client.post("/auth/token", json={"username": name, "password": name}).json()["access_token"]
            for name in USERS
        }
        for request in requests:
            if request["url"] == "routes":
                from airflow_provider_tiktok_offline.plugin.routes import make_app

                print(MARK + json.dumps({"paths": [getattr(route, "path", "?") for route in make_app().routes]}))  # noqa: T201
                continue
            if request["url"] == "modules":
                print(MARK + json.dumps({"modules": sorted(sys.modules)}))  # noqa: T201
                continue
            if request["url"].startswith("seed "):
                # In a process of its own: it imports what the API server must not.
                command = [sys.executable, "-m", "tests.plugin.seeding", *shlex.split(request["url"])[1:]]
                subprocess.run(command, check=True, stdout=sys.stderr)
                print(MARK + "{}")  # noqa: T201
                continue
            user = request.get("user")
            os.environ["AIRFLOW__TIKTOK_OFFLINE__VALUES_FOR"] = (
                "nora, ben" if request["url"].endswith("?values_for") else "editors"
            )
            client.cookies.clear()
            if user is not None:
                client.cookies.set("_token", tokens[user])  # as the login page does
            count, started, begun = 0, process_time(), perf_counter()
            answer = client.get(request["url"])
            took, by_the_clock = process_time() - started, perf_counter() - begun
            found = {
                "status": answer.status_code,
                "headers": dict(answer.headers),
                "text": answer.text,
                "seconds": took,
                "by_the_clock": by_the_clock,
                "queries": count,
            }
            print(MARK + json.dumps(found), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
