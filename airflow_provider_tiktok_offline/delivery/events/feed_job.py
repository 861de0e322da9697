"""One feed file in the making: the deliveries whose rows it holds, and their receipts once it is delivered."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.events.delivery_events import open_events
from airflow_provider_tiktok_offline.delivery.events.feed_setup import liveramp_config
from airflow_provider_tiktok_offline.delivery.events.later_opt_outs import lines_of_later_opt_outs
from airflow_provider_tiktok_offline.delivery.events.plan_outcomes import keyed_events
from airflow_provider_tiktok_offline.delivery.events.planning import plan_again
from airflow_provider_tiktok_offline.delivery.events.validation import read_report
from airflow_provider_tiktok_offline.delivery.source.source_file import StoredFile
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.lease import Lease
from airflow_provider_tiktok_offline.delivery.state.opted_out_events import write_opted_out
from airflow_provider_tiktok_offline.delivery.state.step_results import DedupeResult

if TYPE_CHECKING:
    import polars as pl

    from airflow_provider_tiktok_offline.conversions.report.report import Report
    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState
    from airflow_provider_tiktok_offline.liveramp.day_record import DayRecord
    from airflow_provider_tiktok_offline.liveramp.feed import Feed
    from airflow_provider_tiktok_offline.liveramp.line_set import LineSet
    from airflow_provider_tiktok_offline.liveramp.writer import FeedFile, FeedSource

_DELIMITERS = {"comma": ",", "tab": "\t", "pipe": "|"}


@dataclass(slots=True)
class Member:
    """One delivery of the file: its rows, by part of its plan.

    ``suppressed`` are lines that are left out of the file: their people have opted out since they were planned.
    """

    state: DeliveryState
    chosen: LineSet
    parts: list[int]
    suppressed: tuple[int, ...]


class FeedJob:
    """One feed file in the making.

    :param earlier: the day's record if the file was begun or delivered before; it fixes which rows had expired.
    """

    def __init__(self, ctx: DeliveryContext, feed: Feed, earlier: DayRecord | None) -> None:
        self._ctx = ctx
        self._feed = feed
        self._sources: list[FeedSource] = []
        self._leases: list[Lease] = []
        self._file: FeedFile | None = None
        self._earlier = earlier
        self.members: list[Member] = []
        moment = ctx.clock.now() if earlier is None else datetime.fromisoformat(earlier.day).replace(tzinfo=UTC)
        self._oldest = ctx.oldest_event_time(moment)

    def add(self, state: DeliveryState, stack: ExitStack) -> None:
        """Add a delivery's rows, and hold the delivery for as long as the stack lasts.

        :raises OptOutListError: if the list of opt-outs can't be used; of a file that was delivered it is not asked.
        """
        from airflow_provider_tiktok_offline.liveramp.line_set import LineSet
        from airflow_provider_tiktok_offline.liveramp.writer import FeedSource
        from airflow_provider_tiktok_offline.storage.files import open_files

        lease = stack.enter_context(Lease(self._ctx, state))
        files = stack.enter_context(open_files(state.uri, self._ctx.connections))
        if self._earlier is not None and self._earlier.status == "delivered":
            suppressed = tuple(self._earlier.suppressed.get(state.id, ()))
        else:
            suppressed = lines_of_later_opt_outs(self._ctx, state)
        member = Member(state, LineSet(), list(self._ctx.ledger.plan(state.id).parts), suppressed)
        for part in member.parts:
            lines = self._rows(member, part)["line"]
            member.chosen.add(lines.filter(~lines.is_in(suppressed)))
        report = self._report_of(state)
        self._leases.append(lease)
        self.members.append(member)
        self._sources.append(
            FeedSource(
                source=StoredFile(state.uri, state.size, files),
                settings=self._ctx.config.conversion_settings(),
                lines=member.chosen,
                sha256=state.digest,
                suppressed=suppressed,
                delimiter=None if report is None else _DELIMITERS[report.delimiter],
                categories=None if report is None else frozenset(report.categories),
                item_orders=liveramp_config(self._ctx).order_id == "item",
            )
        )

    def _report_of(self, state: DeliveryState) -> Report | None:
        """The report of the delivery's file; None if it is gone, or another file's."""
        report = read_report(self._ctx, state.id)
        return report if report is not None and report.sha256 == state.digest else None

    def file(self) -> FeedFile:
        """The feed file of all that was added; the same object each time."""
        from airflow_provider_tiktok_offline.liveramp.writer import FeedFile

        if self._file is None:
            self._file = FeedFile(self._feed, self._sources)
        return self._file

    def progress(self, done: int, total: int | None) -> None:
        """Report progress, and make sure that the deliveries are still this run's."""
        for lease in self._leases:
            lease.check()
        self._ctx.progress("deliver", done, total)

    def _rows(self, member: Member, part: int) -> pl.DataFrame:
        """Line and event key of the planned rows of a part that are not too old."""
        import polars as pl

        plan = self._ctx.ledger.plan(member.state.id)
        # By key, not by row: verdicts that were recreated under another opt-out list have other rows.
        frame = keyed_events(self._ctx, plan, part, open_events(self._ctx, member.state.id).read(part))
        joined = frame.join(plan.part(part).select("event_key"), on="event_key", how="semi", maintain_order="left")
        return joined.filter(pl.col("event_time") >= self._oldest).select("line", "event_key")

    def write_receipts(self, record: DayRecord | None, omitted: Mapping[str, list[int]]) -> None:
        """Write the receipts of a delivered file: its rows are accepted, those that could not be written refused.

        Rows of people who had opted out are kept as suppressed.

        :param omitted: delivery id -> lines that could not be written.
        """
        name = None if record is None else record.file_name
        for member in self.members:
            for part in member.parts:
                self._receipts(member, part, omitted.get(member.state.id, []), name)
            self._ctx.ledger.settle(member.state.id)
        for member in self.members:
            # Rows that another delivery of this file held are settled with it.
            planned = DedupeResult.of(member.state)
            if planned is not None and planned.events.get("held"):
                plan_again(self._ctx, member.state)

    def _receipts(self, member: Member, part: int, omitted: list[int], name: str | None) -> None:
        planned = self._rows(member, part)
        opted_out = planned["line"].is_in(member.suppressed)
        write_opted_out(self._ctx, member.state.id, part, planned.filter(opted_out)["event_key"])
        rows = planned.filter(~opted_out)
        wrong = rows["line"].is_in(omitted)
        with self._ctx.ledger.receipts(member.state.id, part, self._ctx.holder) as receipts:
            settled = receipts.settled()
            # What a killed try left in doubt is in the file that was delivered.
            known = settled.filter(settled["outcome"] != "in_doubt")["event_key"]
            for keys, refused in ((rows.filter(~wrong)["event_key"], False), (rows.filter(wrong)["event_key"], True)):
                fresh = keys.filter(~keys.is_in(known.implode()))
                if not len(fresh):
                    continue
                receipts.left_before(fresh)
                if refused:
                    receipts.refused(fresh, None, "needs quotes", None)
                else:
                    receipts.accepted(fresh, name)
