"""Fault campaign: one seed, one run of an upload through a random sequence of disturbances, until it is done."""

from __future__ import annotations

import random
import resource
import shutil
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from airflow_provider_tiktok_offline.simulator.control_client import Control
from airflow_provider_tiktok_offline.simulator.faults import Fault
from tests.integration.shop import ConversionFile, Ended, Shop, finish, write_file
from tests.servers.simulator import ACCESS_TOKEN, RunningSimulator

#: Seconds of receipts that a kill may cost, and what the machine may be late.
RECEIPT_SECONDS = 5.0
SLACK_SECONDS = 1.5
#: All clock jumps of one run stay within the window in which doubt is settled by sending again.
LARGEST_JUMP_HOURS = 40
#: Undisturbed tries that must be enough.
CLEAN_TRIES = 5


@dataclass
class Story:
    """What happened in one run, to be told when something is wrong.

    Attributes:
        lines: in order.
        losses: moments (simulator's clock) at which answers may have been lost with the process or the disk.
    """

    lines: list[str] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def tell(self, line: str) -> None:
        self.lines.append(line)


class Campaign:
    """One seeded run.

    :param seed: decides the file, the settings and every disturbance.
    :param folder: empty, for state and file.
    :param empty_state: a state with a ledger that nothing was written to yet; copied, not used.
    """

    def __init__(self, seed: int, simulator: RunningSimulator, folder: Path, empty_state: Path) -> None:
        self.random = random.Random(seed)
        self.simulator = simulator
        self.control: Control = simulator.control
        self.story = Story()
        self.refused: set[str] = set()
        self.shop = Shop(folder, simulator.url)
        shutil.copytree(empty_state, self.shop.state)
        batch = self.random.choice([20, 50, 100, 250])
        self.shop.configure(
            upload={
                "batch_events": batch,
                "in_flight": self.random.choice([1, 3, 8]),
                "requests_per_second": self.random.choice([20, 60, 200]),
                "max_attempts": self.random.choice([2, 4]),
                "timeout_seconds": 5,
                "part_events": self.random.choice([1000, 1000, 200_000]),
            }
        )
        rows = batch * self.random.randint(8, 20)
        self.control.reset()
        self.file: ConversionFile = write_file(folder / "sales.csv", range(rows), self.shop.now())
        self.story.tell(f"seed {seed}: {rows} purchases, {self.shop.settings['upload']}")

    def run(self) -> Ended:
        """Disturb some tries, then let it finish; returns how the last try ended."""
        if self.random.random() < 0.25:
            self._refuse_some()
        hours_left = float(LARGEST_JUMP_HOURS)
        for _ in range(self.random.randint(1, 3)):
            self._disturbed_try()
            if self.random.random() < 0.3:
                hours = self.random.uniform(0, hours_left)
                hours_left -= hours
                self.shop.offset += hours * 3600
                self.control.set_clock(self.shop.offset)
                self.story.tell(f"clock advanced by {hours:.1f} h")
        return self._clean_tries()

    # --- disturbances ---

    def _disturbed_try(self) -> None:
        self._script_faults()
        process = self.shop.start_upload(self.file.path)
        disturb = self.random.choice([self._kill_late, self._kill_late, self._kill_early, self._fill_disk, self._leave])
        disturb(process)
        ended = finish(process)
        self.story.tell(f"  ended with {ended.code}: {ended.errors.strip()[-300:]}")
        self._undo_faults()

    def _script_faults(self) -> None:
        script = {
            "answers lost": lambda: Fault(kind="drop", taken=True, count=self.random.randint(1, 3)),
            "connections dropped": lambda: Fault(kind="drop", count=self.random.randint(1, 3)),
            "throttled": lambda: Fault(
                kind="answer",
                code=self.random.choice([40100, 40016, 40132, 40133, 61000]),
                count=self.random.randint(1, 3),
                retry_after=self.random.choice([None, "1"]),
            ),
            "HTTP 429": lambda: Fault(kind="answer", status=429, retry_after="1"),
            "gateway": lambda: Fault(
                kind="answer",
                status=self.random.choice([500, 502, 503, 504]),
                taken=self.random.random() < 0.5,
                count=self.random.randint(1, 3),
            ),
            "system error": lambda: Fault(
                kind="answer",
                code=self.random.choice([50000, 50002, 51010, 51050]),
                taken=self.random.random() < 0.5,
                count=self.random.randint(1, 2),
            ),
            "garbled": lambda: Fault(kind="answer", body='{"code": 0, "messa', taken=True),
            "partial": lambda: Fault(kind="partial", share=self.random.random(), seed=self.random.randrange(1000)),
            "slow": lambda: Fault(kind="delay", delay_seconds=self.random.uniform(0, 1), count=3),
            "timed out": lambda: Fault(kind="delay", delay_seconds=6),
            "revoked": lambda: Fault(kind="revoke", after_events=self._some_events()),
        }
        for name in self.random.sample(sorted(script), self.random.randint(0, 3)):
            fault = script[name]()
            if fault.kind != "revoke":
                fault.skip = self.random.randint(0, 8)
            self.story.tell(f"fault: {name} {fault}")
            self.control.add(fault)

    def _undo_faults(self) -> None:
        refusals = [fault for fault in self.control.faults() if fault.kind == "refuse"]
        self.control.clear_faults()
        self.control.add(*refusals)
        self.control.restore(ACCESS_TOKEN)

    def _refuse_some(self) -> None:
        chosen = self.random.sample(sorted(self.file.event_ids), self.random.randint(1, 4))
        self.refused = set(chosen)
        message = self.random.choice(["Invalid value for value: refused.", "data.{index}.user.email: Not valid."])
        self.control.add(Fault(kind="refuse", event_ids=chosen, count=None, message=message))
        self.story.tell(f"refusing {len(chosen)} events with {message!r}")

    def _some_events(self) -> int:
        return self.control.summary().events_received + self.random.randint(1, len(self.file.purchases))

    def _wait_for_events(self, process: subprocess.Popen[str]) -> None:
        """Until a random number of further events has arrived, or the process ends without."""
        number = self._some_events()
        while process.poll() is None and self.control.summary().events_received < number:
            time.sleep(0.004)

    def _kill(self, process: subprocess.Popen[str]) -> None:
        self._note_loss()
        process.send_signal(signal.SIGKILL)
        self.story.tell("killed")

    def _note_loss(self) -> None:
        self.story.losses.append(self.control.summary().now)

    def _kill_late(self, process: subprocess.Popen[str]) -> None:
        self._wait_for_events(process)
        time.sleep(self.random.choice([0, 0, self.random.uniform(0, 1)]))
        self._kill(process)

    def _kill_early(self, process: subprocess.Popen[str]) -> None:
        end = time.monotonic() + self.random.uniform(0.2, 4)
        while process.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        self._kill(process)

    def _fill_disk(self, process: subprocess.Popen[str]) -> None:
        """From some moment on no file can grow any more."""
        self._wait_for_events(process)
        if process.poll() is None:
            try:
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            except ProcessLookupError:
                return
            self._note_loss()
            self.story.tell("disk full")

    def _leave(self, process: subprocess.Popen[str]) -> None:
        """The scripted faults are enough."""

    # --- the end ---

    def _clean_tries(self) -> Ended:
        wanted = 1 if self.refused else 0
        for _ in range(CLEAN_TRIES):
            ended = self.shop.upload(self.file.path)
            self.story.tell(f"undisturbed try ended with {ended.code}: {ended.errors.strip()[-300:]}")
            if ended.code == wanted and ended.output.strip():
                return ended
        raise AssertionError("\n".join(["it did not finish:", *self.story.lines]))

    def check(self, ended: Ended) -> None:
        """The simulator holds each valid transaction once, and summary and ledger agree with it."""
        story = "\n".join(self.story.lines)
        wanted = Counter(self.file.event_ids - self.refused)
        held = self.simulator.event_ids()
        assert held == wanted, (
            f"{len(wanted - held)} missing, {len(held - wanted)} too many or twice, of {len(wanted)}\n{story}"
        )
        again = self._sent_again()
        assert again <= self._bound(), f"{again} events came again, at most {self._bound()} may\n{story}"
        summary = ended.result
        events = summary["events"]
        assert sum(events.values()) == len(self.file.purchases), f"{events}\n{story}"
        assert events.get("accepted", 0) == len(wanted), f"{events}\n{story}"
        assert events.get("refused", 0) == len(self.refused), f"{events}\n{story}"
        rows = summary["rows"]
        assert (rows["rows_total"], rows["rows_rejected"], rows["rows_duplicate"]) == (
            self.file.rows,
            self.file.rejected,
            self.file.duplicates,
        )

        ledger = self.shop.run("ledger", "status", "--json").result
        outcomes = {name: count for name, count in ledger["events"].items() if count}
        agreed = {name: count for name, count in events.items() if count}
        assert outcomes == agreed, f"ledger {outcomes}, summary {agreed}\n{story}"
        assert (ledger["claims"], ledger["oldest_in_doubt"]) == ({}, None), f"{ledger}\n{story}"

    def check_again_sends_nothing(self) -> None:
        """The same command once more is a no-op."""
        before = self.control.summary().events_received
        ended = self.shop.upload(self.file.path)
        assert ended.code in (0, 1), ended
        assert self.control.summary().events_received == before

    def _sent_again(self) -> int:
        return sum(each.times for each in self.control.received()) - len(self.file.event_ids - self.refused)

    def _bound(self) -> int:
        """Events that may have come again: those whose answers were lost on the way, or with the process."""
        requests = [each for each in self.control.requests() if each.events]
        bound = 0
        for each in requests:
            lost_on_the_way = each.fault in ("drop", "answer", "partial", "delay") or each.message == "client went away"
            lost_with_the_process = any(
                -RECEIPT_SECONDS - SLACK_SECONDS <= each.at - loss <= SLACK_SECONDS for loss in self.story.losses
            )
            if lost_on_the_way or lost_with_the_process:
                bound += each.events
        return bound
