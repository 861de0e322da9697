"""Any encoding that Python knows to UTF-8, as a stream of chunks in constant memory."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

#: Encodings whose bytes are those of UTF-8 already.
_UTF8 = frozenset({"utf-8", "ascii"})
#: Spellings that a person uses -> what Python calls them, without a byte order mark of their own.
_SPELLINGS = {"utf-8-sig": "utf-8", "utf8": "utf-8", "utf-8 with bom": "utf-8", "ansi": "cp1252"}
#: UTF-16 without a mark is little-endian, as Windows writes it.
_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


def encoding_name(spelling: str) -> str:
    """The name of an encoding as Python has it.

    :param spelling: as in the configuration: ``cp1252``, ``iso-8859-15``, ``utf-16`` and so on.
    :raises ValueError: if there is no such encoding of text.
    """
    name = _SPELLINGS.get(spelling.strip().lower(), spelling.strip())
    try:
        found = codecs.lookup(name)
    except LookupError:
        raise ValueError(f"{spelling!r} is no encoding; utf-8, utf-16, cp1252 and iso-8859-15 are usual ones") from None
    try:
        codecs.getincrementaldecoder(found.name)("strict").decode(b"")
        if "x".encode(found.name) == b"" or not isinstance(b"".decode(found.name), str):
            raise LookupError
    except (LookupError, TypeError, UnicodeError):
        raise ValueError(f"{spelling!r} is no encoding of text") from None
    return found.name


def is_utf8(name: str) -> bool:
    """Whether a file in this encoding needs no decoding.

    :param name: from :func:`encoding_name`.
    """
    return name in _UTF8


def utf8_chunks(chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Decode a stream and give it as UTF-8.

    Bytes that the encoding does not have stay as they are: they are no valid UTF-8, so the row that holds them is
    found by the rule ``encoding``. A byte order mark is left out.

    :param chunks: the stored bytes.
    :param name: from :func:`encoding_name`.
    """
    chunks = iter(chunks)
    first = b""
    while len(first) < 2:
        more = next(chunks, b"")
        if not more:
            break
        first += more
    if name in ("utf-16", "utf-16-le", "utf-16-be"):
        marked = _MARKS.get(first[:2])
        first = first[2:] if marked else first
        name = marked or ("utf-16-le" if name == "utf-16" else name)
    decoder = codecs.getincrementaldecoder(name)("surrogateescape" if not name.startswith("utf-16") else "replace")
    for chunk in _with_first(first, chunks):
        if text := decoder.decode(chunk):
            yield text.removeprefix("\ufeff").encode("utf-8", "surrogateescape")
    if text := decoder.decode(b"", final=True):
        yield text.encode("utf-8", "surrogateescape")


def _with_first(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from chunks
