"""The outcomes of an event: the one list that summary, report, metrics and docs use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Outcome:
    """What can become of an event.

    Attributes:
        meaning: what it means, for a reader of the report.
        settled: nothing is left to do.
        kind: how the report shows it.
    """

    meaning: str
    settled: bool
    kind: Literal["valid", "duplicate", "warning", "rejected", "excluded"]


#: Each event of a delivery has exactly one of them. In the order of the report.
OUTCOMES: Mapping[str, Outcome] = {
    "accepted": Outcome("TikTok, or LiveRamp, has taken it.", True, "valid"),
    "would_send": Outcome("Would be sent: this was a dry run.", True, "valid"),
    "already_sent": Outcome("Was sent with an earlier file; not sent again.", True, "duplicate"),
    "changed_after_sent": Outcome("Was sent before with another amount or time; not sent again.", True, "warning"),
    "refused": Outcome("Was refused, and is not sent again by itself.", True, "rejected"),
    "expired": Outcome("Became older than the lookback while waiting.", True, "excluded"),
    "suppressed": Outcome("Belongs to somebody who opted out after the file was prepared.", True, "excluded"),
    "held": Outcome("Another delivery is at work on it; a retry takes it up.", False, "warning"),
    "unconfirmed": Outcome("Sent, but no answer came; a retry settles it.", False, "warning"),
    "not_sent": Outcome("Not sent yet; a retry sends it.", False, "warning"),
}
#: Outcomes after which nothing is left to do.
SETTLED = tuple(name for name, outcome in OUTCOMES.items() if outcome.settled)
