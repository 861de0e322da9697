"""Workers that run tests side by side must collect the same names, whenever each of them does."""

from __future__ import annotations

import gzip

import pytest

COMPRESSED = gzip.compress(b"the time is in its header" * 9)


@pytest.mark.parametrize("content", [COMPRESSED])
def test_no_name_holds_a_compressed_file(content: bytes, request: pytest.FixtureRequest) -> None:
    """Its header has the second at which the module was loaded."""
    assert request.node.name == "test_no_name_holds_a_compressed_file[bytes]"
    for item in request.session.items:
        assert "\\x1f\\x8b\\x08" not in item.nodeid
        assert "PK\\x03\\x04\\x14" not in item.nodeid
