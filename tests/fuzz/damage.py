"""Bytes that foreign hands may have made: valid ones that were changed here and there, and what must hold of them."""

from __future__ import annotations

import copy
import json
import os
import resource
import time
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.errors import TikTokOfflineError

#: Stand in every value of a customer, so that a value in a message is found wherever it comes from.
NAME, NUMBER = "quokka", "7654321"
_MANY = int(os.environ.get("FUZZ_EXAMPLES", "1500"))


def _few_or_many(few: int, many: int) -> list[Any]:
    return [few, pytest.param(many, marks=[pytest.mark.campaign, pytest.mark.timeout(3600)], id="many")]


#: How many examples a target has in ``make test``; in ``make campaign`` there are ``FUZZ_EXAMPLES``, or 1,500.
EXAMPLES = _few_or_many(4, _MANY)
#: The same where an example is a whole delivery.
DELIVERIES = _few_or_many(2, max(1, _MANY // 6))
#: No example takes more processor time, nor more memory in one piece.
_SECONDS = 5.0
_MEGABYTES = 400
#: So few examples are the same at each run.
_FEW = 50

_T = TypeVar("_T")
_PIECES = st.sampled_from(
    [b"", b"\0", b"\xff", b"\xff\xfe", b"\xed\xa0\x80", b'"', b"'", b"{", b"}", b"[", b",", b";", b"\n", b"\r", b"\t",
     b"null", b"NaN", b"-1", b"1e999", b"9" * 5000, b"[" * 3000, b'{"a":' * 3000, b"\\ud800", b"<", b"&", b"%0a", b"%s",
     b"{{ x }}", b"..", b"/", f"{NAME}@example.com".encode(), f"+49151{NUMBER}".encode()]
)  # fmt: skip
_VALUES: st.SearchStrategy[object] = st.sampled_from(
    [None, True, False, 0, -1, 1.5, 2**31, 2**63, 2**70, float("nan"), float("inf"), "", "x", "-1", "\ud800", "\0",
     f"{NAME}@example.com", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-11-22T09:00:00", "../../x",
     [], {}, [None], [[]], {"": None}, {"x": {"x": 1}}, ["x", 1]]
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The content with up to four places changed, or other bytes."""
    if draw(st.integers(0, 15)) == 0:
        return draw(st.binary(max_size=200))
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = start + draw(st.sampled_from([0, 0, 1, 1, 2, 9, 70, len(data)]))
        data[start:end] = draw(_PIECES | st.binary(max_size=6))
    return bytes(data)


@st.composite
def damaged_json(draw: st.DrawFn, content: bytes) -> bytes:
    """The document with up to three values replaced or taken out, or damaged as bytes."""
    if draw(st.integers(0, 3)) == 0:
        return draw(damaged(content))
    root = [json.loads(content)]
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(_places(root)))
        if place.holder is not root and draw(st.integers(0, 3)) == 0:
            del place.holder[place.key]
        else:
            place.holder[place.key] = copy.deepcopy(draw(_VALUES))
    return json.dumps(root[0]).encode()


def fuzz(strategy: st.SearchStrategy[_T], target: Callable[[_T], object], examples: int) -> None:
    """Call the target with so many values; each call must be :func:`held`.

    A few examples are the same at each run, many are not.
    """

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=examples < _FEW,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def each(value: _T) -> None:
        held(lambda: target(value))

    before = _peak()
    each()
    assert _peak() - before < _MEGABYTES


def held(action: Callable[[], object]) -> bool:
    """Whether the action succeeds. If not it fails with an error of the package that tells no customer's value."""
    begun = time.process_time()
    try:
        action()
    except TikTokOfflineError as error:
        said = "".join(traceback.format_exception(error))
        assert NAME not in said, said
        assert NUMBER not in said, said
        succeeded = False
    else:
        succeeded = True
    assert time.process_time() - begun < _SECONDS
    return succeeded


class _Place(NamedTuple):
    """Where a value lies in a document."""

    holder: Any  # a list or a dictionary
    key: Any


def _places(value: object) -> list[_Place]:
    """Every place in a document that holds a value."""
    if isinstance(value, dict):
        entries: list[tuple[object, object]] = list(value.items())
    elif isinstance(value, list):
        entries = list(enumerate(value))
    else:
        return []
    return [place for key, inner in entries for place in [_Place(value, key), *_places(inner)]]


def _peak() -> float:
    """Megabytes that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
