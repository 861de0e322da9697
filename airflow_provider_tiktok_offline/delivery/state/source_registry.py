"""What is remembered of a file by its stamp, before and after its digest is known.

``as_of`` is written here before the first pass over the file, so that a pass that was killed and the pass that follows
judge every row against the same moment.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.stamps import FileStamp


@dataclass(frozen=True, slots=True)
class _Intake:
    """What is noted of a stamp.

    Attributes:
        as_of: the moment against which the file's rows are judged.
        digest: of its bytes, once they were read.
        checksum: that they were compared with; None where there was none.
        repeats: the delivery of another day whose rows it holds.
    """

    as_of: documents.Moment
    digest: str | None = None
    checksum: str | None = None
    repeats: str | None = None


@dataclass(frozen=True, slots=True)
class _Day:
    """What is noted of a day: the stamps of the files that its run was given."""

    files: tuple[dict[str, object], ...] = ()


def _path(ctx: DeliveryContext, stamp: FileStamp) -> str:
    known = stamp.to_dict()
    text = "\x1f".join(str(known[key]) for key in ("uri", "size", "mtime", "version"))
    mode = "" if ctx.live else f"{ctx.config.mode}-{ctx.run_key}-"
    return f"advertisers/{ctx.config.name}/intake/{mode}{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"


def first_seen(ctx: DeliveryContext, stamp: FileStamp, *, as_of: datetime | None) -> datetime:
    """The moment against which this file is judged: fixed by the first call, unless ``as_of`` asks for another."""
    path = _path(ctx, stamp)
    moment = as_of or ctx.clock.now()
    ctx.objects.create(path, json.dumps({"as_of": moment.isoformat()}).encode())
    if as_of is not None:
        return as_of
    noted = documents.read_typed(ctx.objects, path, _Intake)
    return moment if noted is None else noted.as_of


def remember_digest(
    ctx: DeliveryContext, stamp: FileStamp, *, as_of: datetime, digest: str, checksum: str | None = None
) -> None:
    """Note which bytes the stamp stood for, and which checksum they had, if one was expected."""
    compared = {} if checksum is None else {"checksum": checksum}
    document = {"as_of": as_of.isoformat(), "digest": digest, **compared}
    ctx.objects.put(_path(ctx, stamp), json.dumps(document).encode())


def known_digest(ctx: DeliveryContext, stamp: FileStamp, checksum: str | None) -> str | None:
    """The digest of the bytes that the stamp stands for; None if they were never read to their end.

    :param checksum: the expected one; the digest is known only if the bytes were compared with that very one.
    """
    noted = documents.read_typed(ctx.objects, _path(ctx, stamp), _Intake)
    return None if noted is None or noted.checksum != checksum else noted.digest


def remember_repeat(ctx: DeliveryContext, stamp: FileStamp, *, as_of: datetime, delivery_id: str) -> None:
    """Note that the stamp stands for the rows of another day's delivery, and is no file of its own."""
    ctx.objects.put(_path(ctx, stamp), json.dumps({"as_of": as_of.isoformat(), "repeats": delivery_id}).encode())


def already_delivered(ctx: DeliveryContext, stamp: FileStamp, *, or_repeated: bool = False) -> bool:
    """Whether exactly this file (same place, size, time and version) belongs to a delivery that is closed, or waits.

    :param or_repeated: whether a file counts too that was found to hold the rows of another day's closed delivery.
    """
    noted = documents.read_typed(ctx.objects, _path(ctx, stamp), _Intake)
    if noted is None:
        return False
    delivery_id = None if noted.digest is None else ctx.delivery_id(noted.digest)
    if or_repeated and delivery_id is None:
        delivery_id = noted.repeats
    if delivery_id is None or not ctx.live:
        return False
    state = ctx.deliveries.find(delivery_id)
    return state is not None and state.handled


def remember_day(ctx: DeliveryContext, day: date, stamps: Sequence[FileStamp]) -> None:
    """Note which files a day's run was given, so that they are known after they were archived or deleted."""
    if ctx.live and stamps:
        ctx.objects.put(_day(ctx, day), json.dumps({"files": [stamp.to_dict() for stamp in stamps]}).encode())


def day_is_delivered(ctx: DeliveryContext, day: date) -> bool:
    """Whether all files that the day's run was given belong to closed deliveries."""
    noted = documents.read_typed(ctx.objects, _day(ctx, day), _Day)
    files = () if noted is None else noted.files
    return bool(files) and all(already_delivered(ctx, FileStamp.from_dict(stamp)) for stamp in files)


def _day(ctx: DeliveryContext, day: date) -> str:
    return f"advertisers/{ctx.config.name}/days/{day.isoformat()}.json"
