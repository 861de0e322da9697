"""The form of TikTok's answers: HTTP 200, and a ``code`` in the body that says what happened."""

from __future__ import annotations

from enum import IntEnum

import msgspec
from starlette.responses import Response


class Code(IntEnum):
    """The return codes that the simulator gives on its own (scripted faults may give any)."""

    OK = 0
    PARTIAL_OK = 20001
    INVALID_PARAMS = 40000
    PERMISSION_ERROR = 40001
    PARAM_ERROR = 40002
    NOT_EXIST = 40007
    INVALID_API_VERSION = 40051
    PII_NOT_HASHED = 40062
    TOO_FREQUENT = 40100
    INVALID_PARTNER = 40101
    EMPTY_ACCESS_TOKEN = 40104
    INVALID_ACCESS_TOKEN = 40105
    AUTH_CODE_ERROR = 40110
    METHOD_FORBIDDEN = 40117
    SCOPE_NOT_AUTHORIZED = 40130


class Refusal(Exception):
    """A request that TikTok would answer with an error.

    :param code: the return code.
    :param message: the text beside it.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = int(code)
        self.message = message


def envelope(
    request_id: str,
    data: object = None,
    *,
    code: int = Code.OK,
    message: str = "OK",
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    """The JSON answer that every call gets."""
    body = {"code": int(code), "message": message, "request_id": request_id, "data": {} if data is None else data}
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/json", headers=headers)


def gateway_page(status: int) -> Response:
    """The HTML page of a gateway in front of the service, as nginx writes it."""
    title = {429: "429 Too Many Requests", 502: "502 Bad Gateway", 503: "503 Service Temporarily Unavailable"}.get(
        status, f"{status} Error"
    )
    page = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
        "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )
    return Response(page, status_code=status, media_type="text/html")
