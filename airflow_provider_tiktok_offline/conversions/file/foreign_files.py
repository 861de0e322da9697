"""What a file is that is no delimited text: by its first bytes, whatever its name says."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

GZIP_MARK = b"\x1f\x8b"
_AS_TEXT = 'Save it as "CSV UTF-8".'
_UNPACK = "Unpack it; only gzip is read packed."
_EXPORT = "Export the table as delimited text (CSV)."
#: First bytes -> what it is, what to do.
_MARKS = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (.xls)", _AS_TEXT),
    *((b"BZh%d1AY&SY" % level, "a bzip2 archive", _UNPACK) for level in range(1, 10)),
    (b"\xfd7zXZ\0", "an xz archive", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"PAR1", "a Parquet file", _EXPORT),
    (b"ORC", "an ORC file", _EXPORT),
    (b"Obj\x01", "an Avro file", _EXPORT),
    (b"SQLite format 3\0", "an SQLite database", _EXPORT),
    (b"%PDF-", "a PDF document", _EXPORT),
    (b"{\\rtf", "an RTF document", _EXPORT),
    (b"-----BEGIN PGP MESSAGE-----", "encrypted with PGP", "Decrypt it before it is dropped."),
)
_LETTERS = frozenset({b"PAR1", b"ORC"})
_ZIP = b"PK\x03\x04"
_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body|table|meta)\b", re.IGNORECASE)
_XML = re.compile(rb"<(?:\?xml\b|[A-Za-z][\w.:-]*(?:\s+[\w.:-]+\s*=|\s*/?>\s*<))")
_JSON = re.compile(rb"(?:\[\s*)?\{\s*\"[^\"\r\n]*\"\s*:|\[\s*\[\s*\"")


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """What a file is.

    Attributes:
        what: in words, as ``an Excel workbook``.
        todo: what makes delimited text of it.
    """

    what: str
    todo: str


def foreign_file(head: bytes) -> ForeignFile | None:
    """What a file is, None if nothing says that it is no delimited text.

    :param head: its first bytes, unpacked if it is compressed with gzip; some hundred are enough.
    """
    return binary_file(head) or _marked_up(head)


def binary_file(head: bytes) -> ForeignFile | None:
    """What a file is, None if nothing says that it is no text of some kind.

    :param head: as for :func:`foreign_file`.
    """
    if head.startswith(_ZIP):
        return _zipped(head)
    for mark, what, todo in _MARKS:
        # A header may begin with the letters of a mark, but holds no zero byte.
        if head.startswith(mark) and (mark not in _LETTERS or b"\0" in head):
            return ForeignFile(what, todo)
    return None


def _marked_up(head: bytes) -> ForeignFile | None:
    """What kind of text it is that is no table of lines."""
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if _HTML.match(text):
        return ForeignFile("an HTML page", "Some systems call that an export to Excel. " + _EXPORT)
    if _XML.match(text):
        return ForeignFile("an XML file", _EXPORT)
    if _JSON.match(text):
        return ForeignFile("a JSON file", _EXPORT)
    return None


def _zipped(head: bytes) -> ForeignFile:
    """What an archive of type ZIP is: workbooks are such archives."""
    if b"[Content_Types].xml" in head or b"xl/" in head or b"_rels/.rels" in head:
        return ForeignFile("an Excel workbook (.xlsx)", _AS_TEXT)
    if b"application/vnd.oasis.opendocument" in head:
        return ForeignFile("an OpenDocument file", _AS_TEXT)
    return ForeignFile("a ZIP archive", _UNPACK)
