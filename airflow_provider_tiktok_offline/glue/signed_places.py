"""Where a task's report lies, signed: whoever may write XComs could else have any file of the API server shown."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import astuple, dataclass

from airflow.providers.common.compat.sdk import conf

_PURPOSE = b"tiktok-offline report"


@dataclass(frozen=True, slots=True)
class Task:
    """One task instance: its DAG, run, id, and index where it is mapped, else -1."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int


@dataclass(frozen=True, slots=True)
class Place:
    """A report's place: the advertiser's ``state_uri``, and the path below it."""

    state_uri: str
    path: str


def signed_place(task: Task, place: Place) -> str | None:
    """A place for that task alone; None where Airflow has no secret that workers and API server share."""
    content = json.dumps(astuple(place)).encode()
    signature = _signature(task, content)
    return None if signature is None else f"{base64.urlsafe_b64encode(content).decode()}.{signature}"


def verified_place(task: Task, signed: object) -> Place | None:
    """The place in a signed value; None if it was signed for another task, by somebody else, or not at all."""
    if not isinstance(signed, str):
        return None
    encoded, _, signature = signed.partition(".")
    try:
        content = base64.b64decode(encoded.encode("ascii"), altchars=b"-_", validate=True)
    except ValueError:
        return None
    expected = _signature(task, content)
    if expected is None or not hmac.compare_digest(expected.encode(), signature.encode()):
        return None
    state_uri, path = json.loads(content)
    return Place(state_uri, path)


def _signature(task: Task, content: bytes) -> str | None:
    secret = conf.get("api", "secret_key", fallback="")
    if not secret:
        return None
    key = hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)
    return hmac.new(key, json.dumps(astuple(task)).encode() + b"\0" + content, hashlib.sha256).hexdigest()
