"""Take a URI apart: the one place that says which file, folder or bucket a URI means.

=====================================  ==================================================
``/data/in/day.csv``                   local disk; ``file:///data/in/day.csv`` is the same
``sftp://sftp_shop@/out/day.csv``      an absolute path on the server of a connection
``s3://aws_shop@bucket/out/day.csv``   a key; without ``aws_shop@`` the machine's own role
``gs://gcp_shop@bucket/out/day.csv``   a key; without ``gcp_shop@`` the machine's own role
=====================================  ==================================================

The path of ``file://`` is percent-decoded, as RFC 8089 says. All other paths are taken as they are written: a path on
disk or on a server, and a key in a bucket, may hold any character.
"""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import unquote, unquote_to_bytes

from airflow_provider_tiktok_offline.errors import ConfigError

Scheme = Literal["file", "sftp", "s3", "gs"]

_SCHEMES: dict[str, Scheme] = {"file": "file", "sftp": "sftp", "s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
#: A parameter that carries a secret, as presigned URLs and some libraries write it.
_SECRET_PARAMETER = re.compile(
    r"[?&;#](?:[\w-]*(?:passw(?:or)?d|secret|token|signature|credential|api_?key|access_?key)[\w-]*"
    r"|pass|pwd|sig|auth|authorization|jwt|session|code)=",
    re.IGNORECASE,
)
#: Where a URI begins, in a text that may hold more; some people write one slash or none.
_BEGINNING = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://|^\s*(?://|(sftp|s3a?|gs|gcs|https?|ftp|ssh|scp):(?!//)/?)")
#: As ``scp`` and ``rsync`` take it.
_WITHOUT_SCHEME = re.compile(r"\s*[^\s/@:]+:[^\s@]+@[\w.-]+[:/]")


@dataclass(frozen=True, slots=True)
class Location:
    """One URI, taken apart.

    Attributes:
        scheme: the kind of store.
        conn_id: the connection's id, None where the URI names none.
        bucket: the bucket, empty for ``file`` and ``sftp``.
        path: an absolute path for ``file`` and ``sftp``, a key without leading slash for a bucket.
    """

    scheme: Scheme
    conn_id: str | None
    bucket: str
    path: str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rstrip("/").rpartition("/")[2]

    @property
    def directory(self) -> Location:
        """The folder it lies in."""
        head = self.path.rstrip("/").rpartition("/")[0]
        return replace(self, path=head or ("" if self.bucket else "/"))

    @property
    def store(self) -> tuple[str, str | None, str]:
        """What must be equal for two locations to be reached by one client."""
        return (self.scheme, self.conn_id, self.bucket)

    def child(self, name: str) -> Location:
        """A file or folder below it."""
        head = self.path.rstrip("/")
        return replace(self, path=f"{head}/{name}" if head or not self.bucket else name)

    def __str__(self) -> str:
        if self.scheme == "file":
            return self.path
        who = f"{self.conn_id}@" if self.conn_id else ""
        separator = "/" if self.bucket else ""
        return f"{self.scheme}://{who}{self.bucket}{separator}{self.path}"


def parse(uri: str) -> Location:
    """Take a URI apart.

    :raises ConfigError: if the scheme is unknown, a part is missing, or it holds a password. The message never
        repeats what stands before an ``@``.
    """
    scheme_text, separator, rest = uri.partition("://")
    if not separator:
        if not uri.startswith("/"):
            raise ConfigError("a local path must be absolute.", where=_shown(uri))
        if holds_secret(uri):
            raise ConfigError("a path holds no password.", where="//…")
        return Location("file", None, "", uri)
    scheme = _SCHEMES.get(scheme_text.lower())
    if scheme is None:
        raise ConfigError("unknown kind of store; known are file, sftp, s3 and gs.", where=_shown(uri))
    if holds_secret(uri):
        raise ConfigError("a URI holds a connection id, never a password.", where=f"{scheme}://…")
    authority, slash, path = rest.partition("/")
    who, at, host = authority.rpartition("@")
    if scheme == "file":
        if authority not in ("", "localhost"):
            raise ConfigError("a local file has three slashes, as file:///data/day.csv.", where=_shown(uri))
        return Location("file", None, "", _decoded(slash + path, uri) or "/")
    if scheme == "sftp":
        conn_id = who if at else host
        if not conn_id or (at and host):
            raise ConfigError("write it with a connection id, as sftp://sftp_shop@/out/day.csv.", where=_shown(uri))
        return Location("sftp", conn_id, "", "/" + path.lstrip("/"))
    if not host:
        raise ConfigError(f"the bucket is missing; write it as {scheme}://conn_id@bucket/key.", where=_shown(uri))
    return Location(scheme, who or None, host, path)


def is_uri(text: str) -> bool:
    """Whether a text names its kind of store, so that it is no bare path."""
    return "://" in text


def sftp_uri(conn_id: str, path: str) -> str:
    """The URI of a path on the server of a connection."""
    return f"sftp://{conn_id}@/{path.lstrip('/')}"


def holds_secret(text: str) -> bool:
    """Whether a text is or holds a URI with a password, a token or a signature in it, however it is written."""
    text = unicodedata.normalize("NFKC", unquote(text))
    if _WITHOUT_SCHEME.match(text) and "://" not in text:
        return not text.lstrip().startswith("mailto:")
    for beginning in _BEGINNING.finditer(text):
        scheme, rest = (beginning[1] or beginning[2] or "").lower(), text[beginning.end() :]
        if _SECRET_PARAMETER.search(rest) or _has_password(scheme, rest if scheme == "file" else rest.lstrip("/")):
            return True
    return False


def _has_password(scheme: str, rest: str) -> bool:
    """Whether what stands before the first slash holds a password; but for stores, any user may be a token."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    who, at, host = authority.rpartition("@")
    if at:
        return ":" in who or (scheme != "" and scheme not in _SCHEMES)
    # A password may hold a slash: what stands before it is then no port.
    return re.search(r":(?![0-9]{1,5}$)", host) is not None and not host.startswith("[")


def _decoded(path: str, uri: str) -> str:
    content = unquote_to_bytes(path)
    if b"\0" in content:
        raise ConfigError("a path can't hold %00.", where=uri)
    # Names that are no UTF-8 stay what they are on disk.
    return os.fsdecode(content)


def _shown(uri: str) -> str:
    """A URI for a message: nothing of it that may be a password."""
    head, at, tail = uri.rpartition("@")
    if at and ":" in head.partition("://")[2] + ("" if "://" in head else head):
        return f"…@{tail.partition('?')[0]}"
    return f"{uri.partition('://')[0]}://…" if holds_secret(uri) else uri
