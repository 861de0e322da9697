"""What became of an upload's events."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """Events refused for one reason.

    Attributes:
        code: TikTok's return code.
        field: the field path it names, if it names one.
        events: how many.
    """

    code: int
    field: str | None
    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadResult:
    """What became of the events; the four counts add up to all of them.

    Attributes:
        accepted: accepted by TikTok.
        refused: refused for good; ``refusals`` has them by code and field.
        unconfirmed: sent without a definite answer: in doubt.
        not_attempted: not sent, or definitely not accepted.
        requests: requests made.
    """

    accepted: int
    refused: int
    unconfirmed: int
    not_attempted: int
    requests: int
    refusals: tuple[Refusal, ...] = ()
