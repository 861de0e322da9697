"""What a pattern of libphonenumber's metadata says about *all* digit strings with a given beginning and length.

The metadata is regular expressions over digits. To decide a number by its length and first digits alone, one has to
know whether every string with that beginning matches, none does, or it depends on the rest.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Literal

Verdict = Literal["all", "none", "some"]
States = frozenset[int]

_SYMBOL = re.compile(r"\\d|\[([\d-]+)\]|\(\?:|\{(\d+)(?:,(\d+))?\}|[\d()|?$]")
_ANY = frozenset(range(10))


class UnknownSyntaxError(ValueError):
    """A pattern uses something that this reader does not know; its region is left to the library."""


class Grammar:
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
        self._regex = re.compile(pattern)
        self._steps: dict[tuple[States, int], States] = {}
        self._verdicts: dict[tuple[States, int], Verdict] = {}
        self._longer: dict[tuple[States, int], bool] = {}
        self._beginnings: dict[str, States] = {}

    def verdict(self, beginning: str, length: int) -> Verdict:
        """Whether all, none or some of the strings of that beginning and length match as a whole."""
        return self._verdict(self._after(beginning), length - len(beginning))

    def match(self, beginning: str, length: int) -> re.Match[str] | Literal["some"] | None:
        """How the pattern matches at the start of every such string, or ``"some"`` if that depends on the rest."""
        left = length - len(beginning)
        if self._goes_on(self._after(beginning), left):
            return "some"
        return self._regex.match(beginning + "0" * left)

    def _after(self, beginning: str) -> States:
        if not beginning:
            return self.start
        known = self._beginnings.get(beginning)
        if known is None:
            known = self._step(self._after(beginning[:-1]), int(beginning[-1]))
            self._beginnings[beginning] = known
        return known

    def _verdict(self, states: States, left: int) -> Verdict:
        if not states:
            return "none"
        if left == 0:
            return "all" if self._accepts(states, at_end=True) else "none"
        known = self._verdicts.get((states, left))
        if known is None:
            following = {self._step(states, digit) for digit in _ANY}
            found = {self._verdict(each, left - 1) for each in following}
            known = found.pop() if len(found) == 1 else "some"
            self._verdicts[states, left] = known
        return known

    def _goes_on(self, states: States, left: int) -> bool:
        """Whether a longer string, by at most so many digits, is accepted."""
        if not states or not left:
            return False
        known = self._longer.get((states, left))
        if known is None:
            following = {self._step(states, digit) for digit in _ANY}
            known = any(
                self._accepts(each, at_end=left == 1) or self._goes_on(each, left - 1) for each in following if each
            )
            self._longer[states, left] = known
        return known

    def _accepts(self, states: States, *, at_end: bool) -> bool:
        if self._accept in states:
            return True
        return at_end and self._accept in self._closed(set(states), at_end=True)

    def _step(self, states: States, digit: int) -> States:
        known = self._steps.get((states, digit))
        if known is None:
            known = self._closed({to for state in states for digits, to in self._edges[state] if digit in digits})
            self._steps[states, digit] = known
        return known

    def _closed(self, states: set[int], *, at_end: bool = False) -> States:
        waiting = list(states)
        while waiting:
            state = waiting.pop()
            reachable = self._free[state] + (self._at_end[state] if at_end else [])
            new = [to for to in reachable if to not in states]
            states.update(new)
            waiting.extend(new)
        return frozenset(states)

    # The pattern is read from left to right, the automaton is built towards its end: each part is told where to go on.

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
def grammar(pattern: str) -> Grammar:
    """The grammar of a pattern, read once."""
    return Grammar(pattern)


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
