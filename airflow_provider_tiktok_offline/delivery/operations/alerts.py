"""What is wrong at TikTok's end, and whether somebody was notified: one alert for each change of state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.storage import documents

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.delivery.state.advertiser_status import AdvertiserStatus
    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext

#: Figures of a day are settled after so many days; this many settled days are compared with those before them.
_SETTLED_AFTER, _RECENT, _BEFORE = 4, 7, 14
#: Attribution has fallen away below this part of what it was, if acceptance has kept that part.
_FALLEN, _KEPT = 0.3, 0.5
#: With fewer attributed events in the days before, chance explains a fall.
_FEWEST = 20


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that is wrong.

    Attributes:
        text: in words, with what to do; no amount and no customer's value.
        notified: whether somebody was notified.
    """

    text: str
    notified: bool = False


@dataclass(frozen=True, slots=True)
class _Kept:
    alerts: Mapping[str, Alert] = field(default_factory=dict)


def note_alerts(ctx: DeliveryContext, found: Mapping[str, str]) -> None:
    """Note what is wrong now. Nobody is notified again while it lasts; what is over is news when it comes back.

    :param found: kind -> what is wrong, empty where nothing is. Kinds that are not named stay as they are.
    """

    def edit(kept: Mapping[str, Alert]) -> dict[str, Alert]:
        after = {kind: alert for kind, alert in kept.items() if kind not in found}
        wrong = {kind: text for kind, text in found.items() if text}
        return {**after, **{kind: Alert(text, kind in kept and kept[kind].notified) for kind, text in wrong.items()}}

    _change(ctx, edit)


def take_unnotified(ctx: DeliveryContext) -> list[str]:
    """What nobody was notified of yet, and which now counts as notified."""
    news: list[str] = []

    def edit(kept: Mapping[str, Alert]) -> dict[str, Alert]:
        news[:] = [alert.text for alert in kept.values() if not alert.notified]
        return {kind: Alert(alert.text, notified=True) for kind, alert in kept.items()}

    _change(ctx, edit)
    return news


def attribution_fallen(status: AdvertiserStatus, today: date) -> str:
    """That TikTok attributes much less than before while it accepts as much; empty if not, or if too little is known.

    :param today: in the ad account's time zone; the last days, whose figures still grow, are left out.
    """
    last = today - timedelta(days=_SETTLED_AFTER)
    middle, first = last - timedelta(days=_RECENT), last - timedelta(days=_RECENT + _BEFORE)
    attributed = {date.fromisoformat(one.day): one.events for one in status.attribution}
    accepted: dict[date, int] = {}
    for delivery in status.deliveries:
        day = date.fromisoformat(delivery.day)
        accepted[day] = accepted.get(day, 0) + delivery.events.get("accepted", 0)

    def a_day(figures: Mapping[date, int], after: date, until: date) -> float:
        return sum(count for day, count in figures.items() if after < day <= until) / (until - after).days

    before, now = a_day(attributed, first, middle), a_day(attributed, middle, last)
    sent_before, sent_now = a_day(accepted, first, middle), a_day(accepted, middle, last)
    if before * _BEFORE < _FEWEST or now >= _FALLEN * before or not sent_before or sent_now < _KEPT * sent_before:
        return ""
    return (
        f"TikTok attributes {100 * (1 - now / before):.0f} % less than before, while as many events are accepted. Check"
        " whether ads still run and track the event set, and the budget of campaigns."
    )


def _change(ctx: DeliveryContext, edit: Callable[[Mapping[str, Alert]], dict[str, Alert]]) -> None:
    path = f"advertisers/{ctx.config.name}/alerts.json"
    for _ in documents.attempts(ctx.clock, ctx.uri(path)):
        stored = documents.read(ctx.objects, path)
        before = {} if stored is None else dict(documents.typed(stored[0], _Kept, ctx.uri(path)).alerts)
        after = edit(before)
        if after == before:
            return
        document = {"alerts": {kind: {"text": alert.text, "notified": alert.notified} for kind, alert in after.items()}}
        if stored is None:
            written = documents.create(ctx.objects, path, document)
        else:
            written = documents.swap(ctx.objects, path, document, stored[1])
        if written:
            return
