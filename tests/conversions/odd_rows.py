"""Rows as nobody wants them: what Hypothesis makes files of."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.conversions.files import HEADER

_CELLS = {
    "email_1": ["ann@example.com", "bob@example.com", " Eve@Example.com", "nobody", "", "N/A", "ü@exämple.com",
                '"a@b.example"'],
    "transaction_category": ["CompletePayment", "Contact", "In Store", ""],
    "transaction_timestamp": ["2026-11-20T10:00:00Z-0000", "2026-11-20", "11/20/2026 3:15:00 PM", "2014-03-31", "x",
                              '"Nov 20, 2026 3:15:00"'],
    "transaction_amount": ["12.50", "12.5", "0", "-3.00", "$1", "", "99999.99"],
    "phone_1": ["", "2125550100", "(212) 555-0100", "12345", "+4930901820"],
    "order_id": ["", "o1", "o2", "o3", "#4"],
    "store_code": ["", "S1", "<b>"],
    "quantity": ["", "1", "two"],
    "product_id": ["", "p1", "p2"],
    "product_name": ["", "thing", '"a, ""b"""', '"a\nb"', 'stray" quote', '"open', "a,b", "\0"],
}  # fmt: skip
ROW = st.tuples(*(st.sampled_from(_CELLS[name]) for name in HEADER)).map(",".join)
LINE = st.one_of(ROW, ROW, ROW, st.sampled_from(["", "x", '"', ",".join(HEADER), '"\n"', "\udcff"]))


def file_of(lines: list[str]) -> bytes:
    """A comma-separated file of such lines."""
    return "\n".join([",".join(HEADER), *lines, ""]).encode("utf-8", "surrogateescape")
