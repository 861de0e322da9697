"""Encodings to UTF-8, as a stream."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.conversions.file.decoding import encoding_name, is_utf8, utf8_chunks


def decoded(content: bytes, name: str, size: int = 1 << 20) -> bytes:
    """Everything, cut into chunks of a size."""
    chunks = (content[start : start + size] for start in range(0, len(content), size))
    return b"".join(utf8_chunks(chunks, encoding_name(name)))


@settings(deadline=None)
@given(
    text=st.text(st.characters(codec="cp1252"), max_size=200),
    size=st.integers(min_value=1, max_value=9),
    name=st.sampled_from(["cp1252", "utf-16", "utf-16-be", "utf-8", "utf-32-le", "gb18030"]),
)
def test_any_cut_gives_the_same_text(text: str, size: int, name: str) -> None:
    """A character may lie across two chunks."""
    text = text.lstrip("\ufeff")
    assert decoded(text.encode(name), name, size) == text.encode()


@pytest.mark.parametrize("mark", [b"\xff\xfe", b"\xfe\xff"])
def test_the_byte_order_mark_decides_and_goes(mark: bytes) -> None:
    """Of UTF-16, whatever order the configuration names."""
    order = "utf-16-le" if mark == b"\xff\xfe" else "utf-16-be"
    assert decoded(mark + "Grüße".encode(order), "utf-16-le") == "Grüße".encode()


def test_a_byte_that_the_encoding_does_not_have_stays_as_it_is() -> None:
    """The row that holds it breaks the rule on encoding; the others are read."""
    assert decoded(b"a\x81b\n\xfc", "cp1252") == b"a\x81b\n\xc3\xbc"


@pytest.mark.parametrize("name", ["latin-9000", "rot13", "base64", ""])
def test_what_is_no_encoding_of_text_is_refused(name: str) -> None:
    """The message names the usual ones."""
    with pytest.raises(ValueError, match="encoding"):
        encoding_name(name)


def test_utf8_by_any_name_needs_no_decoding() -> None:
    """With or without a mark."""
    assert all(is_utf8(encoding_name(name)) for name in ("utf-8", "UTF8", "utf-8-sig", "ascii"))
