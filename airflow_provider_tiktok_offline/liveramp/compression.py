"""Optional gzip compression of the feed file."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

#: zlib's own middle way; the same bytes in give the same bytes out.
_LEVEL = 6


def gzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The stream compressed; without a time or a name in the header, so that equal content gives equal bytes."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    for chunk in chunks:
        compressed = compressor.compress(chunk)
        if compressed:
            yield compressed
    yield compressor.flush()


def digest_inside(stream: BinaryIO) -> str | None:
    """SHA-256 of what a compressed stream holds; None if it is not whole."""
    decompressor = zlib.decompressobj(zlib.MAX_WBITS | 16)
    digest = hashlib.sha256()
    try:
        while compressed := stream.read(1024 * 1024):
            digest.update(decompressor.decompress(compressed))
    except zlib.error:
        return None
    return digest.hexdigest() if decompressor.eof else None
