"""What can go wrong, as one small tree.

::

    TikTokOfflineError
    ├── ConfigError                    a setting is wrong: file, entry and key
    ├── InputFileError                 the conversion file can't be used at all
    │   ├── FileMissingError           no file where one is expected
    │   ├── SkippedFileError           it is passed over, as the configuration says: no failure
    │   └── FileChangedError           its bytes are not the bytes that were validated
    ├── GateExceededError              more rows rejected than max_rejected_ratio allows
    ├── GuardError                     a limit set before sending was breached
    │   └── OptOutListError            the list of opt-outs can't be used: nothing is sent without it
    ├── StorageError                   a remote or local store refused
    │   ├── StorageUnavailableError    it may answer later (retryable)
    │   │   └── PartialFileError       and a part of the file lies at the destination
    │   ├── StorageDeniedError         credentials or permissions
    │   ├── HostKeyError               the server is not the one that was pinned
    │   └── NameTakenError             a file of that name is there already and stays as it is
    ├── LedgerError
    │   ├── LedgerMissingError         never made: ``tiktok-offline ledger init``
    │   ├── LedgerDamagedError         not what was last committed: nothing is sent
    │   ├── LedgerVersionError         written by a newer package, or by other identity settings
    │   ├── LedgerBusyError            other writers committed first each time (retryable)
    │   └── DeliveryHeldError          another run works on this delivery (retryable)
    ├── ApiError                       TikTok answered with an error: code, request id, batch
    │   ├── ThrottledError             (retryable)
    │   ├── ServiceUnavailableError    (retryable)
    │   ├── OutcomeUnknownError        the request left, no answer came (retryable, same event ids)
    │   │   └── UnexpectedAnswerError  success was answered, with content of another shape (retryable)
    │   ├── PartialOutcomeError        code 20001: some of the batch was taken
    │   ├── RejectedRowsError          a parameter of some event: bisect
    │   ├── CredentialsError           the token is bad, expired or revoked
    │   └── CallerError                the request or the configuration is wrong: stop
    │       └── BatchTooLargeError     fewer events or bytes a request are wanted: split
    ├── GrantError                     the OAuth grant was not completed; nothing was exchanged
    ├── CircuitOpenError               the service kept failing: stopped, nothing lost (retryable)
    ├── StoppedError                   the step was asked to end, and did so with its receipts complete (retryable)
    ├── FeedError                      a file breaks the feed's contract with LiveRamp
    ├── UnexpectedError                nobody foresaw it: type and place, without the text (retryable)
    └── UnsettledError                 the run ended with events held, unconfirmed or refused
        └── EventsHeldError            a retry settles what is left, as events held by others (retryable)

Every message says what went wrong, where, and what to do next, and never holds a value of a customer,
a token, or a URL with a secret. Whether trying again can help is a property of the type.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from airflow_provider_tiktok_offline.plain_text import one_line

__all__ = [
    "AnswerFacts",
    "ApiError",
    "BatchTooLargeError",
    "CallerError",
    "CircuitOpenError",
    "ConfigError",
    "CredentialsError",
    "DeliveryHeldError",
    "EventsHeldError",
    "FeedError",
    "FileChangedError",
    "FileMissingError",
    "GateExceededError",
    "GrantError",
    "GuardError",
    "HostKeyError",
    "InputFileError",
    "LedgerBusyError",
    "LedgerDamagedError",
    "LedgerError",
    "LedgerMissingError",
    "LedgerVersionError",
    "NameTakenError",
    "OptOutListError",
    "OutcomeUnknownError",
    "PartialFileError",
    "PartialOutcomeError",
    "RejectedRowsError",
    "ServiceUnavailableError",
    "SkippedFileError",
    "StoppedError",
    "StorageDeniedError",
    "StorageError",
    "StorageUnavailableError",
    "ThrottledError",
    "TikTokOfflineError",
    "UnexpectedAnswerError",
    "UnexpectedError",
    "UnsettledError",
]


class TikTokOfflineError(Exception):
    """Root of every error this package raises on purpose.

    :param what: what went wrong, one sentence.
    :param where: file, line, column, request id or entry, as far as known.
    :param todo: what the reader should do next.
    :param retry_after: seconds after which another try makes sense, where that is known.
    """

    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 2

    def __init__(
        self, what: str, *, where: str | None = None, todo: str | None = None, retry_after: float | None = None
    ) -> None:
        # Each may name a file, a column or a store, which somebody else chose.
        self.what = one_line(what)
        self.where = None if where is None else one_line(where)
        self.todo = None if todo is None else one_line(todo)
        self.retry_after = retry_after
        super().__init__(self.what)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        if not self.todo:
            return text
        return f"{text} {self.todo}" if text.endswith((".", "!", "?", ":")) else f"{text}. {self.todo}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(kind: type[TikTokOfflineError], args: tuple[object, ...], state: dict[str, object]) -> TikTokOfflineError:
    error = kind.__new__(kind, *args)
    Exception.__init__(error, *args)
    error.__dict__.update(state)
    return error


class ConfigError(TikTokOfflineError):
    """A setting is wrong; ``where`` names file, entry and key."""


class InputFileError(TikTokOfflineError):
    """The conversion file can't be used at all.

    :param rule: name of the file-level rule that is broken.
    """

    def __init__(
        self, what: str, *, rule: str = "unreadable", where: str | None = None, todo: str | None = None
    ) -> None:
        super().__init__(what, where=where, todo=todo)
        self.rule = rule


class FileMissingError(InputFileError):
    """No file where one is expected."""


class SkippedFileError(InputFileError):
    """The file is passed over, as the configuration says for its kind; the run has nothing to do and is no failure."""

    exit_code: ClassVar[int] = 0


class FileChangedError(InputFileError):
    """The file's bytes are not the bytes that were validated."""

    retryable: ClassVar[bool] = False


class GateExceededError(TikTokOfflineError):
    """A larger share of rows was rejected than ``max_rejected_ratio`` allows."""

    exit_code: ClassVar[int] = 1


class GuardError(TikTokOfflineError):
    """A limit set before sending was breached: nothing was sent."""

    exit_code: ClassVar[int] = 1


class OptOutListError(GuardError):
    """The list of people who opted out can't be read, is empty, too old, or has shrunk: nothing was sent."""


class StorageError(TikTokOfflineError):
    """A remote or local store refused."""


class StorageUnavailableError(StorageError):
    """The store did not answer, or asked to come back later."""

    retryable: ClassVar[bool] = True


class PartialFileError(StorageUnavailableError):
    """A write was cut and the server no longer answers: a part of the file lies there; the next try replaces it."""


class StorageDeniedError(StorageError):
    """Wrong password, unknown key, or no permission: trying again does not help."""


class HostKeyError(StorageDeniedError):
    """The SFTP server's host key is unknown or not the one that was pinned."""


class NameTakenError(StorageError):
    """A file of that name is there already; it was not touched, and nothing was written.

    :param uri: the name.
    """

    def __init__(self, uri: str) -> None:
        super().__init__("a file of that name is there already.", where=uri)


class LedgerError(TikTokOfflineError):
    """The ledger can't be used; nothing was sent."""


class LedgerMissingError(LedgerError):
    """No ledger under ``state_uri``: an empty one would mean "send everything again"."""


class LedgerDamagedError(LedgerError):
    """The tables are not what was last committed."""


class LedgerVersionError(LedgerError):
    """The ledger was written by a newer package, or under other identity settings."""


class LedgerBusyError(LedgerError):
    """Other writers committed first each time; nothing was written."""

    retryable: ClassVar[bool] = True


class DeliveryHeldError(LedgerError):
    """Another run works on this delivery and its heartbeat has not expired."""

    retryable: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFacts:
    """What is known of TikTok's answer to a request.

    Attributes:
        code: the return code of the body, None where there was no readable body.
        http_status: the HTTP status, None where there was no answer.
        request_id: TikTok's id of the request, for their support.
        field: field path named by the message, never the message itself (it may echo values).
    """

    code: int | None = None
    http_status: int | None = None
    request_id: str | None = None
    field: str | None = None


class ApiError(TikTokOfflineError):
    """TikTok answered with an error. ``code``, ``http_status``, ``request_id`` and ``field`` are those of its answer.

    :param answer: what is known of the answer.
    :param batch: which events of the part the request carried, as ``(first, count)``.
    :param retry_after: seconds to wait, if the service named them.
    """

    def __init__(
        self,
        what: str,
        *,
        answer: AnswerFacts | None = None,
        batch: tuple[int, int] | None = None,
        retry_after: float | None = None,
        where: str | None = None,
        todo: str | None = None,
    ) -> None:
        super().__init__(what, where=where, todo=todo, retry_after=retry_after)
        facts = answer or AnswerFacts()
        self.code = facts.code
        self.http_status = facts.http_status
        self.request_id = facts.request_id
        self.field = facts.field
        self.batch = batch


class ThrottledError(ApiError):
    """Too many requests: nothing was taken."""

    retryable: ClassVar[bool] = True


class ServiceUnavailableError(ApiError):
    """The request was definitely not taken: no connection, or the service said it is down."""

    retryable: ClassVar[bool] = True


class OutcomeUnknownError(ApiError):
    """The request left and no definite answer came: it may have been taken."""

    retryable: ClassVar[bool] = True


class UnexpectedAnswerError(OutcomeUnknownError):
    """TikTok answered with success, and the content has another shape than is documented."""


class PartialOutcomeError(ApiError):
    """Return code 20001: part of the batch was taken, and it is not said which."""


class RejectedRowsError(ApiError):
    """A parameter of at least one event of the batch was refused."""


class CredentialsError(ApiError):
    """The access token is missing, bad, expired or revoked."""


class CallerError(ApiError):
    """The request as a whole, the permission or the configuration is wrong: stop."""


class BatchTooLargeError(CallerError):
    """The request holds more events or bytes than TikTok takes."""


class GrantError(TikTokOfflineError):
    """The OAuth grant was refused, ran out of time, or came back as an answer to another request."""


class CircuitOpenError(TikTokOfflineError):
    """The service kept failing: the run stopped, and nothing is lost."""

    retryable: ClassVar[bool] = True
    exit_code: ClassVar[int] = 1


class StoppedError(TikTokOfflineError):
    """The step was asked to end: it did so between two batches, and what was answered is recorded."""

    retryable: ClassVar[bool] = True


class FeedError(TikTokOfflineError):
    """The file, its name or its day breaks the feed's contract with LiveRamp."""


class UnexpectedError(TikTokOfflineError):
    """An error that nobody foresaw, named by its type and place: the text of a library may hold a value."""

    retryable: ClassVar[bool] = True


class UnsettledError(TikTokOfflineError):
    """The run ended with events that are held, unconfirmed or refused."""

    exit_code: ClassVar[int] = 1


class EventsHeldError(UnsettledError):
    """A retry settles what is left: events that another open delivery holds, or a store that did not answer."""

    retryable: ClassVar[bool] = True
