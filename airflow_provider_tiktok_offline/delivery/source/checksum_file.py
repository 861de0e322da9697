"""The checksum file beside a conversion file: whether the file is complete, and whether it arrived whole."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, cast

from airflow_provider_tiktok_offline.delivery.source.source_file import StoredFile
from airflow_provider_tiktok_offline.errors import InputFileError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.storage.protocols import RemoteFiles

#: By the number of its hex digits.
_ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256", 96: "sha384", 128: "sha512"}
#: ``<hex>``, ``<hex>  name`` and ``<hex> *name`` as sha256sum writes them, ``SHA256 (name) = <hex>`` as BSD does.
_LINE = re.compile(
    r"(?P<plain>[0-9A-Fa-f]{32,128})(?:[ \t]+\*?(?P<name>\S.*))?"
    r"|[A-Za-z0-9-]+ \((?P<of>.+)\) = (?P<tagged>[0-9A-Fa-f]+)"
)
#: Bytes of a checksum file that lists a whole folder; a larger one is read so far.
_LARGEST = 1 << 20


def read_checksum(files: RemoteFiles, checksum_uri: str, name: str) -> str | None:
    """The checksum, as ``sha256:<hex>``, that a checksum file names for the file ``name``.

    A line without a name counts where it is the only one. None if there is no such line, as while the checksum
    file is still being written.
    """
    with files.open_read(checksum_uri) as stream:
        text = stream.read(_LARGEST).decode("utf-8", errors="replace")
    lines = [_LINE.fullmatch(line.strip()) for line in text.splitlines() if line.strip()]
    for line in lines:
        if line is None:
            continue
        of = line["name"] or line["of"]
        if (of is None and len(lines) == 1) or (
            of is not None and of.strip().replace("\\", "/").split("/")[-1] == name
        ):
            digits = (line["plain"] or line["tagged"]).lower()
            algorithm = _ALGORITHMS.get(len(digits))
            return None if algorithm is None else f"{algorithm}:{digits}"
    return None


@dataclass
class ChecksummedFile:
    """A conversion file whose checksum is computed while it is read, so that it is read once.

    Attributes:
        file: the file itself.
        checksum: the expected one, as ``sha256:<hex>``.
    """

    file: StoredFile
    checksum: str
    _digest: hashlib._Hash | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def uri(self) -> str:
        return self.file.uri

    @property
    def size(self) -> int:
        return self.file.size

    def open(self) -> BinaryIO:
        """The stored bytes from the start."""
        self._digest = hashlib.new(self.checksum.partition(":")[0], usedforsecurity=False)
        # The reader of a conversion file uses no more of a stream than this.
        return cast("BinaryIO", _HashedStream(self.file.open(), self._digest))

    def verify(self) -> None:
        """Compare the checksum of what was read, from start to end, with the expected one.

        :raises InputFileError: if they differ, or the file was not read.
        """
        algorithm, _, digits = self.checksum.partition(":")
        if self._digest is None or self._digest.hexdigest() != digits:
            raise InputFileError(
                f"its {algorithm} is not the one that the checksum file names; nothing was sent.",
                rule="checksum",
                where=self.uri,
                todo="It did not arrive whole, or was replaced. Have it sent again, file first and checksum file "
                "last, then clear wait_for_file and what follows.",
            )


@dataclass(frozen=True, slots=True)
class _HashedStream:
    stream: BinaryIO
    digest: hashlib._Hash

    def __enter__(self) -> _HashedStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.stream.close()

    def read(self, size: int = -1) -> bytes:
        chunk = self.stream.read(size)
        self.digest.update(chunk)
        return chunk
