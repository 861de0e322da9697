"""E-mail addresses, already hashed values and SHA-256."""

from __future__ import annotations

import hashlib

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.conversions.contract.catalogue import RULES
from airflow_provider_tiktok_offline.conversions.identifiers import emails, normal_forms
from airflow_provider_tiktok_offline.conversions.identifiers.normalized import DIGESTS_OF_NOTHING
from airflow_provider_tiktok_offline.conversions.identifiers.phones import phone_column
from airflow_provider_tiktok_offline.conversions.text.buffers import only_digits
from airflow_provider_tiktok_offline.conversions.text.digests import from_hex

NOTHING = {"normal": None, "digest": None, "fault": None, "warning": None, "doubt": None}
DIGEST = hashlib.sha256(b"ann@example.com").hexdigest()


def read(cells: list[str | None]) -> list[dict[str, str | None]]:
    return emails.read(pl.Series("email", cells, dtype=pl.String)).to_list()


def sha256(texts: list[str | None]) -> list[bytes | None]:
    frame = pl.DataFrame({"text": texts}, schema={"text": pl.String})
    return frame.select(normal_forms.sha256(pl.col("text"))).to_series().to_list()


def test_tiktoks_own_vectors() -> None:
    """The documented examples: normal form and digest (Doc ID 1771101303285761)."""
    frame = pl.DataFrame({"email": [" ALICE_abc@gmail.com "], "phone": ["(+1)2133734253"]})
    row = frame.select(
        email=normal_forms.sha256(normal_forms.email(pl.col("email")).struct.field("normal")).bin.encode("hex"),
        phone=normal_forms.sha256(normal_forms.phone(pl.col("phone"), None).struct.field("normal")).bin.encode("hex"),
    ).row(0)
    assert row == (
        "848a771458438fc2ec420560d769fb9b9b86851ee338ec56517baabd79d3bb4f",
        "9f7ec22d72092cd3c0b58726ed9c2d91b92e51a3f29837508fb2948bb22dd2fd",
    )


@pytest.mark.parametrize(
    ("cell", "normal"),
    [
        ("ann@example.com", "ann@example.com"),
        ("  Ann.Smith+shop@Example.COM\t", "ann.smith+shop@example.com"),
        ("\u00a0ann@example.com\u00a0", "ann@example.com"),
        ("a.n.n@gmail.com", "a.n.n@gmail.com"),
        ("a..b@example.com", "a..b@example.com"),
        ("ann.@example.com", "ann.@example.com"),
        ("o'neill@example.com", "o'neill@example.com"),
        ("ann@mail.example.co.uk", "ann@mail.example.co.uk"),
        ("\u00c4nne@B\u00dcCHER.example", "\u00e4nne@b\u00fccher.example"),
        ("ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"),
        ("ann@\u4f8b\u3048.\u30c6\u30b9\u30c8", "ann@\u4f8b\u3048.\u30c6\u30b9\u30c8"),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
    ],
)
def test_addresses(cell: str, normal: str) -> None:
    """Trimmed and lower-cased, nothing else removed; international domains stay as they are."""
    assert read([cell]) == [{**NOTHING, "normal": normal}]


@pytest.mark.parametrize(
    "cell",
    [
        "ann.example.com", "ann@", "@example.com", "ann@@example.com", "ann@example", "ann smith@example.com",
        "ann@exa mple.com", "Ann <ann@example.com>", "mailto:ann@example.com", "ann@example.com,bob@example.com",
        "ann@-example.com", "ann@example-.com", "ann@example..com", "...@gmail.com", ".ann@gmail.com", "_.-@gmail.com",
        "ann@example.123",
        "ann@[192.0.2.1]", "ann@exa_mple.com", "ann@example.com\x00", "ann@\u200bexample.com", "+", "?",
        "a" * 65 + "@example.com", "ann@" + "a" * 64 + ".com", "ann@" + "a" * 60 + ".a" * 100 + ".com",
    ],
)  # fmt: skip
def test_what_is_no_address(cell: str) -> None:
    """A cell that can't be an address has a fault and no normal form."""
    assert read([cell]) == [{**NOTHING, "fault": "email_shape"}]


@pytest.mark.parametrize("behind", [".", ",", ";", ";;", "., ", " ;"])
def test_what_a_list_leaves_behind_an_address_is_cut_off(behind: str) -> None:
    """With a warning; also behind an address that is not plain ASCII."""
    for address in ("ann@example.com", "ann@ex\u00e4mple.com"):
        assert read([address + behind]) == [{**NOTHING, "normal": address, "warning": "email_punctuation"}]


@pytest.mark.parametrize("cell", ["N/A", "n/a", "null", "NULL", "None", "nan", "NaN", "-", " - "])
def test_placeholders(cell: str) -> None:
    """Words for nothing are nothing, in both kinds of column."""
    assert read([cell]) == [{**NOTHING, "fault": "placeholder"}]
    assert phone_column.read(pl.Series([cell]), "US").to_list() == [{**NOTHING, "fault": "placeholder"}]


@pytest.mark.parametrize("cell", [DIGEST, DIGEST.upper(), f" {DIGEST} "])
def test_sha256_passes_through_in_lower_case(cell: str) -> None:
    """A digest is not hashed again, in both kinds of column."""
    assert read([cell]) == [{**NOTHING, "digest": DIGEST}]
    assert phone_column.read(pl.Series([cell]), "US").to_list() == [{**NOTHING, "digest": DIGEST}]


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        (hashlib.sha1(b"x", usedforsecurity=False).hexdigest(), "hash_sha1"),
        (hashlib.md5(b"x", usedforsecurity=False).hexdigest().upper(), "hash_md5"),
        ("1" * 32, "hash_md5"),
        *((digest, "placeholder") for digest in DIGESTS_OF_NOTHING),
    ],
)
def test_other_digests_are_named(cell: str, fault: str) -> None:
    """SHA-1 and MD5 are named; the SHA-256 of nothing is nothing."""
    assert read([cell]) == [{**NOTHING, "fault": fault}]
    assert phone_column.read(pl.Series([cell]), "US").to_list() == [{**NOTHING, "fault": fault}]


def test_blank_cells_are_nothing() -> None:
    """Null, empty and white space: no normal form, no fault."""
    assert read([None, "", " \t"]) == [NOTHING] * 3


def test_columns_of_any_size() -> None:
    """An empty column stays empty."""
    assert read([]) == []
    assert sha256([]) == []


def test_every_fault_is_a_rule() -> None:
    """Faults and warnings are names of the catalogue."""
    cells = ["a@b", "n/a", "1" * 40, "1" * 32, "x", "12", "1.2e10", "2133734253x1", "442079460958", "12345"]
    for readings in (
        read(list(cells)),
        *(phone_column.read(pl.Series(cells), region).to_list() for region in ("US", None)),
    ):
        names = {reading[kind] for reading in readings for kind in ("fault", "warning")} - {None}
        assert names <= set(RULES)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.emails(), st.text(max_size=30)), max_size=10))
def test_normalising_twice_is_normalising_once(cells: list[str]) -> None:
    """The normal form is its own normal form."""
    once = [reading["normal"] for reading in read(list(cells))]
    assert [reading["normal"] for reading in read(list(once))] == once


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=8))
def test_a_normal_form_is_trimmed_lower_case(cells: list[str]) -> None:
    """Nothing but trimming and lower-casing happens to an accepted cell."""
    for cell, reading in zip(cells, read(list(cells)), strict=True):
        assert reading["normal"] is None or reading["normal"].strip() == cell.strip().lower()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text()), max_size=20))
def test_sha256_equals_hashlib(texts: list[str | None]) -> None:
    """32 bytes, those of hashlib; nothing for null, the empty text and a bare plus."""
    expected = [hashlib.sha256(text.encode()).digest() if text not in (None, "", "+") else None for text in texts]
    assert sha256(list(texts)) == expected


def test_slices_and_chunks_are_hashed_like_whole_columns() -> None:
    """A column may be a part of another one, or several put together."""
    texts = pl.Series("text", [f"text {number}" if number % 3 else None for number in range(100)])
    whole = texts.to_frame().select(normal_forms.sha256(pl.col("text")))
    parts = pl.concat([texts.slice(60), texts.slice(0, 60)]).to_frame().select(normal_forms.sha256(pl.col("text")))
    assert parts.to_series().to_list() == [*whole.to_series()[60:], *whole.to_series()[:60]]
    assert texts.slice(40, 7).to_frame().select(normal_forms.sha256(pl.col("text"))).equals(whole.slice(40, 7))


def test_hex_of_other_lengths() -> None:
    """Hex of any even length becomes its bytes."""
    found = pl.DataFrame({"hex": ["00ff", None, "", "c0ffee"]}).select(from_hex(pl.col("hex"))).to_series()
    assert found.to_list() == [b"\x00\xff", None, b"", b"\xc0\xff\xee"]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(), max_size=10))
def test_only_digits(texts: list[str]) -> None:
    """The ASCII digits of each text, in order."""
    digits, counts = only_digits(pl.Series("text", texts, dtype=pl.String))
    expected = ["".join(char for char in text if char in "0123456789") for text in texts]
    assert digits.to_list() == expected
    assert counts.tolist() == [len(text) for text in expected]


def test_lazy_and_streaming_give_the_same() -> None:
    """The expressions work in either engine."""
    frame = pl.DataFrame({"email": ["ann@example.com", "x", None] * 50, "phone": ["2133734253", "x", ""] * 50})
    reading = (normal_forms.email(pl.col("email")), normal_forms.phone(pl.col("phone"), "US"))
    assert frame.lazy().select(reading).collect(engine="streaming").equals(frame.select(reading))
