"""From the rows of a file to what TikTok received: each step with what was lost before it, why, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_tiktok_offline.conversions.contract.catalogue import EXCLUSIONS, RULES
from airflow_provider_tiktok_offline.conversions.contract.outcomes import OUTCOMES
from airflow_provider_tiktok_offline.tiktok.codes import return_code

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.plugin.airflow_facts import Document


@dataclass(frozen=True, slots=True)
class Reason:
    """Why rows or events did not reach the next step.

    Attributes:
        name: the rule, the outcome or the return code.
        text: what it means.
        count: how many.
        todo: the next action.
    """

    name: str
    text: str
    count: int
    todo: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the funnel.

    Attributes:
        name, label: its name in the API, and what a person reads.
        count: how many reached it; None while that is not known.
        lost: why the others of the step before did not.
    """

    name: str
    label: str
    count: int | None
    lost: tuple[Reason, ...] = ()


def funnel(delivery: Document) -> list[dict[str, Any]]:
    """The steps of one delivery, the first being its rows."""
    rows: Mapping[str, int] = delivery.get("rows") or {}
    events: Mapping[str, int] = delivery.get("events") or {}
    liveramp = delivery.get("route") == "liveramp"
    live = delivery.get("mode") == "live"
    counted = bool(events)
    received = events.get("accepted", 0)
    sent = received + events.get("refused", 0) + events.get("unconfirmed", 0)
    new = sent + sum(events.get(name, 0) for name in ("not_sent", "held", "would_send", "waiting"))
    steps = [
        Step("rows", "rows in the file", rows.get("total")),
        Step("valid", "valid", rows.get("valid"), tuple(_refused_rows(delivery))),
        Step("new", "new", new if counted else None, tuple(_known(delivery))),
        Step(
            "sent",
            ("written to the feed file" if liveramp else "sent") if live else "would be sent",
            (sent if live else new) if counted else None,
            tuple(_of(events, "waiting", "held", "not_sent")),
        ),
    ]
    if live:
        label = "uploaded to LiveRamp, not confirmed" if liveramp else "received by TikTok, not matched yet"
        steps.append(Step("received", label, received if counted else None, tuple(_unanswered(delivery))))
    return [asdict(step) for step in steps]


def _refused_rows(delivery: Document) -> list[Reason]:
    rows: Mapping[str, int] = delivery.get("rows") or {}
    named = [
        Reason(rule, f"refused by our rules: {_fault(rule)}", count, RULES[rule].todo if rule in RULES else "")
        for rule, count in (delivery.get("faults") or {}).items()
    ]
    excluded = [
        Reason(name, f"rightly not sent: {EXCLUSIONS.get(name, name)}", count)
        for name, count in (delivery.get("excluded") or {}).items()
    ]
    twice = rows.get("duplicate", 0)
    duplicate = [Reason("duplicate", "the same transaction again in this file", twice)] if twice else []
    return [*named, *duplicate, *excluded]


def _fault(rule: str) -> str:
    return RULES[rule].fault if rule in RULES else rule


def _known(delivery: Document) -> list[Reason]:
    """Between valid rows and new events: rows of one order, and what was sent before."""
    events: Mapping[str, int] = delivery.get("events") or {}
    rows: Mapping[str, int] = delivery.get("rows") or {}
    total = delivery.get("events_total")
    merged = rows.get("valid", 0) - total if isinstance(total, int) and rows else 0
    together = [Reason("basket", "lines of one order, sent as one event", merged)] if merged > 0 else []
    return [*together, *_of(events, "already_sent", "changed_after_sent", "suppressed", "returned", "expired")]


def _of(events: Mapping[str, int], *names: str) -> list[Reason]:
    return [Reason(name, OUTCOMES[name].words, events[name], OUTCOMES[name].todo) for name in names if events.get(name)]


def _unanswered(delivery: Document) -> list[Reason]:
    events: Mapping[str, int] = delivery.get("events") or {}
    codes: Mapping[str, int] = delivery.get("codes") or {}
    refused = [
        Reason(code, f"refused by TikTok: {return_code(int(code)).name}", count, return_code(int(code)).todo)
        for code, count in codes.items()
    ]
    rest = events.get("refused", 0) - sum(codes.values())
    if rest > 0:
        refused.append(Reason("refused", "refused by TikTok, without a code", rest, "Read the log of upload."))
    doubt = events.get("unconfirmed", 0)
    if doubt:
        refused.append(
            Reason(
                "unconfirmed",
                "sent, and no answer came: TikTok may have them or not",
                doubt,
                OUTCOMES["unconfirmed"].todo,
            )
        )
    return refused
