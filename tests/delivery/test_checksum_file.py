"""A checksum file says when a file is complete, and its checksum is compared with the file's bytes."""

from __future__ import annotations

import gzip
import hashlib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_tiktok_offline.delivery.source.find_file import find
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import InputFileError
from tests.delivery.world import World, rows

DAY = date(2026, 11, 21)
NAME = "conversions_20261121.csv"


def context(world: World, checksum_file: str) -> DeliveryContext:
    source = {
        "path": str(world.folder / "drop" / "conversions_{{ ds_nodash }}.csv"),
        "settle_seconds": 0,
        "checksum_file": checksum_file,
    }
    return world.context(source=source)


def drop(world: World) -> Path:
    world.init_ledger()
    world.drop(rows(1, 10))
    return world.folder / "drop" / NAME


def found(ctx: DeliveryContext) -> list[dict[str, Any]]:
    return [dict(stamp) for stamp in find(ctx, DAY).files]


@pytest.mark.parametrize(
    ("algorithm", "line"),
    [
        ("sha256", "{hex}\n"),
        ("sha256", "{hex}  {name}\n"),
        ("sha512", "{hex} *./outgoing/{name}\r\n"),
        ("md5", "{hex}\t{name}"),
        ("sha1", "SHA1 ({name}) = {hex}\n"),
    ],
)
def test_a_file_whose_bytes_are_those_of_the_checksum_file_is_taken(world: World, algorithm: str, line: str) -> None:
    """The forms that sha256sum, its relatives and BSD write are understood."""
    file = drop(world)
    digest = hashlib.new(algorithm, file.read_bytes()).hexdigest()
    file.with_name(NAME + ".sum").write_text(line.format(hex=digest, name=NAME))
    ctx = context(world, ".sum")
    [stamp] = found(ctx)
    assert stamp["checksum"] == f"{algorithm}:{digest}"
    assert validate(ctx, stamp).rows_valid == 10


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_other_bytes_than_the_checksum_files_open_no_delivery(world: World, algorithm: str) -> None:
    """A file that did not arrive whole is refused, and stays where it is to be sent again."""
    file = drop(world)
    whole = file.read_bytes()
    file.with_name(NAME + ".sum").write_text(hashlib.new(algorithm, whole).hexdigest())
    file.write_bytes(whole[: whole.rindex(b"\n", 0, -1) + 1])
    ctx = context(world, ".sum")
    [stamp] = found(ctx)
    with pytest.raises(InputFileError, match=f"its {algorithm} is not the one that the checksum file names") as fault:
        validate(ctx, stamp)
    assert fault.value.rule == "checksum"
    assert not ctx.deliveries.list("corner_shop")
    assert file.exists()


def test_a_checksum_file_of_the_whole_folder_must_name_the_file(world: World) -> None:
    """Yesterday's checksum_file does not make today's half-written file complete."""
    file = drop(world)
    checksum_file = file.with_name("SHA256SUMS")
    checksum_file.write_text(f"{'0' * 64}  conversions_20261120.csv\n")
    ctx = context(world, "SHA256SUMS")
    assert found(ctx) == []
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    checksum_file.write_text(f"{'0' * 64}  conversions_20261120.csv\n{digest}  {NAME}\n")
    assert validate(ctx, found(ctx)[0]).rows_valid == 10


@pytest.mark.parametrize("text", ["", "e3b0c442", "not a checksum\n", "\0\xff"])
def test_an_unfinished_checksum_file_is_waited_for(world: World, text: str) -> None:
    """A checksum_file that names no checksum yet says nothing."""
    file = drop(world)
    file.with_name(NAME + ".sum").write_text(text)
    assert found(context(world, ".sum")) == []


def test_the_checksum_is_of_the_stored_bytes(world: World) -> None:
    """A compressed file's checksum_file sums what lies on the server."""
    file = drop(world)
    packed = gzip.compress(file.read_bytes())
    file.unlink()
    file.with_name(NAME + ".gz").write_bytes(packed)
    file.with_name(NAME + ".gz.md5").write_text(hashlib.md5(packed, usedforsecurity=False).hexdigest())
    source = {"path": f"{file}.gz", "settle_seconds": 0, "checksum_file": ".md5"}
    ctx = world.context(source=source)
    assert validate(ctx, found(ctx)[0]).rows_valid == 10
