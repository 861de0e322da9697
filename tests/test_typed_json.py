"""JSON as typed values: types that several threads meet for the first time at once."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import airflow_provider_tiktok_offline
from airflow_provider_tiktok_offline import typed_json

PACKAGE = Path(airflow_provider_tiktok_offline.__file__).parent
#: Four threads meet a new type at once, again and again; msgspec alone ends the process within some hundred times.
_MEETING = """
import sys, threading, types
from airflow_provider_tiktok_offline import typed_json
sys.setswitchinterval(1e-6)
source = compile('''
from __future__ import annotations
import dataclasses, datetime
from typing import Literal
@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    a: int
    b: str | None = None
    c: Literal["x", "y"] = "x"
@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    a: int
    inner: dict[str, Inner]
    d: list[Inner] = dataclasses.field(default_factory=list)
    e: datetime.datetime | None = None
''', "types of a run", "exec")
read = []
for number in range(500):
    module = types.ModuleType(f"types_{number}")
    sys.modules[module.__name__] = module
    exec(source, module.__dict__)
    together = threading.Barrier(4)
    def meet():
        together.wait()
        for _ in range(5):
            read.append(typed_json.decode(b'{"a": 1, "inner": {"k": {"a": 1}}, "d": [{"a": 2}]}', module.Outer).d[0].a)
            read.append(typed_json.convert({"a": 1, "inner": {"k": {"a": 2}}}, module.Outer).inner["k"].a)
    threads = [threading.Thread(target=meet) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print(len(read), set(read))
"""


@pytest.mark.timeout(300)
def test_threads_that_meet_a_type_at_once() -> None:
    """Nothing is half worked out: the process neither dies nor fails."""
    ended = subprocess.run([sys.executable, "-c", _MEETING], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "20000 {2}\n"), ended.stderr[-2000:]


def test_a_mapping_with_numbers_as_keys() -> None:
    """JSON has texts there."""
    assert typed_json.convert({"1": "USD"}, dict[int, str], str_keys=True) == {1: "USD"}


def test_nobody_else_reads_a_type() -> None:
    """Whoever decodes a dataclass beside this module meets the fault again; the simulator has one thread."""
    found = []
    for file in sorted(PACKAGE.rglob("*.py")):
        if file.name == "typed_json.py" or "simulator" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            with_type = called == "msgspec.json.decode" and len(node.args) + len(node.keywords) > 1
            if with_type or called in ("msgspec.convert", "msgspec.json.Decoder"):
                found.append(f"{file.relative_to(PACKAGE)}:{node.lineno}")
    assert found == []
