"""The advertiser's list of people who opted out: read anew by each step, checked, and compared with the last one."""

from __future__ import annotations

import secrets
import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, BinaryIO

from airflow_provider_tiktok_offline import __version__
from airflow_provider_tiktok_offline.config.file_sections import SuppressionConfig
from airflow_provider_tiktok_offline.conversions.report.report import percent
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts
from airflow_provider_tiktok_offline.errors import LedgerMissingError, OptOutListError
from airflow_provider_tiktok_offline.plain_text import plain_logger
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.files import open_files

if TYPE_CHECKING:
    import polars as pl

    from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.list_layout import ListSettings
    from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.suppression import Suppression

log = plain_logger(__name__)

#: Beside staged events: which list they were staged under.
_STAGED_UNDER = "opt-outs"


def load_suppression(ctx: DeliveryContext, *, accept: bool = True) -> Suppression | None:
    """The people on the advertiser's list, or None where no list is configured.

    :param accept: remember the list, in live mode, so that the next one is compared with it.
    :raises FileMissingError: if the list is configured and not there.
    :raises OptOutListError: if it can't be read, is empty, too old, or has lost too many of its entries.
    """
    wanted = ctx.config.suppression
    if wanted is None:
        return None
    with open_files(wanted.uri, ctx.connections) as files:
        written = files.stat(wanted.uri).mtime
        _check_age(wanted, ctx.clock.now() - written)
        try:
            known = _last_read.find(files.open_read(wanted.uri), _list_settings(ctx), written)
            people = known or _last_read.read(files.open_read(wanted.uri), _list_settings(ctx), written)
        except OptOutListError as error:
            error.where = wanted.uri
            raise
    _check_shrinkage(ctx, wanted, people)
    if accept and ctx.live:
        _remember(ctx, people)
    log.info("Suppression list: %s.", people.facts)
    return people


class _LastRead:
    """The list that this process has read last: a process that sends many parts takes it apart once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: tuple[tuple[str, str], Suppression] | None = None

    def find(self, stream: BinaryIO, settings: ListSettings, written: datetime) -> Suppression | None:
        """The people on a list of the very same bytes."""
        from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.list_text import content_digest

        with self._lock:
            last = self._last
        if last is None:
            stream.close()
            return None
        with stream:
            same = last[0] == (content_digest(stream), repr(settings))
        return last[1].written_at(written) if same else None

    def read(self, stream: BinaryIO, settings: ListSettings, written: datetime) -> Suppression:
        """The people on a list."""
        from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.read_list import read_list

        with stream:
            people = read_list(stream, settings, written=written)
        with self._lock:
            self._last = (people.facts.sha256, repr(settings)), people
        return people


_last_read = _LastRead()


def _list_settings(ctx: DeliveryContext) -> ListSettings:
    from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.list_layout import ListSettings

    config, wanted = ctx.config, ctx.config.suppression
    if wanted is None:
        raise TypeError("there is no list")
    regions = [config.phone_region, *(store.phone_region for store in config.stores.values())]
    return ListSettings(
        columns=wanted.columns,
        match=wanted.match,
        phone_regions=tuple(dict.fromkeys(region for region in regions if region)),
        max_unreadable=wanted.max_unreadable,
        allow_empty=wanted.allow_empty,
    )


def _check_age(wanted: SuppressionConfig, age: timedelta) -> None:
    if age > timedelta(hours=wanted.max_age_hours):
        raise OptOutListError(
            f"the suppression list is {age / timedelta(hours=1):.0f} hours old, "
            f"more than max_age_hours {wanted.max_age_hours:g} allows; nothing was sent.",
            where=wanted.uri,
            todo="Export the list again, or raise suppression.max_age_hours.",
        )


def _path(ctx: DeliveryContext) -> str:
    return f"advertisers/{ctx.config.name}/opt-outs.json"


def _check_shrinkage(ctx: DeliveryContext, wanted: SuppressionConfig, people: Suppression) -> None:
    """Compare the number of entries with that of the list which was last accepted."""
    accepted = documents.read(ctx.objects, _path(ctx))
    before = 0 if accepted is None else int(accepted[0]["entries"])
    now = people.facts.entries.total
    if accepted is None or now >= before * (1 - wanted.max_shrink):
        return
    raise OptOutListError(
        f"the suppression list has {now:,} entries, {before - now:,} fewer than the list accepted on "
        f"{accepted[0]['accepted_at'][:10]} ({percent(before - now, before)} of {before:,}; "
        f"max_shrink is {percent(wanted.max_shrink)}); nothing was sent.",
        where=wanted.uri,
        todo="Look whether its export was cut off; if the list is right, raise suppression.max_shrink for one run.",
    )


def _remember(ctx: DeliveryContext, people: Suppression) -> None:
    """Keep count, date and a keyed digest of the list."""
    digest = _keyed(ctx, people.facts.sha256)
    if digest is None:
        return
    accepted = documents.read(ctx.objects, _path(ctx))
    if accepted is not None and accepted[0]["digest"] == digest:
        return
    document = {
        "entries": people.facts.entries.total,
        "accepted_at": ctx.clock.now().isoformat(),
        "digest": digest,
    }
    # Of two steps that accept a list at once, one is enough.
    if accepted is None:
        documents.create(ctx.objects, _path(ctx), document)
    else:
        documents.swap(ctx.objects, _path(ctx), document, accepted[1])


def _keyed(ctx: DeliveryContext, sha256: str) -> str | None:
    """A digest of a list and of how it is read, under the ledger's secret; None where there is no ledger.

    A bare digest of a short list could be guessed.
    """
    try:
        return ctx.ledger.keyed_digest(f"opt-outs\x1f{__version__}\x1f{_list_settings(ctx)!r}\x1f{sha256}")
    except LedgerMissingError:
        return None


def keyed_list(ctx: DeliveryContext, people: Suppression | None) -> str:
    """What tells a list of opt-outs from another one, and names nobody; empty where there is none.

    Where there is no ledger yet, no list is the same as another.
    """
    return "" if people is None else _keyed(ctx, people.facts.sha256) or secrets.token_hex(8)


def note_staged_under(ctx: DeliveryContext, parts: StagedParts, people: Suppression | None) -> None:
    """Keep with staged events which list they were staged under.

    :param people: those on the list; None where there was none, or before the events are staged anew.
    """
    digest = None if people is None else _keyed(ctx, people.facts.sha256)
    parts.put(_STAGED_UNDER, (digest or "").encode())


def was_staged_under(ctx: DeliveryContext, parts: StagedParts, people: Suppression | None) -> bool:
    """Whether events are staged under that very list; False where that is not known.

    :param people: those on the list as it is now; None where there is none.
    """
    staged_under = (parts.find(_STAGED_UNDER) or b"").decode()
    return not staged_under if people is None else staged_under == _keyed(ctx, people.facts.sha256)


def later_opt_outs(ctx: DeliveryContext, parts: StagedParts) -> Suppression | None:
    """The people to be left out of events that were staged before.

    None where no list is configured, or where it is still the very list that the events were staged under: then nobody
    of them is on it. That is found out without taking the list apart again.

    :raises FileMissingError, OptOutListError: as :func:`load_suppression`.
    """
    wanted = ctx.config.suppression
    if wanted is None:
        return None
    staged_under = parts.find(_STAGED_UNDER)
    if staged_under is not None:
        from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.list_text import content_digest

        with open_files(wanted.uri, ctx.connections) as files:
            _check_age(wanted, ctx.clock.now() - files.stat(wanted.uri).mtime)
            with files.open_read(wanted.uri) as stream:
                same = _keyed(ctx, content_digest(stream)) == staged_under.decode()
        if same:
            return None
    return load_suppression(ctx)


def opted_out(people: Suppression | None, events: pl.DataFrame) -> pl.Series:
    """Which prepared events are of people who have opted out by now.

    :param events: with their digests, and their readings where these were staged.
    :returns: one Boolean an event.
    """
    import numpy as np
    import polars as pl

    from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.row_identifiers import READINGS

    if people is not None and events.height and READINGS not in events.columns:
        log.warning(
            "These events were staged without every reading of their identifiers: they are compared by digests."
        )
    hit = np.zeros(events.height, dtype=np.bool_) if people is None else people.find_events(events)
    return pl.Series("opted_out", hit)
