"""Optional gzip around the stream."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

#: zlib's own middle way; the same bytes in give the same bytes out.
_LEVEL = 6


def gzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The stream compressed; without a time or a name in the header, so that equal content gives equal bytes."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    for chunk in chunks:
        packed = packer.compress(chunk)
        if packed:
            yield packed
    yield packer.flush()


def digest_inside(stream: BinaryIO) -> str | None:
    """SHA-256 of what a compressed stream holds; None if it is not whole."""
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    digest = hashlib.sha256()
    try:
        while packed := stream.read(1024 * 1024):
            digest.update(unpacker.decompress(packed))
    except zlib.error:
        return None
    return digest.hexdigest() if unpacker.eof else None
