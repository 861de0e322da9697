"""The one decoder of TikTok's answers: whatever comes is an envelope of the known shape, or none."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

#: A longer message is read up to here; TikTok's have a few hundred characters.
_LONGEST_MESSAGE = 4096
#: Codes have five digits.
_HIGHEST_CODE = 999_999_999


@dataclass(frozen=True, slots=True)
class AnswerEnvelope:
    """What every answer of the API has.

    Attributes:
        code: the return code.
        message: TikTok's text, cut off where it is longer than any real one.
        request_id: TikTok's id of the request.
        data: the answer itself; None if it is no JSON object.
    """

    code: int
    message: str
    request_id: str | None
    data: Mapping[str, object] | None


def read_envelope(text: bytes) -> AnswerEnvelope | None:
    """The envelope in the body of an answer; None if it is none."""
    try:
        body = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        if b"\\u" in text:
            # Half a surrogate pair is no text: what prints or stores it would fail.
            json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict):
        return None
    code = body.get("code")
    if isinstance(code, str) and re.fullmatch(r"[0-9]{1,9}", code):
        code = int(code)
    if not isinstance(code, int) or isinstance(code, bool) or not 0 <= code <= _HIGHEST_CODE:
        return None
    message, request_id, data = body.get("message"), body.get("request_id"), body.get("data", {})
    return AnswerEnvelope(
        code,
        message[:_LONGEST_MESSAGE] if isinstance(message, str) else "",
        request_id if isinstance(request_id, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", request_id) else None,
        data if isinstance(data, dict) else None,
    )


def _refuse(_constant: str) -> float:
    """NaN and Infinity are no JSON."""
    raise ValueError


def _finite(text: str) -> float:
    """A number that a float can hold."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value
