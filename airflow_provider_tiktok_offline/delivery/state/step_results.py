"""What each step of a delivery returns, and how it is kept with the delivery."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, TypeVar, cast

from pydantic import BeforeValidator, TypeAdapter, ValidationError

from airflow_provider_tiktok_offline.conversions.report.report import NO_CURRENCY
from airflow_provider_tiktok_offline.errors import LedgerDamagedError, LedgerVersionError
from airflow_provider_tiktok_offline.ledger.deliveries import WAIT_STEP

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState

_Result = TypeVar("_Result")
#: Sums of money by currency, as decimal text.
Sums = Mapping[str, str]


def _by_currency(values: object) -> object:
    """Release 0.1.0 kept one sum for all currencies."""
    if not isinstance(values, Mapping):
        return values
    return {name: {NO_CURRENCY: sums} if isinstance(sums, str) else sums for name, sums in values.items()}


#: Class or outcome -> currency -> sum.
Values = Annotated[Mapping[str, Sums], BeforeValidator(_by_currency)]
#: What ``deliver`` can say of a feed file.
FeedOutcome = Literal["delivered", "already_delivered", "nothing_new", "queued", "carried_over", "would_deliver"]

#: The layout of kept results; results without a version are of layout 1.
VERSION = 1


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step returns: URIs, counts and fingerprints, never rows."""

    #: Under which name it is kept with the delivery.
    STEP: ClassVar[str]
    #: Fields that are kept with the delivery and are not part of what the step hands on.
    KEPT_ONLY: ClassVar[frozenset[str]] = frozenset()

    def to_dict(self) -> dict[str, object]:
        """Plain values, as XCom and JSON carry them."""
        return {name: plain(value) for name, value in asdict(self).items() if name not in self.KEPT_ONLY}

    def to_document(self) -> dict[str, object]:
        """Plain values, as they are kept with the delivery."""
        return {"version": VERSION, **{name: plain(value) for name, value in asdict(self).items()}}

    @classmethod
    def from_dict(cls, document: Mapping[str, object]) -> Self:
        """The inverse of :meth:`to_dict` and :meth:`to_document`; unknown keys are ignored.

        :raises LedgerVersionError: if a newer package wrote it.
        :raises LedgerDamagedError: if a value is missing or of another type.
        """
        return read_as(cls, document, where=f"result of {cls.STEP}")

    @classmethod
    def of(cls, state: DeliveryState) -> Self | None:
        """The step's result that is kept with a delivery; None if the step has not finished.

        :raises LedgerVersionError: if a newer package wrote it.
        :raises LedgerDamagedError: if it can't be read.
        """
        document = state.steps.get(cls.STEP)
        return None if document is None else read_as(cls, document, where=f"delivery {state.id}, result of {cls.STEP}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateResult(StepResult):
    """What validating a file gave.

    Attributes:
        delivery_id: the file's delivery.
        uri: the file.
        mtime: when it was last written, ISO 8601; None for events that were prepared elsewhere.
        digest: SHA-256 of its stored bytes, in hex.
        as_of: the moment against which ages are judged, ISO 8601.
        closed: the file was delivered before, and nothing is to be done.
        day: the day that the file is for, as 2026-11-21; None if nothing names it.
        rows_total: data rows; the sum of the four classes.
        rows_valid, rows_rejected, rows_duplicate, rows_excluded: rows by class.
        report_uri: the report as JSON.
        gate_exceeded: more rows are rejected than the gate allows.
    """

    STEP: ClassVar[str] = "validate"
    KEPT_ONLY: ClassVar[frozenset[str]] = frozenset({"gate_exceeded"})

    delivery_id: str
    uri: str
    mtime: str | None = None
    digest: str
    as_of: str
    closed: bool
    day: str | None = None
    rows_total: int
    rows_valid: int
    rows_rejected: int
    rows_duplicate: int
    rows_excluded: int
    report_uri: str
    gate_exceeded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalizeHashResult(StepResult):
    """What staging a file's events gave.

    Attributes:
        delivery_id: the delivery.
        closed: it was closed before, and nothing was staged.
        events: staged events.
        parts: staged parts.
        manifest_uri: the manifest of the staged parts; None for a closed delivery.
    """

    STEP: ClassVar[str] = "normalize_hash"

    delivery_id: str
    closed: bool = False
    events: int = 0
    parts: int = 0
    manifest_uri: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DedupeResult(StepResult):
    """What planning against the ledger gave.

    Attributes:
        delivery_id: the delivery.
        closed: it was closed before, and nothing was planned.
        events: events by the ledger's verdict; ``would_send`` instead of ``new`` outside live mode.
        values: verdict -> currency -> sum.
        parts: numbers of the parts that have something to send; of a closed delivery those that had.
        waits_until: the day on which the events are sent, as 2026-11-25, if they wait for returns and no plan is made.
    """

    STEP: ClassVar[str] = "dedupe"

    delivery_id: str
    closed: bool = False
    events: Mapping[str, int] = field(default_factory=dict)
    values: Values = field(default_factory=dict)
    parts: tuple[int, ...] = ()
    waits_until: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitResult(StepResult):
    """What waits for returns (``send_after_days``).

    Attributes:
        delivery_id: the delivery.
        events, values: its events and their values, as ``waiting``.
        until: the day on which they are due, as 2026-11-25, by the settings of then.
        settings: fingerprint of the settings that its events were staged with.
        send_from: the ledger's cut-over of then: a later one says nothing of events that waited already.
    """

    STEP: ClassVar[str] = WAIT_STEP

    delivery_id: str
    events: Mapping[str, int]
    values: Values
    until: str
    settings: str = ""
    send_from: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnsResult(StepResult):
    """What the returns that came in while a delivery waited did.

    Attributes:
        delivery_id: the delivery.
        reduced: events that are sent with less than their file says.
        taken_off: how much less, by currency.
        unmet: returned lines of the delivery's own file that met no sale that waited.
        unmet_value: what they are worth, by currency.
    """

    STEP: ClassVar[str] = "returns"

    delivery_id: str
    reduced: int = 0
    taken_off: Sums = field(default_factory=dict)
    unmet: int = 0
    unmet_value: Sums = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadPartResult(StepResult):
    """What sending one part gave. It is kept for test events alone: receipts say what was sent live.

    Attributes:
        delivery_id: the delivery.
        part: the part's number.
        accepted, refused, unconfirmed: events by TikTok's answer to this call.
        settled: events that had a definite answer before.
        closed: the delivery was closed before, and nothing was sent.
    """

    STEP: ClassVar[str] = "test_events"

    delivery_id: str
    part: int
    accepted: int = 0
    refused: int = 0
    unconfirmed: int = 0
    settled: int = 0
    closed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverResult(StepResult):
    """What became of the feed file that a delivery's rows were for.

    Attributes:
        delivery_id: the delivery.
        outcome: ``delivered``; ``already_delivered``; ``nothing_new`` (no row is left); ``queued`` (another file went
            out today) or ``carried_over`` (too few rows): the rows wait for the next file; ``would_deliver`` (dry run).
        rows: rows of the file.
        bytes: its stored size.
        file_name, uri: its name and place.
        sha256: digest of the stored bytes, in hex.
        day: its UTC day.
        deliveries: every delivery whose rows are in it.
    """

    STEP: ClassVar[str] = "deliver"

    delivery_id: str
    outcome: FeedOutcome
    rows: int = 0
    bytes: int | None = None
    file_name: str | None = None
    uri: str | None = None
    sha256: str | None = None
    day: str | None = None
    deliveries: tuple[str, ...] = ()

    @property
    def waits(self) -> bool:
        """Whether the rows wait for the next feed file."""
        return self.outcome in ("queued", "carried_over")

    @property
    def done(self) -> bool:
        """Whether nothing is left to deliver."""
        return self.outcome in ("delivered", "already_delivered", "nothing_new")


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval(StepResult):
    """Breaches of guards that a person has approved.

    Attributes:
        breaches: exactly these pass.
    """

    STEP: ClassVar[str] = "approval"

    breaches: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(StepResult):
    """Breaches of guards that a person is asked about.

    Attributes:
        breaches: in words, without an amount; empty once nothing is asked any more.
        rejected: in words, that the file is not to be sent; empty until then.
    """

    STEP: ClassVar[str] = "asked"

    breaches: tuple[str, ...]
    rejected: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breached(StepResult):
    """The guards that stop a delivery.

    Attributes:
        breaches: in words, without an amount; empty once nothing stops it.
    """

    STEP: ClassVar[str] = "breached"

    breaches: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedBy(StepResult):
    """Which run closed a delivery.

    Attributes:
        run: dag and run.
        at: when, ISO 8601 in UTC.
    """

    STEP: ClassVar[str] = "closed_by"

    run: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptResult(StepResult):
    """What recording a file as delivered gave.

    Attributes:
        delivery_id: the file's delivery.
        file: its name.
        events: its valid transactions.
        new: those that the ledger did not know before.
        rejected: rows that are not adopted.
    """

    STEP: ClassVar[str] = "adopt"

    delivery_id: str
    file: str
    events: int
    new: int
    rejected: int


def read_as(kind: type[_Result], document: Mapping[str, object], *, where: str) -> _Result:
    """A kept document as its dataclass; unknown keys are ignored.

    :param where: what it is, for the error.
    :raises LedgerVersionError: if a newer package wrote it.
    :raises LedgerDamagedError: if a value is missing or of another type.
    """
    version = document.get("version", VERSION)
    if not isinstance(version, int) or version > VERSION:
        raise LedgerVersionError(
            f"it was written by a newer package (version {version}; this one reads up to {VERSION}).",
            where=where,
            todo="Upgrade this package.",
        )
    try:
        result = _adapter(cast("Hashable", kind)).validate_python(document)
    except ValidationError as error:
        fields = sorted({".".join(map(str, fault["loc"])) for fault in error.errors(include_input=False)})
        raise LedgerDamagedError(
            f"it can't be read: {', '.join(fields)}.", where=where, todo="Restore the document below state_uri."
        ) from None
    if not isinstance(result, kind):
        raise TypeError(f"{where} became a {type(result).__name__}")
    return result


@cache
def _adapter(kind: Hashable) -> TypeAdapter[object]:
    adapter: TypeAdapter[object] = TypeAdapter(cast("type[object]", kind))
    return adapter


def plain(value: object) -> object:
    """A value as JSON carries it: lists instead of tuples, dictionaries instead of mappings."""
    match value:
        case Mapping():
            return {key: plain(one) for key, one in value.items()}
        case tuple() | list():
            return [plain(one) for one in value]
    return value
