"""A list's bytes as lines of text, whatever tool wrote them: encodings are recognised, line ends of any kind taken."""

from __future__ import annotations

import codecs
import hashlib
import io
from collections.abc import Iterator
from typing import BinaryIO

from airflow_provider_tiktok_offline.conversions.file.foreign_files import GZIP_MARK, binary_file
from airflow_provider_tiktok_offline.errors import OptOutListError

_LOOKED_AT = 64 * 1024
_BUFFER = 1024 * 1024
#: Characters of a line: all recipients of a message are fewer.
_LONGEST_LINE = 4 * 1024 * 1024
#: A share of NUL bytes at odd or even places that only UTF-16 has.
_UTF_16_SHARE = 0.2
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class ListText:
    """The lines of a list.

    After the last line, ``sha256`` is the digest of its bytes.

    :param stream: the list's bytes.
    :raises OptOutListError: it is no text, or a line of it has no end.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._bytes = _Digesting(stream)
        self._buffered = io.BufferedReader(self._bytes, _BUFFER)
        self.encoding = _encoding(self._buffered.peek(_LOOKED_AT)[:_LOOKED_AT])

    def __iter__(self) -> Iterator[str]:
        errors = _MIXED if self.encoding.startswith("utf-8") else "replace"
        with io.TextIOWrapper(self._buffered, encoding=self.encoding, errors=errors, newline="") as text:
            for number, line in enumerate(iter(lambda: text.readline(_LONGEST_LINE + 1), ""), 1):
                if len(line) > _LONGEST_LINE:
                    raise OptOutListError(
                        f"line {number:,} of the suppression list is longer than {_LONGEST_LINE:,} characters.",
                        todo="Write one entry a line. Nothing was sent.",
                    )
                yield line

    @property
    def sha256(self) -> str:
        """The digest of the bytes that were read, in hex."""
        return self._bytes.digest.hexdigest()


class _Digesting(io.RawIOBase):
    """A stream that hashes what is read from it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        data = self._stream.read(len(view))
        view[: len(data)] = data
        self.digest.update(data)
        return len(data)


def content_digest(stream: BinaryIO) -> str:
    """The digest that :attr:`ListText.sha256` has for these bytes, without reading them as text."""
    digest = hashlib.sha256()
    while chunk := stream.read(_BUFFER):
        digest.update(chunk)
    return digest.hexdigest()


def _encoding(head: bytes) -> str:
    binary = binary_file(head)
    kind = "compressed (gzip)" if head.startswith(GZIP_MARK) else binary and binary.what
    if kind:
        raise OptOutListError(
            f"the suppression list is {kind}, no text.", todo="Export it as a text file or as CSV. Nothing was sent."
        )
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise OptOutListError(
            "the suppression list is a page of a web site, no list.",
            todo="Look at where it is exported from: this may be a login page. Nothing was sent.",
        )
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    odd, even = head[1::2].count(0), head[::2].count(0)
    if odd > _UTF_16_SHARE * len(head) / 2 > even:
        return "utf-16-le"
    if even > _UTF_16_SHARE * len(head) / 2 > odd:
        return "utf-16-be"
    if odd or even:
        raise OptOutListError("the suppression list is no text.", todo="Export it as UTF-8. Nothing was sent.")
    return "utf-8"


def _as_windows(error: UnicodeError) -> tuple[str, int]:
    """Read bytes that are no UTF-8 as Windows' encoding of western Europe, one by one."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


_MIXED = "utf-8-or-cp1252"
codecs.register_error(_MIXED, _as_windows)
