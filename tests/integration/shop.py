"""A shop's file whose transactions are known beforehand, and the command that delivers it as a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from tests.servers.moving import moved
from tests.servers.simulator import ACCESS_TOKEN, ADVERTISER_ID, EVENT_SET_ID

HEADER = [
    "email_1", "transaction_category", "transaction_timestamp", "transaction_amount", "phone_1", "order_id",
    "store_code",
]  # fmt: skip
COMMAND = Path(sys.executable).with_name("tiktok-offline")


@dataclass(frozen=True)
class Purchase:
    """One transaction, by number: the same number is the same transaction in every file."""

    number: int

    @property
    def amount(self) -> Decimal:
        return Decimal(100 + self.number % 9000) / 100

    @property
    def event_id(self) -> str:
        """By the recipe of docs/event-id.md, written out once more."""
        fields = ("Purchase", f"store-{self.number % 7}", f"order-{self.number}", "")
        return "v2-" + hashlib.sha256("\x1f".join(fields).encode()).hexdigest()[:32]

    def row(self, newest: datetime) -> list[str]:
        return self.row_at(newest - timedelta(seconds=30 * self.number))

    def row_at(self, at: datetime) -> list[str]:
        return [
            f"buyer{self.number}@shop.example",
            "Purchase",
            f"{at:%Y-%m-%d %H:%M:%S}",
            f"{self.amount}",
            f"+1213{5_550_000 + self.number % 10_000}",
            f"order-{self.number}",
            f"store-{self.number % 7}",
        ]


@dataclass(frozen=True)
class ConversionFile:
    """A file and what it demands.

    Attributes:
        path: where it lies.
        purchases: its valid transactions.
        rows, rejected, duplicates: how many rows there are, are bad, and repeat an earlier one.
    """

    path: Path
    purchases: tuple[Purchase, ...]
    rows: int
    rejected: int
    duplicates: int

    @property
    def event_ids(self) -> set[str]:
        return {purchase.event_id for purchase in self.purchases}

    @property
    def value(self) -> Decimal:
        return sum((purchase.amount for purchase in self.purchases), Decimal(0))


def write_file(path: Path, numbers: Iterable[int], newest: datetime | Callable[[int], datetime]) -> ConversionFile:
    """Write the purchases of those numbers, each fiftieth followed by a bad row, each eightieth by its own copy.

    :param newest: the time of purchase 0, others being older by 30 s each; or the time of each purchase by its number.
    """
    purchases = tuple(Purchase(number) for number in numbers)
    lines, rejected, duplicates = [HEADER], 0, 0
    for place, purchase in enumerate(purchases):
        row = purchase.row_at(newest(purchase.number)) if callable(newest) else purchase.row(newest)
        lines.append(row)
        if place % 50 == 7:
            lines.append([*row[:3], "much", *row[4:5], f"bad-{purchase.number}", row[6]])
            rejected += 1
        if place % 80 == 9:
            lines.append(row)
            duplicates += 1
    path.write_text("".join(",".join(line) + "\n" for line in lines))
    return ConversionFile(path, purchases, len(lines) - 1, rejected, duplicates)


@dataclass
class Shop:
    """One advertiser with its settings, its state and its command line.

    Attributes:
        folder: everything of it lies here.
        url: the API.
        settings: over the defaults of :meth:`configure`.
        offset: seconds that the shop's clock runs ahead.
        machine: which of its machines the command runs on.
    """

    folder: Path
    url: str
    name: str = "corner_shop"
    settings: dict[str, Any] = field(default_factory=dict)
    offset: float = 0.0
    machine: str = ""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.configure()

    @property
    def config(self) -> Path:
        return self.folder / f"{self.name}.yaml"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def configure(self, **settings: Any) -> None:
        """Write the configuration, with the given settings over those of before."""
        self.settings |= settings
        entry: dict[str, Any] = {
            "name": self.name,
            "advertiser_id": ADVERTISER_ID,
            "event_set_id": EVENT_SET_ID,
            "mode": "live",
            "currency": "USD",
            "phone_region": "US",
            "state_uri": str(self.state),
            "source": {"path": str(self.folder / "drop" / "{{ ds_nodash }}.csv")},
            "ledger": {"heartbeat_seconds": 1, "lease_seconds": 4},
        }
        self.config.write_text(yaml.safe_dump({"advertisers": [entry | self.settings]}))

    def environment(self) -> dict[str, str]:
        """What the command is given: its token, its clock, and a place for its locks as if on a machine of its own."""
        locks = self.folder / f"tmp-{self.name}{self.machine}"
        locks.mkdir(exist_ok=True)
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        return (
            kept
            | moved(timedelta(seconds=self.offset))
            | {
                "TIKTOK_ACCESS_TOKEN": ACCESS_TOKEN,
                "TMPDIR": str(locks),
                "POLARS_MAX_THREADS": "2",
            }
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start ``tiktok-offline`` with these arguments and the shop's configuration."""
        return subprocess.Popen(
            [str(COMMAND), *arguments, "--config", str(self.config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(),
        )

    def start_upload(self, file: Path, *more: str) -> subprocess.Popen[str]:
        return self.start("upload", str(file), "--api-url", self.url, "--json", *more)

    def run(self, *arguments: str) -> Ended:
        return finish(self.start(*arguments))

    def upload(self, file: Path, *more: str) -> Ended:
        return finish(self.start_upload(file, *more))

    def init_ledger(self) -> None:
        ended = self.run("ledger", "init")
        assert ended.code == 0, ended

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.offset)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    output: str
    errors: str

    @property
    def result(self) -> dict[str, Any]:
        """What it printed with ``--json``."""
        found: dict[str, Any] = json.loads(self.output)
        return found


def finish(process: subprocess.Popen[str], timeout: float = 120) -> Ended:
    """Wait for the end of a command that must not end in a traceback."""
    output, errors = process.communicate(timeout=timeout)
    assert "Traceback" not in errors, errors
    assert "unexpected" not in errors, errors
    return Ended(process.returncode, output, errors)
