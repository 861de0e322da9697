"""What receipts say of each event, whoever wrote them and in how many tries."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from airflow_provider_tiktok_offline.ledger.event_states import OUTCOMES
from airflow_provider_tiktok_offline.ledger.receipt_files import Receipt, read_receipts
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

#: One row for each time that a receipt names an event.
_ENTRIES = pl.Schema(
    {
        "event_key": pl.Binary(),
        "seq": pl.Int64(),
        "kind": pl.String(),
        "at": pl.Datetime("us", "UTC"),
        "code": pl.Int32(),
        "field": pl.String(),
    }
)
#: The ``seq`` of attempts from before the first receipt.
_BEFORE = -1


def read_outcomes(objects: ObjectStore, paths: Iterable[str], in_doubt: pl.DataFrame) -> pl.DataFrame:
    """What the named receipts of a part say of each event, as :func:`outcomes_of`."""
    return outcomes_of(read_receipts(objects, paths), in_doubt)


def outcomes_of(receipts: Iterable[Receipt], in_doubt: pl.DataFrame) -> pl.DataFrame:
    """What receipts of a part say of each event: :data:`.OUTCOMES`; nothing of events they don't name.

    An event that was accepted once is accepted. Otherwise it is in doubt from its first attempt that was neither
    taken back at once nor answered by a later refusal.

    :param in_doubt: ``event_key`` and ``first_attempt_at`` of events that were in doubt before the first receipt.
    """
    entries = [pl.DataFrame(schema=_ENTRIES)]
    if in_doubt.height:
        entries.append(
            in_doubt.select(
                "event_key",
                seq=pl.lit(_BEFORE, pl.Int64),
                kind=pl.lit("attempted"),
                at=pl.col("first_attempt_at"),
                code=pl.lit(None, pl.Int32),
                field=pl.lit(None, pl.String),
            )
        )
    entries.extend(_entries(receipt) for receipt in receipts)
    history = pl.concat(entries)
    # Nearly all were accepted, whatever else happened to them: no order of entries matters for these.
    accepted_keys = history.filter(pl.col("kind") == "accepted").select("event_key").unique()
    attempts = history.filter(pl.col("kind") == "attempted").join(accepted_keys, on="event_key", how="semi")
    accepted = accepted_keys.join(
        attempts.group_by("event_key").agg(first_attempt_at=pl.col("at").min()), on="event_key", how="left"
    ).select(
        "event_key",
        "first_attempt_at",
        outcome=pl.lit("accepted"),
        code=pl.lit(None, pl.Int32),
        field=pl.lit(None, pl.String),
    )
    others = _never_accepted(history.join(accepted_keys, on="event_key", how="anti"))
    return pl.concat([accepted.select(OUTCOMES.keys()), others]).sort("event_key")


def _never_accepted(history: pl.DataFrame) -> pl.DataFrame:
    """What became of events that were never accepted: refused, in doubt, or taken back and so nothing."""
    history = history.sort("event_key", "seq", maintain_order=True)
    kind = pl.col("kind")
    last_refusal = pl.col("seq").filter(kind == "refused").max()
    history = history.with_columns(
        # An attempt that was at once taken back, or that a refusal answered, leaves no doubt.
        open=(kind == "attempted") & (kind.shift(-1).over("event_key").fill_null("") != "released"),
    )
    unresolved = pl.col("open") & (pl.col("seq") > last_refusal.fill_null(_BEFORE - 1))
    return (
        history.group_by("event_key", maintain_order=True)
        .agg(
            refused=(kind == "refused").any(),
            doubt=unresolved.any(),
            doubt_since=pl.col("at").filter(unresolved).min(),
            first=pl.col("at").filter(kind == "attempted").min(),
            code=pl.col("code").filter(kind == "refused").last(),
            field=pl.col("field").filter(kind == "refused").last(),
        )
        .with_columns(outcome=pl.when("doubt").then(pl.lit("in_doubt")).when("refused").then(pl.lit("refused")))
        .filter(pl.col("outcome").is_not_null())
        .select(
            "event_key",
            "outcome",
            first_attempt_at=pl.when(pl.col("outcome") == "in_doubt").then("doubt_since").otherwise("first"),
            code=pl.when(pl.col("outcome") == "refused").then("code"),
            field=pl.when(pl.col("outcome") == "refused").then("field"),
        )
    )


def _entries(receipt: Receipt) -> pl.DataFrame:
    header, keys = receipt.header, receipt.keys
    batches = pl.DataFrame(
        header.batches if header.batches is not None else [(len(keys), None, None, None)],
        schema={"n": pl.Int64(), "request_id": pl.String, "code": pl.Int32, "field": pl.String},
        orient="row",
    )
    return (
        batches.select(pl.col("code", "field").repeat_by("n").explode())
        .with_columns(
            event_key=keys,
            seq=pl.lit(receipt.seq, pl.Int64),
            kind=pl.lit(header.kind),
            at=pl.lit(header.at).cast(pl.Datetime("us", "UTC")),
        )
        .select(_ENTRIES.keys())
    )
