"""Optional gzip around the stream."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

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
