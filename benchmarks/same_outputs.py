"""Whether two versions of the package make the same of the same files: reports, rejects, repair, verdicts, events.

``python -m benchmarks.same_outputs REVISION [--rows N]`` checks out a revision beside the working tree, lets both
prepare and validate the same samples, and names every output that differs. Clean files of both kinds have N rows
(500,000); the others are small, a fifth of their rows is broken, and they are read in blocks of 64 KiB under a dozen
settings.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time
from pathlib import Path

import polars as pl

from airflow_provider_tiktok_offline.conversions.contract.columns import PROGRAMME_COLUMNS
from airflow_provider_tiktok_offline.conversions.contract.settings import (
    OPTIONAL_SEND_FIELDS,
    ConversionSettings,
    Store,
)
from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.list_layout import ListSettings
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.read_list import read_list
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.suppression import Suppression
from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
from airflow_provider_tiktok_offline.conversions.preparation.prepare import PassOptions, prepare, validate
from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
from airflow_provider_tiktok_offline.conversions.preparation.row_verdicts import read_verdicts
from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample

_ROOT = Path(__file__).resolve().parent.parent
_AS_OF = datetime(2026, 11, 22, 12, tzinfo=UTC)
_DIRTY_ROWS = 3_000
_SMALL_BLOCK = 1 << 16
_PLAIN = ConversionSettings(phone_region="US", currency="USD")
_EVERYTHING = _PLAIN.send_fields | OPTIONAL_SEND_FIELDS
#: The settings under which some customers have opted out.
_OPT_OUTS = "opt-outs"
_SETTINGS = {
    "plain": _PLAIN,
    "no region, no currency": ConversionSettings(),
    "everything sent": replace(_PLAIN, send_fields=_EVERYTHING),
    "no identifiers sent": replace(_PLAIN, send_fields=_PLAIN.send_fields - {"email", "phone", "order_id"}),
    "baskets": replace(_PLAIN, basket="order", send_fields=_EVERYTHING),
    "amount of the order": replace(_PLAIN, amount="order", event_identity=("order_id", "product_id", "quantity")),
    "identity of the order": replace(_PLAIN, event_identity=("store_code", "order_id", "transaction_timestamp")),
    "liveramp": ConversionSettings(profile="liveramp", phone_region="US"),
    "liveramp, repaired": ConversionSettings(profile="liveramp", phone_region="US", repair=True, trim_white_space=True),
    "German": replace(_PLAIN, phone_region="DE", time_zone="Europe/Berlin", date_only_time=time(12), offset="apply"),
    "national phones": replace(_PLAIN, phone_digits="national", report_by_store=True),
    "international phones": replace(_PLAIN, phone_digits="international", lookback_days=3),
    "stores": replace(_PLAIN, stores={f"s{n}": Store(currency="JPY", phone_region="GB") for n in range(0, 400, 3)}),
    _OPT_OUTS: _PLAIN,
    "cut-over": replace(_PLAIN, send_from=datetime(2026, 11, 19, tzinfo=UTC), categories=frozenset({"Purchase"})),
}


def write_files(folder: Path, rows: int) -> None:
    """Clean files of both kinds, and dirty ones of each type."""
    clean = folder / "clean.csv"
    write_sample(clean, rows, as_of=_AS_OF, seed=1, form=SampleForm(identifiers="both"))
    with clean.open() as text, (folder / "piped.psv").open("w") as piped:
        for number, line in enumerate(text):
            cells = line.split(",")
            if number % 2:
                cells[5] = f"1{cells[5]}"
            piped.write("|".join(cells))
    for number, kind in enumerate(("csv", "psv", "tsv")):
        form = SampleForm(phones="written" if kind == "psv" else "digits")
        write_sample(folder / f"dirty.{kind}", _DIRTY_ROWS, as_of=_AS_OF, bad_ratio=0.2, seed=number, form=form)
        # Some rows twice, the second time under another line and in another block.
        path = folder / f"dirty.{kind}"
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join([*lines, *lines[1:2000:7]]))
    form = SampleForm(columns=PROGRAMME_COLUMNS)
    write_sample(folder / "wide.csv", _DIRTY_ROWS, as_of=_AS_OF, bad_ratio=0.2, seed=9, form=form)


def outputs(folder: Path) -> dict[str, str]:
    """Name of an output -> its digest, for every file and setting."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*.?sv")):
        clean = not path.name.startswith(("dirty", "wide"))
        for name, settings in _SETTINGS.items():
            if not clean or name == "plain":
                block = PassOptions().block_bytes if clean else _SMALL_BLOCK
                for what, data in _outputs_of(path, settings, block, _opt_outs(path) if name == _OPT_OUTS else None):
                    found[f"{path.name}, {name}: {what}"] = hashlib.sha256(data).hexdigest()
    return found


def _opt_outs(path: Path) -> Suppression:
    """A list of some e-mails and phones of a file."""
    cells = path.read_text(errors="replace").replace("\t", ",").replace("|", ",").replace("\n", ",").split(",")
    people = [cell for cell in cells if "@example." in cell or (cell.isdigit() and len(cell) == 10)]
    return read_list(
        io.BytesIO("\n".join(people[::50]).encode()), ListSettings(phone_regions=("US",), max_unreadable=10_000)
    )


def _outputs_of(
    path: Path, settings: ConversionSettings, block_bytes: int, people: Suppression | None
) -> Iterator[tuple[str, bytes]]:
    rejects, repair, verdicts, small = io.BytesIO(), io.BytesIO(), io.BytesIO(), io.BytesIO()
    options = PassOptions(rejects=rejects, repair=repair, block_bytes=block_bytes)
    yield (
        "report",
        _report(
            validate(LocalFile(path), settings, as_of=_AS_OF, suppression=people, verdicts=verdicts, options=options)
        ),
    )
    yield "rejects", rejects.getvalue()
    yield "repair", repair.getvalue()
    yield "verdicts", b"".join(_bytes(frame) for frame in read_verdicts(verdicts))
    bare = PassOptions(block_bytes=block_bytes)
    yield (
        "report without outputs",
        _report(validate(LocalFile(path), settings, as_of=_AS_OF, suppression=people, options=bare)),
    )
    with tempfile.TemporaryDirectory() as parts:
        store = DirectoryParts(parts)
        options = PassOptions(rejects=small, block_bytes=block_bytes, part_events=max(1000, path.stat().st_size // 500))
        prepared = prepare(LocalFile(path), settings, as_of=_AS_OF, output=store, suppression=people, options=options)
        yield "report of preparing", _report(prepared.report)
        yield "rejects of preparing", small.getvalue()
        yield "manifest", json.dumps(prepared.manifest, sort_keys=True).encode()
        events = PreparedEvents.open(store)
        for number in range(len(events.parts)):
            yield f"part {number}", _bytes(events.read(number))
            yield f"part {number}, amounts", _bytes(events.read_amounts(number))


def _report(report: object) -> bytes:
    text: str = report.to_json()  # type: ignore[attr-defined]
    return json.dumps({**json.loads(text), "duration_s": 0}, sort_keys=True).encode()


def _bytes(frame: pl.DataFrame) -> bytes:
    """Types and values of a frame; the same values give the same bytes."""
    return repr(frame.schema).encode() + frame.hash_rows(1).to_numpy().tobytes()


def _outputs_by(root: Path, folder: Path) -> dict[str, str]:
    """The outputs of the package that lies under a directory."""
    ended = subprocess.run(
        [sys.executable, str(Path(__file__).resolve()), "--outputs", str(folder)],
        env={**os.environ, "PYTHONPATH": str(root)},
        cwd=root,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, str] = json.loads(ended.stdout)
    return found


def main() -> int:
    """Compare, and print what differs; 1 if anything does."""
    if sys.argv[1] == "--outputs":
        print(json.dumps(outputs(Path(sys.argv[2]))))
        return 0
    rows = int(sys.argv[3]) if "--rows" in sys.argv else 500_000
    with tempfile.TemporaryDirectory() as name:
        folder, before = Path(name) / "files", Path(name) / "before"
        folder.mkdir()
        write_files(folder, rows)
        subprocess.run(
            ["git", "-C", str(_ROOT), "worktree", "add", "-q", "--detach", str(before), sys.argv[1]], check=True
        )
        try:
            old, new = _outputs_by(before, folder), _outputs_by(_ROOT, folder)
        finally:
            subprocess.run(["git", "-C", str(_ROOT), "worktree", "remove", "--force", str(before)], check=True)
    different = sorted(name for name in old | new if old.get(name) != new.get(name))
    print(f"{len(old)} outputs, {len(different)} of them differ", *different, sep="\n")
    return 1 if different or not old else 0


if __name__ == "__main__":
    sys.exit(main())
