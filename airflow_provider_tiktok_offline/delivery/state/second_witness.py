"""A second witness of the ledger, outside ``state_uri``: a state that was put back as a whole is noticed by it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.errors import LedgerDamagedError
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore


@dataclass(frozen=True, slots=True, order=True)
class _Seen:
    """The newest state of an event set's ledger that was ever seen.

    Attributes:
        generation: of its tables; a rebuilt ledger has the next.
        version: of the keys table.
    """

    generation: str
    version: int


def check_second_witness(ctx: DeliveryContext) -> bool:
    """Compare the ledger with the second witness.

    :returns: whether there is one, and the ledger was compared with it.
    :raises LedgerDamagedError: if the ledger has fallen behind it: nothing may be sent by such a ledger.
    """
    witness = _witness(ctx)
    seen = None if witness is None else documents.read_typed(witness, _path(ctx), _Seen)
    if seen is None:
        return False
    now = _state_of(ctx)
    if now < seen:
        raise LedgerDamagedError(
            f"the ledger is at version {now.version} of {now.generation}, and the second witness has seen version "
            f"{seen.version} of {seen.generation}: the state was put back to an earlier moment.",
            where=f"{ctx.config.state_uri}, {ctx.config.ledger.witness_uri}",
            todo="Nothing was sent. Adopt the files delivered since, or rebuild the ledger; then remove "
            f"{_path(ctx)} below ledger.witness_uri (docs/operations.md).",
        )
    return True


def advance_second_witness(ctx: DeliveryContext) -> None:
    """Keep the ledger's state outside of it, after it has learned what was sent."""
    witness = _witness(ctx)
    if witness is None:
        return
    now = _state_of(ctx)

    def newer(document: documents.Document) -> documents.Document | None:
        seen = documents.typed(document, _Seen, f"{witness.uri}/{_path(ctx)}")
        return {**document, **asdict(now)} if now > seen else None

    if not documents.create(witness, _path(ctx), asdict(now)):
        documents.change(witness, _path(ctx), ctx.clock, newer)


def _state_of(ctx: DeliveryContext) -> _Seen:
    return _Seen(ctx.ledger.meta.generation, ctx.ledger.table.snapshot().version)


def _witness(ctx: DeliveryContext) -> ObjectStore | None:
    """The store of the second witness, if the configuration names one."""
    from airflow_provider_tiktok_offline.storage.objects import open_objects

    uri = ctx.config.ledger.witness_uri
    return None if uri is None or not ctx.live else open_objects(uri, ctx.connections)


def _path(ctx: DeliveryContext) -> str:
    return f"witness/{ctx.config.event_set_id}.json"
