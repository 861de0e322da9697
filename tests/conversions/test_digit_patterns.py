"""Patterns of digits as automata: what a text matches as a whole, and what its first digits tell."""

from __future__ import annotations

import re

import pytest

from airflow_provider_tiktok_offline.conversions.identifiers.phones.digit_patterns import (
    DigitPattern,
    UnknownSyntaxError,
)

#: As they stand in libphonenumber's metadata, some of them shortened.
PATTERNS = (
    "12",
    "1[2-4]",
    "1[2-46-8]",
    r"1\d",
    "1?2",
    "12?3",
    "1{2}",
    "1{1,3}2",
    "(?:1|23)4?",
    "([34]1)$|1",
    "([34]1)$|(?:(?:31)0?)|0",
    "1(?:2(?:3|4)?|5)",
    "(?:12){2}",
    "(1)(2)?",
)
#: All texts of up to four of these digits.
TEXTS = [""]
for _ in range(4):
    TEXTS += [text + digit for text in TEXTS if len(text) == len(TEXTS[-1]) for digit in "012345"]


def _read(pattern: DigitPattern, text: str) -> frozenset[int]:
    states = pattern.start
    for digit in text:
        states = pattern.step(states, int(digit))
    return states


@pytest.mark.parametrize("pattern", PATTERNS)
def test_what_matches_is_what_a_regular_expression_matches(pattern: str) -> None:
    """As a whole; with ``$`` only where no digit follows."""
    automaton = DigitPattern(pattern)
    for text in TEXTS:
        states = _read(automaton, text)
        ends = {match for match in (re.fullmatch(pattern, text),) if match}
        assert automaton.accepts(states, at_end=True) == bool(ends), text
        # A digit that nothing can match stands behind: ``$`` does not match before it.
        followed = re.match(f"(?:{pattern})(?=x)", f"{text}x")
        assert automaton.accepts(states, at_end=False) == bool(followed and followed.end() == len(text)), text


@pytest.mark.parametrize("pattern", PATTERNS)
def test_its_texts_are_all_that_match(pattern: str) -> None:
    """Those of up to four digits are found by trying."""
    found = sorted(text for text in DigitPattern(pattern).texts() if set(text) <= set("012345") and len(text) <= 4)
    assert found == sorted(text for text in set(TEXTS) if re.fullmatch(pattern, text))


@pytest.mark.parametrize(("pattern", "but"), [("1", "1"), ("([34]1)$|1", "1"), ("1[23]|0", "0"), ("12?", "1")])
def test_first_digits_tell_whether_a_match_may_begin_there(pattern: str, but: str) -> None:
    """Another one than the trunk prefix alone."""
    matches = [text for text in TEXTS if text not in ("", but) and re.match(f"(?:{pattern})(?=x|$)", text)]
    told = DigitPattern(pattern).may_match(2, but)
    for number, may in enumerate(told):
        first = f"{number:02}"
        if set(first) <= set("012345"):
            whole = [text for text in matches if re.fullmatch(pattern, text)]
            assert may == any(first.startswith(text) or text.startswith(first) for text in whole), first


@pytest.mark.parametrize("pattern", ["1+", "1*", "(1", "1)", "^1", "1{2", "[a-c]", "."])
def test_what_it_can_not_read_is_said(pattern: str) -> None:
    """Then the library is asked, number by number."""
    with pytest.raises(UnknownSyntaxError):
        DigitPattern(pattern)
