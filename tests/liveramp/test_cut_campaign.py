"""Uploads cut at random bytes, again and again: the guarantees of a delivery hold each time."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.errors import PartialFileError, StorageUnavailableError
from airflow_provider_tiktok_offline.liveramp.feed_state import FeedState
from airflow_provider_tiktok_offline.liveramp.publish import Destination, FeedPublisher
from airflow_provider_tiktok_offline.liveramp.writer import FeedFile
from tests.liveramp.rows import feed, row, source_of, text
from tests.servers.proxy import cutting_proxy
from tests.servers.sshd import Sshd, StaticConnections

ROWS = 6_000
LONG = 120_000


def _rounds(
    server: Sshd, feed_state: FeedState, clock: ManualClock, folder: Path, seeds: range, *, temporary: bool
) -> None:
    outbox, inbox = folder / "uploads", folder / "inbox"
    inbox.mkdir()
    handshake = 4_000
    with cutting_proxy(server.port) as proxy:
        connections = StaticConnections(server.connection(port=proxy.port))
        for seed in seeds:
            generator = random.Random(seed)
            # Each round has content of its own: the same content would be a no-op. Every other round has a number of
            # rows of its own too, so that its source is run through once; some are longer than what is under way.
            rows = LONG if generator.random() < 0.1 else ROWS
            rows += seed if seed % 2 else 0
            numbers = range(seed * 7, seed * 7 + rows)
            content = text(map(row, numbers))
            source = source_of(inbox / "day.psv", content, validated=generator.random() < 0.7)
            destination = Destination(
                folder_uri=server.uri(outbox), template="{{ feed }}_{{ day }}.psv", feed="shop", delimiter="|",
                temporary_name=temporary, staged=generator.random() < 0.3,
            )  # fmt: skip
            final = outbox / f"shop_{clock.now():%Y-%m-%d}.psv"
            dead = generator.random() < 0.3
            proxy.cut_after(generator.randrange(handshake, len(content) + 2 * handshake), then_dead=dead)
            outcome = ""
            for _ in range(12):
                try:
                    publisher = FeedPublisher(destination, feed_state, connections, clock, "dag/run")
                    done = publisher.publish(FeedFile(feed(), [source]), (f"d-{seed}",))
                    outcome = done.outcome
                    break
                except PartialFileError:
                    assert not temporary or not final.exists() or final.read_bytes() == content
                except StorageUnavailableError:
                    assert not final.exists() or final.read_bytes() == content
                proxy.revive()
                if generator.random() < 0.5:
                    proxy.cut_after(generator.randrange(handshake, len(content) + 2 * handshake))
            assert outcome == "delivered", seed
            proxy.revive()
            assert final.read_bytes() == content, seed
            leftovers = [path.name for path in outbox.iterdir() if path.name.startswith(".")]
            assert not leftovers, seed
            clock.advance(timedelta(days=1))


@pytest.mark.parametrize("temporary", [False, True], ids=["direct", "renamed"])
def test_cuts_at_random_bytes(
    server: Sshd, feed_state: FeedState, clock: ManualClock, outbox: Path, tmp_path: Path, temporary: bool
) -> None:
    """A handful: one whole file a day under its final name, whatever was cut where."""
    _rounds(server, feed_state, clock, tmp_path, range(6), temporary=temporary)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("temporary", [False, True], ids=["direct", "renamed"])
def test_a_hundred_cuts_at_random_bytes(
    server: Sshd, feed_state: FeedState, clock: ManualClock, outbox: Path, tmp_path: Path, temporary: bool
) -> None:
    """The same, a hundred times each way."""
    _rounds(server, feed_state, clock, tmp_path, range(100, 200), temporary=temporary)
