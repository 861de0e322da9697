"""JSON as values of a known type, read by several threads at once.

msgspec works a dataclass, ``TypedDict`` or ``Struct`` out once, and keeps the result with the class before it is whole.
A second thread that reads the same type meanwhile ends the process (msgspec 0.22.0: a segmentation fault). Here one
type is worked out at a time.
"""

from __future__ import annotations

import threading
from typing import TypeVar

import msgspec

_T = TypeVar("_T")

_working_out = threading.Lock()
_worked_out: set[object] = set()


def decode(content: bytes | str, kind: type[_T]) -> _T:
    """JSON as a value of a type.

    :raises msgspec.DecodeError: if it is no JSON, or another type's.
    :raises UnicodeDecodeError, RecursionError: if it is no text, or too deep.
    """
    _work_out(kind)
    return msgspec.json.decode(content, type=kind)


def convert(value: object, kind: type[_T], *, str_keys: bool = False) -> _T:
    """Plain values as a value of a type.

    :param str_keys: whether keys of mappings are texts, as JSON has them, whatever their type.
    :raises msgspec.ValidationError: if they are another type's.
    """
    _work_out(kind)
    return msgspec.convert(value, kind, str_keys=str_keys)


def _work_out(kind: object) -> None:
    if kind not in _worked_out:
        with _working_out:
            msgspec.json.Decoder(kind)
            _worked_out.add(kind)
