"""The outcomes of an event: the one list that summary, report, metrics and docs use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Outcome:
    """What can become of an event.

    Attributes:
        words: it, behind a number: ``12 sent before with an earlier file``.
        meaning: what it means, for a reader of the report.
        settled: nothing is left to do.
        kind: how the report shows it.
        todo: what a person does about it; empty where a return code or the mode says it.
    """

    words: str
    meaning: str
    settled: bool
    kind: Literal["valid", "duplicate", "warning", "rejected", "excluded"]
    todo: str = ""


#: Each event of a delivery has exactly one of them. In the order of the report.
OUTCOMES: Mapping[str, Outcome] = {
    "accepted": Outcome("received", "TikTok, or LiveRamp, has taken it.", True, "valid"),
    "would_send": Outcome("to be sent if this were live", "Would be sent: this was a dry run.", True, "valid"),
    "already_sent": Outcome(
        "sent before with an earlier file",
        "Was sent with an earlier file; not sent again.",
        True,
        "duplicate",
        "Nothing: each transaction is sent once.",
    ),
    "changed_after_sent": Outcome(
        "sent before with another amount or time",
        "Was sent before with another amount or time; not sent again.",
        True,
        "warning",
        "Nothing can be changed at TikTok: correct the export so that an order keeps its amount.",
    ),
    "refused": Outcome("refused", "Was refused, and is not sent again by itself.", True, "rejected"),
    "returned": Outcome(
        "returned before they were sent",
        "Everything of it came back while its file waited; not sent.",
        True,
        "excluded",
        "Nothing.",
    ),
    "expired": Outcome(
        "lost: too old",
        "Became older than the lookback while waiting.",
        True,
        "excluded",
        "Deliver the file sooner: TikTok attributes transactions of the last days only.",
    ),
    "suppressed": Outcome(
        "left out: the customer opted out",
        "Belongs to somebody who opted out after the file was prepared.",
        True,
        "excluded",
        "Nothing.",
    ),
    "waiting": Outcome(
        "waiting for returns",
        "Is sent on the day on which its file is due (`send_after_days`), less what is returned until then.",
        False,
        "excluded",
        "Nothing: the first run on that day or after it sends them.",
    ),
    "held": Outcome(
        "claimed by another delivery",
        "Another delivery is at work on it; a retry takes it up.",
        False,
        "warning",
        "Nothing: the summary looks again; if the other failed, clear from dedupe.",
    ),
    "unconfirmed": Outcome(
        "without an answer",
        "Sent, but no answer came; a retry settles it.",
        False,
        "warning",
        "Clear the upload task while the window is open; after it, `tiktok-offline ledger resolve` decides.",
    ),
    "not_sent": Outcome("not sent yet", "Not sent yet; a retry sends it.", False, "warning", "Clear the upload task."),
}
#: Outcomes after which nothing is left to do.
SETTLED = tuple(name for name, outcome in OUTCOMES.items() if outcome.settled)
