"""``python -m tests.servers.airflow_pages URL ...``: what Airflow's API server answers, as JSON lines.

Each URL is asked for twice: by nobody, and by a viewer who has logged in. Its environment says which Airflow.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

#: Before an answer, so that it is told from what Airflow prints.
MARK = "answer: "


def main() -> None:
    """Answer all."""
    with tempfile.TemporaryDirectory() as folder:
        passwords = Path(folder) / "passwords.json"
        passwords.write_text(json.dumps({"vera": "vera's"}))
        os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] = "vera:viewer"
        os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"] = str(passwords)
        _answer_all(sys.argv[1:])


def _answer_all(urls: list[str]) -> None:
    from airflow.api_fastapi.app import create_app
    from starlette.testclient import TestClient

    with TestClient(create_app(), base_url="http://127.0.0.1") as client:
        nobodys = [_answer(client, url) for url in urls]
        login = client.post("/auth/token", json={"username": "vera", "password": "vera's"})
        login.raise_for_status()
        client.cookies.set("_token", login.json()["access_token"])  # as the login page does
        for url, nobody in zip(urls, nobodys, strict=True):
            print(MARK + json.dumps({"nobody": nobody, "viewer": _answer(client, url)}))  # noqa: T201


def _answer(client: Any, url: str) -> dict[str, Any]:
    answer = client.get(url, headers={"Accept": "text/html"})
    return {"status": answer.status_code, "headers": dict(answer.headers), "text": answer.text}


if __name__ == "__main__":
    main()
