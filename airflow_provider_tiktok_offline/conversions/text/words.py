"""Eight bytes at a time: texts of digits checked and read as whole numbers, column-wise.

A word is eight bytes as one number, the first of them in its lowest byte.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]

WORD = 8
_DIGIT = "d"
_ZERO = ord("0")
_SEVEN_BITS, _TOP_BITS = np.uint64(0x7F7F7F7F7F7F7F7F), np.uint64(0x8080808080808080)
#: What leads into a byte's top bit: a digit beyond 9, and anything but 0.
_BEYOND_NINE, _BEYOND_ZERO = 0x76, 0x7F


class WordShape:
    """What eight bytes must be.

    :param shape: a character a byte: ``d`` for a digit, a blank for anything, all else as it stands.
    """

    def __init__(self, shape: str) -> None:
        fixed = bytes(_ZERO if kind == _DIGIT else 0 if kind == " " else ord(kind) for kind in shape)
        beyond = bytes(_BEYOND_NINE if kind == _DIGIT else 0 if kind == " " else _BEYOND_ZERO for kind in shape)
        cared = bytes(0 if kind == " " else 0xFF for kind in shape)
        self._fixed, self._beyond, self._cared = (
            np.uint64(int.from_bytes(one, "little")) for one in (fixed, beyond, cared)
        )

    def digits(self, words: Words) -> Words:
        """The words with each digit's value in its byte, and 0 where the shape asks for a certain character."""
        return (words ^ self._fixed) & self._cared

    def fits(self, digits: Words) -> Flags:
        """Which words, given as :meth:`digits` has them, are as the shape asks."""
        wrong = digits & _SEVEN_BITS
        wrong += self._beyond
        wrong |= digits
        wrong &= _TOP_BITS
        fits: Flags = wrong == 0
        return fits


def words_at(characters: Bytes, places: Numbers) -> Words:
    """The words that begin at some places; behind each of them are at least eight bytes."""
    everywhere: Words = np.ndarray((max(len(characters) - WORD + 1, 0),), "<u8", characters.data, 0, (1,))
    found: Words = everywhere[places]
    return found


def words_in(rows: Bytes, place: int) -> Words:
    """The word at one place of texts of one width.

    :param rows: one text a row, without a gap.
    """
    count, width = rows.shape
    there: Words = np.ndarray((count,), "<u8", rows.data, place, (width,))
    return there.copy()


def pairs(digits: Words) -> Words:
    """For each byte the number that its digit and the one behind it make."""
    made: Words = digits * np.uint64(10)
    made += digits >> np.uint64(8)
    return made


def pair_at(made: Words, place: int) -> Numbers:
    """One byte of :func:`pairs`."""
    return ((made >> np.uint64(8 * place)) & np.uint64(0xFF)).view(np.int64)


def eight_digits(digits: Words) -> Numbers:
    """The number that eight digits make."""
    made = pairs(digits)
    made &= np.uint64(0x00FF00FF00FF00FF)
    made = made * np.uint64(100) + (made >> np.uint64(16))
    made &= np.uint64(0x0000FFFF0000FFFF)
    made = made * np.uint64(10_000) + (made >> np.uint64(32))
    made &= np.uint64(0xFFFFFFFF)
    return made.view(np.int64)
