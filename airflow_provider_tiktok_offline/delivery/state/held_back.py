"""Several files in one run: a fault or a guard of one file holds back that file alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime

from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext, share_key
from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_set_aside, take_back
from airflow_provider_tiktok_offline.errors import (
    GateExceededError,
    GuardError,
    OptOutListError,
    TikTokOfflineError,
)
from airflow_provider_tiktok_offline.plain_text import plain_logger
from airflow_provider_tiktok_offline.storage import documents

log = plain_logger(__name__)

_BREACHES = frozenset(kind.__name__ for kind in (GateExceededError, GuardError, OptOutListError))


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """A file of a run that does not go on.

    Attributes:
        uri: the file.
        step: where it stopped.
        error: the type of the error.
        message: its text.
        at: when, aware.
    """

    uri: str
    step: str
    error: str
    message: str
    at: datetime

    @property
    def by_breach(self) -> bool:
        """Whether too many rejected rows or a breached guard are the reason."""
        return self.error in _BREACHES

    def __str__(self) -> str:
        return f"{self.uri}, {self.step}: {self.message}"


class FileByFile:
    """Runs a step for each file of a run.

    :param step: its name.
    :param last_try: whether the step is not tried again; until then an error that may pass stops it.
    """

    def __init__(self, ctx: DeliveryContext, step: str, *, last_try: bool) -> None:
        self._ctx = ctx
        self._step = step
        self._last_try = last_try
        self._failed: dict[str, TikTokOfflineError] = {}
        self._succeeded = False
        self._before = {one.uri for one in held_back(ctx)}

    @contextmanager
    def one(self, uri: str) -> Iterator[None]:
        """The step for one file. An error that is final is logged and kept, and the next file is next."""
        try:
            yield
        except TikTokOfflineError as error:
            if error.retryable and not self._last_try:
                raise
            self._failed[uri] = error
        else:
            self._succeeded = True
            if uri in self._before:
                release(self._ctx, uri)

    def finish(self) -> None:
        """Keep which files are held back, for the end of the run to name.

        :raises TikTokOfflineError: the first error, if there is no file to go on with.
        """
        if self._failed and not self._succeeded:
            raise next(iter(self._failed.values()))
        for uri, error in self._failed.items():
            hold_back(self._ctx, uri, self._step, error)


def hold_back(ctx: DeliveryContext, uri: str, step: str, error: TikTokOfflineError) -> None:
    """Keep that a file of this run does not go on, and why."""
    log.error("%s is held back, the other files go on: %s", uri, error)
    held = HeldBack(uri=uri, step=step, error=type(error).__name__, message=str(error), at=ctx.clock.now())
    ctx.objects.put(_path(ctx, uri), documents.encode({**asdict(held), "at": held.at.isoformat()}))


def release(ctx: DeliveryContext, uri: str) -> None:
    """Forget that a file of this run was held back: it goes on."""
    ctx.objects.delete(_path(ctx, uri))


def release_all(ctx: DeliveryContext, *, asks: bool = True) -> None:
    """Forget what was held back, or set aside: the run begins again with its files as they are now.

    :param asks: whether the run still leaves files to a person. What was set aside and is closed by now then stays with
        the tasks that have sent it.
    """
    for aside in (False, True):
        ctx.objects.delete_all(_folder(ctx, share_key(ctx, set_aside=aside)))
    for delivery_id in deliveries_set_aside(ctx):
        state = ctx.deliveries.find(delivery_id) if asks else None
        if state is None or state.status != "closed":
            take_back(ctx, delivery_id)


def held_back(ctx: DeliveryContext) -> list[HeldBack]:
    """The files of this run that are held back, by URI."""
    folder = _folder(ctx, ctx.share_key)
    read = (documents.read_typed(ctx.objects, path, HeldBack) for path in ctx.objects.list(folder))
    return sorted((one for one in read if one is not None), key=lambda one: one.uri)


def _folder(ctx: DeliveryContext, share: str) -> str:
    return f"advertisers/{ctx.config.name}/held_back/{share}"


def _path(ctx: DeliveryContext, uri: str) -> str:
    return f"{_folder(ctx, ctx.share_key)}/{hashlib.sha256(uri.encode()).hexdigest()[:24]}.json"
