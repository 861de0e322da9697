"""The shape of every answer of TikTok's API: ``code``, ``message``, ``request_id`` and ``data``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AnswerEnvelope:
    """What every answer has.

    Attributes:
        code: 0, or what is wrong.
        message: TikTok's words, which may repeat a value.
        request_id: TikTok's id of the request.
        data: the answer itself.
    """

    code: int
    message: str
    request_id: str | None
    data: Mapping[str, object]


def read_envelope(text: bytes) -> AnswerEnvelope | None:
    """The envelope in an answer's body; None where TikTok's API did not write it."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict):
        return None
    code = body.get("code")
    if isinstance(code, str) and re.fullmatch(r"\d{1,9}", code):
        code = int(code)
    if not isinstance(code, int) or isinstance(code, bool):
        return None
    message, request_id, data = body.get("message"), body.get("request_id"), body.get("data")
    return AnswerEnvelope(
        code,
        message if isinstance(message, str) else "",
        request_id if isinstance(request_id, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", request_id) else None,
        data if isinstance(data, dict) else {},
    )
