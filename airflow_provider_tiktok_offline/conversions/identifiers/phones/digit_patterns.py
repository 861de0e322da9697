"""Patterns of libphonenumber's metadata as automata over digits.

The metadata is regular expressions over digits. Reading them digit by digit tells what *all* numbers with the same
first digits have in common, so that millions of numbers are looked up in tables instead of matched one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

States = frozenset[int]

_SYMBOL = re.compile(r"\\d|\[([\d-]+)\]|\(\?:|\{(\d+)(?:,(\d+))?\}|[\d()|?$]")
_ANY = frozenset(range(10))


class UnknownSyntaxError(ValueError):
    """A pattern uses something that this reader does not know."""


class DigitPattern:
    """One pattern as an automaton.

    :param pattern: digits, ``\\d``, ``[0-5]``, groups, ``|``, ``?``, ``{m}``, ``{m,n}`` and ``$``.
    :raises UnknownSyntaxError: if there is more to it.
    """

    def __init__(self, pattern: str) -> None:
        self._edges: list[list[tuple[frozenset[int], int]]] = []
        self._free: list[list[int]] = []
        self._at_end: list[list[int]] = []
        self._symbols = list(_symbols(pattern))
        self._position = 0
        self._accept = self._state()
        self.start = self._closed({self._alternatives(self._accept)})
        if self._position != len(self._symbols):
            raise UnknownSyntaxError(pattern)
        self._steps: dict[tuple[States, int], States] = {}

    def step(self, states: States, digit: int) -> States:
        """The states after one more digit; none of them if nothing can match any more."""
        known = self._steps.get((states, digit))
        if known is None:
            known = self._closed({to for state in states for digits, to in self._edges[state] if digit in digits})
            self._steps[states, digit] = known
        return known

    def accepts(self, states: States, *, at_end: bool) -> bool:
        """Whether what was read so far matches as a whole.

        :param at_end: whether no more digits follow.
        """
        return self._accept in states or (at_end and self._accept in self._closed(set(states), at_end=True))

    def texts(self) -> Iterator[str]:
        """Every text that matches; a pattern has no repetition without end."""
        waiting = [("", self.start)]
        while waiting:
            text, states = waiting.pop()
            if self.accepts(states, at_end=True):
                yield text
            following = ((f"{text}{digit}", self.step(states, digit)) for digit in _ANY)
            waiting.extend(item for item in following if item[1])

    def may_match(self, digits: int, but: str) -> list[bool]:
        """Whether numbers that begin so may have another match than ``but``, and not an empty one, at their start.

        :return: one answer for each beginning of so many digits, in order.
        """
        return self._may_match(self.start, "", digits, but)

    def _may_match(self, states: States, text: str, left: int, but: str) -> list[bool]:
        if not states or not left:
            return [bool(states)] * 10**left
        found = []
        for digit in range(10):
            after, longer = self.step(states, digit), f"{text}{digit}"
            if self.accepts(after, at_end=False) and longer != but:
                found += [True] * 10 ** (left - 1)
            else:
                found += self._may_match(after, longer, left - 1, but)
        return found

    def _closed(self, states: set[int], *, at_end: bool = False) -> States:
        waiting = list(states)
        while waiting:
            state = waiting.pop()
            reachable = self._free[state] + (self._at_end[state] if at_end else [])
            new = [to for to in reachable if to not in states]
            states.update(new)
            waiting.extend(new)
        return frozenset(states)

    # The pattern is read from left to right, the automaton is built towards its end: each part is given the state that
    # follows it.

    def _state(self) -> int:
        self._edges.append([])
        self._free.append([])
        self._at_end.append([])
        return len(self._edges) - 1

    def _alternatives(self, end: int) -> int:
        start = self._state()
        while True:
            self._free[start].append(self._sequence(end))
            if self._peek() != "|":
                return start
            self._position += 1

    def _sequence(self, end: int) -> int:
        parts: list[tuple[int, int, int]] = []
        while self._peek() not in (None, "|", ")"):
            first = self._position
            self._skip_item()
            last = self._position
            least, most = self._repeats()
            parts += [(first, last, 1)] * least + [(first, last, 0)] * (most - least)
        resume = self._position
        for first, last, needed in reversed(parts):
            self._position = first
            start = self._item(end)
            if self._position != last:
                raise UnknownSyntaxError("unbalanced group")
            if not needed:
                self._free[start].append(end)
            end = start
        self._position = resume
        return end

    def _item(self, end: int) -> int:
        symbol = self._symbols[self._position]
        self._position += 1
        start = self._state()
        if symbol in ("(", "(?:"):
            self._free[start].append(self._alternatives(end))
            self._position += 1
        elif symbol == "$":
            self._at_end[start].append(end)
        else:
            self._edges[start].append((_digits_of(symbol), end))
        return start

    def _skip_item(self) -> None:
        depth = 0
        while True:
            symbol = self._peek()
            if symbol is None:
                raise UnknownSyntaxError("unbalanced group")
            self._position += 1
            depth += (symbol in ("(", "(?:")) - (symbol == ")")
            if depth == 0:
                return

    def _repeats(self) -> tuple[int, int]:
        symbol = self._peek()
        if symbol == "?":
            self._position += 1
            return 0, 1
        if symbol is not None and symbol.startswith("{"):
            self._position += 1
            least, _, most = symbol[1:-1].partition(",")
            return int(least), int(most or least)
        return 1, 1

    def _peek(self) -> str | None:
        return self._symbols[self._position] if self._position < len(self._symbols) else None


@cache
def digit_pattern(pattern: str) -> DigitPattern:
    """The automaton of a pattern, made once."""
    return DigitPattern(pattern)


def _symbols(pattern: str) -> list[str]:
    symbols, position = [], 0
    while position < len(pattern):
        found = _SYMBOL.match(pattern, position)
        if found is None:
            raise UnknownSyntaxError(pattern)
        symbols.append(found.group())
        position = found.end()
    return symbols


def _digits_of(symbol: str) -> frozenset[int]:
    if symbol == "\\d":
        return _ANY
    if symbol.isdigit():
        return frozenset({int(symbol)})
    if symbol.startswith("["):
        ranges = re.findall(r"(\d)-(\d)|(\d)", symbol)
        return frozenset(digit for low, high, one in ranges for digit in range(int(low or one), int(high or one) + 1))
    raise UnknownSyntaxError(symbol)
