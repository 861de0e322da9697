"""Mutation testing of what must not be wrong: ``python -m scripts.mutation``; ``make mutation`` runs it.

It asks for each mutant whether a test fails. Mutants are tested in copies of the tree, each in a process that is forked
from one which has collected the tests already, by the tests that execute the changed line, the fastest first.
The command ends by itself: when all mutants were tested, or after ``--minutes``. Its results are in ``--results``;
``--again`` tests those that survived the last time and those that were not run, ``--survivors`` the former alone, by
all tests that execute the line and by others that reach the module.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import gc
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import types
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "airflow_provider_tiktok_offline"
#: What is mutated: event ids and keys; dedupe and its plan; settlement and receipts; windows of time; guards; phones.
MODULES: Mapping[str, tuple[str, ...]] = {
    "identity": tuple(
        f"conversions/events/{name}" for name in ("event_id", "row_keys", "identity_settings", "identity_changes")
    ),
    "dedupe": (
        *(f"conversions/events/{name}" for name in ("duplicates", "baskets")),
        *(f"ledger/{name}" for name in ("event_keys", "verdicts", "planner", "claims", "plan", "takeover")),
        "delivery/events/planning",
    ),
    "settlement": ("ledger/settlement", "ledger/receipts", "ledger/receipt_history"),
    "windows of time": (
        "conversions/contract/lookback",
        "ledger/event_states",
        "delivery/steps/upload",
        "delivery/state/lease",
    ),
    "guards": ("delivery/events/guards",),
    "phones": tuple(
        f"conversions/identifiers/phones/{name}"
        for name in (
            "cell_text", "column_text", "digit_patterns", "number_kinds", "numbering_plans", "offers", "one_cell",
            "phone_column", "readings",
        )
    ),
}  # fmt: skip
#: The tests that may kill a mutant: those that need neither Airflow nor a campaign of kills.
TESTS = (
    *(
        f"tests/conversions/test_{name}.py"
        for name in (
            "basket_sums", "classes", "damaged_ids", "event_id", "event_json", "identity_settings", "kept_returns",
            "laws", "lookback", "outputs", "returns", "row_keys", "row_rules",
        )
    ),
    *(
        f"tests/ledger/test_{name}.py"
        for name in (
            "claims", "corrections", "damage", "deliveries", "folded_receipts", "heads", "identity_record", "key_probe",
            "key_sweep", "ledger", "part_answers", "receipt_history", "receipts", "rehearsals", "settlement", "states",
        )
    ),
    *(
        f"tests/delivery/test_{name}.py"
        for name in (
            "close_out", "coverage", "drift", "expiry", "first_refusals", "guards", "held_back", "held_back_orders",
            "lease", "opt_outs", "planned_parts", "prepare_file", "repeated_file", "replaced_file", "send_after_days",
            "settings", "shared_file", "shared_pace", "steps", "two_tries", "waiting_and_changes", "wrong_clock",
        )
    ),
    "tests/liveramp/test_route.py",
)  # fmt: skip
#: Those of phones. Each executes nearly every line, so that a mutant is tested by all of them.
PHONE_TESTS = tuple(
    f"tests/conversions/test_{name}.py"
    for name in ("digit_patterns", "identifiers", "phone_vectors", "phones", "staged_readings")
)
#: These start Polars' threads when they are imported, which a fork would lack: each process imports them itself.
START_THREADS = ("tests/conversions/test_staged_readings.py",)
#: Seconds of the processor, of what the tests take without the mutant, and at least: an endless loop counts as killed.
PATIENCE, LEAST = 6.0, 30.0
#: And by the clock, so many times that: a process that waits for ever, or a busy machine, gives no answer.
SLOWEST = 10.0
#: Seconds of tests for one mutant, by their times without it.
ENOUGH = 15.0
#: The same for what has survived those, beside all that execute the line.
ENOUGH_FOR_SURVIVORS = 60.0
#: Seconds of a test that was not measured.
UNKNOWN = 0.2


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one module.

    Attributes:
        module: the module's file, from the root of the tree.
        operator, occurrence: what is changed, and which of its places.
        line: of the change.
        code: of the whole module.
    """

    module: str
    operator: str
    occurrence: int
    line: int
    code: str

    @property
    def name(self) -> str:
        """By which it is found again."""
        return f"{self.module}:{self.operator}:{self.occurrence}"

    def difference(self, root: Path) -> list[str]:
        """The lines that it takes out and puts in."""
        before = (root / self.module).read_text(encoding="utf-8").splitlines()
        lines = difflib.unified_diff(before, self.code.splitlines(), n=0, lineterm="")
        return [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the tests do without a mutant.

    Attributes:
        seconds: test -> how long it takes.
        by_line: file -> line -> the tests that execute it.
        thorough: take all tests that execute the line, and then others that execute anything of the module; of what is
            executed at import, any tests.
    """

    seconds: Mapping[str, float]
    by_line: Mapping[str, Mapping[int, frozenset[str]]]
    thorough: bool = False

    def tests(self, mutant: Mutant) -> list[str]:
        """The tests that execute a mutant's line, the fastest first.

        Of a line that is executed while modules are imported: those that execute what depends on it, or the module.
        """
        lines = self.by_line.get(mutant.module, {})
        if self.thorough:
            own = lines.get(mutant.line, frozenset())
            measured = own or "/phones/" in mutant.module
            others = self._fastest(frozenset().union(*lines.values()) if measured else self.seconds)
            return [*sorted(own, key=self._order), *(test for test in others if test not in own)]
        depend = (lines.get(line, frozenset()) for line in lines_that_depend_on(mutant))
        return self._fastest(lines.get(mutant.line) or frozenset().union(*depend) or frozenset().union(*lines.values()))

    def _fastest(self, tests: Iterable[str]) -> list[str]:
        chosen: list[str] = []
        total = 0.0
        for test in sorted(tests, key=self._order):
            total += self.seconds.get(test, UNKNOWN)
            if chosen and total > (ENOUGH_FOR_SURVIVORS if self.thorough else ENOUGH):
                break
            chosen.append(test)
        return chosen

    def _order(self, test: str) -> tuple[float, str]:
        return self.seconds.get(test, UNKNOWN), test

    def seconds_of(self, tests: Iterable[str]) -> float:
        """How long some tests take."""
        return sum(self.seconds.get(test, UNKNOWN) for test in tests)


def measure_baseline(tree: Path, modules: Sequence[str], kept: Path) -> Baseline:
    """How long each test takes and who executes which line; measured again if a module or a file of tests has changed.

    :param kept: the file that the measures are kept in.
    :raises subprocess.CalledProcessError: if a test fails without a mutant.
    """
    before: _Measures = {"modules": "", "tests": {}, "seconds": {}, "lines": {}}
    if kept.exists():
        before = json.loads(kept.read_text(encoding="utf-8"))
    code = _digest(tree / module for module in modules)
    if before["modules"] != code:
        before = {"modules": code, "tests": {}, "seconds": {}, "lines": {}}
    digests = {test: _digest([tree / test]) for test in (*TESTS, *PHONE_TESTS)}
    stale = [test for test, digest in digests.items() if before["tests"].get(test) != digest]
    phones = [module for module in modules if "/phones/" in module]
    for tests, measured in ((TESTS, [one for one in modules if one not in phones]), (PHONE_TESTS, [])):
        again = [test for test in tests if test in stale]
        if not again or (tests is PHONE_TESTS and not phones):
            continue
        seconds, lines = _measure(tree, again, measured)
        before["seconds"] |= seconds
        for file, measured_lines in lines.items():
            for line, names in measured_lines.items():
                before["lines"].setdefault(file, {}).setdefault(line, []).extend(names)
        before["tests"] |= {test: digests[test] for test in again}
    kept.write_text(json.dumps(before), encoding="utf-8")
    of_phones = frozenset(test for test in before["seconds"] if test.partition("::")[0] in PHONE_TESTS)
    by_line: dict[str, Mapping[int, frozenset[str]]] = {
        file: {int(line): frozenset(names) for line, names in found.items()} for file, found in before["lines"].items()
    }
    by_line |= {module: {0: of_phones} for module in phones}
    return Baseline(before["seconds"], by_line)


class _Measures(TypedDict):
    modules: str
    tests: dict[str, str]
    seconds: dict[str, float]
    lines: dict[str, dict[str, list[str]]]


def _digest(files: Iterable[Path]) -> str:
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def _measure(
    tree: Path, tests: Sequence[str], modules: Sequence[str]
) -> tuple[dict[str, float], dict[str, dict[str, list[str]]]]:
    """Test -> seconds, and file -> line -> tests."""
    if not modules:
        return _timed(tree, tests), {}
    (tree / "coverage.ini").write_text("[run]\ninclude =\n" + "".join(f"    {module}\n" for module in modules))
    seconds = _timed(tree, tests, "--cov", "--cov-config=coverage.ini", "--cov-context=test", "--cov-report=")
    subprocess.run(
        [sys.executable, "-m", "coverage", "json", "-q", "--rcfile=coverage.ini", "--show-contexts"],
        cwd=tree, env=_environment(tree), check=True,
    )  # fmt: skip
    found = json.loads((tree / "coverage.json").read_text(encoding="utf-8"))["files"]
    return seconds, {
        file: {
            line: sorted({context.rpartition("|")[0] for context in contexts if context})
            for line, contexts in one["contexts"].items()
        }
        for file, one in found.items()
    }


def _timed(tree: Path, tests: Sequence[str], *options: str) -> dict[str, float]:
    """Test -> how long it takes."""
    report = tree / "seconds.json"
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "scripts.mutation_times", *options, *tests]
    environment = {**_environment(tree), "MUTATION_TIMES": str(report)}
    subprocess.run(command, cwd=tree, env=environment, check=True)
    seconds: dict[str, float] = json.loads(report.read_text(encoding="utf-8"))
    return seconds


def test_mutant(tree: Path, mutant: Mutant, baseline: Baseline) -> str:
    """What becomes of a mutant: ``killed``, ``survived``, ``not executed`` by any test, or ``no answer`` in time."""
    tests = baseline.tests(mutant)
    if not tests:
        return "not executed"
    file = tree / mutant.module
    before = file.read_bytes()
    file.write_text(mutant.code, encoding="utf-8")  # for the processes that a test starts
    try:
        code = _forked(tree, mutant, tests, max(LEAST, PATIENCE * baseline.seconds_of(tests)))
    finally:
        file.write_bytes(before)
    return "no answer" if code is None else "survived" if code == 0 else "killed"


def _forked(tree: Path, mutant: Mutant, tests: Sequence[str], seconds: float) -> int | None:
    """The exit code of pytest in a fork of this process; None if it took too long."""
    with tempfile.TemporaryDirectory(prefix="mutant-", dir=tree.parent) as scratch:
        child = os.fork()
        if child == 0:
            os._exit(_run_tests(mutant, tests, scratch, round(seconds)))
        deadline = time.monotonic() + SLOWEST * seconds
        try:
            while True:
                ended, status = os.waitpid(child, os.WNOHANG)
                if ended:
                    return os.waitstatus_to_exitcode(status)
                if time.monotonic() > deadline:
                    return None
                time.sleep(0.02)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(child, 0)


def _run_tests(mutant: Mutant, tests: Sequence[str], scratch: str, seconds: int) -> int:
    """Of a forked process: pytest on the changed code, with its output thrown away."""
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        os.environ["TMPDIR"] = tempfile.tempdir = scratch
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        if is_in_function(mutant):
            change_functions(mutant)
        else:
            for name in [name for name in sys.modules if name.startswith((PACKAGE, "tests."))]:
                del sys.modules[name]
        return int(pytest.main([*_QUIETLY, *tests]))
    except BaseException:
        return 99


#: Without what takes a second a mutant and tells nothing: tracebacks, and collecting garbage at the end.
_QUIETLY = ("-q", "-x", "--tb=no", "-p", "no:cacheprovider", "-p", "no:cov", "-p", "no:unraisableexception")


def is_in_function(mutant: Mutant) -> bool:
    """Whether the change is in a function's body, and so in nothing that was computed while modules were imported.

    A function inside another one, or a lambda, may have been made then.
    """
    around = [
        node
        for node in ast.walk(ast.parse(mutant.code))
        if isinstance(node, (ast.FunctionDef, ast.Lambda)) and _first_line(node) <= mutant.line <= _last_line(node)
    ]
    if len(around) != 1 or not isinstance(around[0], ast.FunctionDef):
        return False
    decorators = (one.id for one in around[0].decorator_list if isinstance(one, ast.Name))
    return not {"cache", "cached_property"}.intersection(decorators)


def lines_that_depend_on(mutant: Mutant) -> set[int]:
    """The lines of the module that use a constant, or the body of a function whose head is changed."""
    tree = ast.parse(mutant.code)
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.lineno <= mutant.line < _first_line(node):
            found.update(range(_first_line(node), _last_line(node) + 1))
    names = {
        name.id
        for node in tree.body
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.lineno <= mutant.line <= (node.end_lineno or 0)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        for name in ast.walk(target)
        if isinstance(name, ast.Name)
    }
    found.update(node.lineno for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in names)
    return found - {mutant.line}


def _first_line(node: ast.FunctionDef | ast.Lambda) -> int:
    return node.body[0].lineno if isinstance(node, ast.FunctionDef) else node.lineno


def _last_line(node: ast.FunctionDef | ast.Lambda) -> int:
    return node.end_lineno or node.lineno


def change_functions(mutant: Mutant) -> None:
    """Give the functions of the imported module the code of the mutant, whoever has imported them by name."""
    name = mutant.module.removesuffix(".py").replace("/", ".")
    module = sys.modules[name]
    changed = types.ModuleType(name)
    changed.__dict__.update({key: value for key, value in vars(module).items() if key.startswith("__")})
    sys.modules[name] = changed
    try:
        exec(compile(mutant.code, str(module.__file__), "exec"), vars(changed))  # noqa: S102 - this repository's own code
    finally:
        sys.modules[name] = module
    _change(vars(module), vars(changed), name)


def _change(old: Mapping[str, object], new: Mapping[str, object], module: str) -> None:
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, type) and isinstance(before, type) and value.__module__ == module:
            if before is not value:
                _change(vars(before), vars(value), module)
            continue
        for ours, theirs in zip(_functions(before), _functions(value), strict=False):
            if theirs.__module__ == module and len(ours.__code__.co_freevars) == len(theirs.__code__.co_freevars):
                ours.__code__ = theirs.__code__


def _functions(value: object) -> list[types.FunctionType]:
    """The functions that an attribute of a module or class stands for."""
    found = [value, *(getattr(value, name, None) for name in ("__wrapped__", "__func__", "fget"))]
    return [one for one in found if isinstance(one, types.FunctionType)]


def _environment(tree: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",
        "POLARS_MAX_THREADS": "1",
        "CI": "true",  # Hypothesis: the same examples each time, without a deadline
    }


@contextmanager
def copied_tree(root: Path) -> Iterator[Path]:
    """A copy of what the tests need, compiled; nothing of the tree itself is changed."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        tree = Path(folder) / "tree"
        ignored = shutil.ignore_patterns(".venv", ".git", "build", "dist", "__pycache__", ".*_cache", ".hypothesis")
        shutil.copytree(root, tree, ignore=ignored)
        subprocess.run([sys.executable, "-m", "compileall", "-q", PACKAGE, "tests"], cwd=tree, check=True)
        yield tree


def read_mutants(lines: Iterable[str]) -> list[Mutant]:
    """The mutants that ``scripts/make_mutants.py`` has printed."""
    return [Mutant(**json.loads(line)) for line in lines]


def table(outcomes: Mapping[str, str], mutants: Sequence[Mutant]) -> list[str]:
    """The score by group and module."""
    group_of = {f"{PACKAGE}/{name}.py": group for group, names in MODULES.items() for name in names}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for mutant in mutants:
        outcome = outcomes.get(mutant.name, "not run")
        for row in (mutant.module.removeprefix(f"{PACKAGE}/"), group_of.get(mutant.module, "others"), "all"):
            counts[row][outcome] += 1
    lines = [f"{'':46}{'mutants':>8}{'killed':>8}{'survived':>9}{'not run':>8}{'score':>8}"]
    for row, found in counts.items():
        killed = found["killed"]
        survived = found["survived"] + found["not executed"]
        score = f"{100 * killed / (killed + survived):.1f} %" if killed + survived else "-"
        lines.append(
            f"{row:46}{found.total():>8}{killed:>8}{survived:>9}{found.total() - killed - survived:>8}{score:>8}"
        )
    return lines


def _in_processes(
    jobs: int, mutants: Sequence[Mutant], baseline: Baseline, deadline: float, results: Path
) -> Iterator[dict[str, str]]:
    """The outcomes of the mutants, tested by so many processes, each in a copy of the tree of its own."""
    children = {}
    for job in range(jobs):
        file = results / f"outcomes-{job}.json"
        file.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                _test_all(mutants[job::jobs], baseline, deadline, file)
                status = 0
            finally:
                os._exit(status)
        children[child] = file
    for child, file in children.items():
        os.waitpid(child, 0)
        yield from _taken(file)


def _taken(file: Path) -> Iterator[dict[str, str]]:
    """The outcomes that a process has kept as it went; the file is gone then."""
    if file.exists():
        yield json.loads(file.read_text(encoding="utf-8"))
        file.unlink()


def _test_all(mutants: Sequence[Mutant], baseline: Baseline, deadline: float, file: Path) -> None:
    with copied_tree(ROOT) as tree:
        sys.path.insert(0, str(tree))
        os.chdir(tree)
        os.environ.update(_environment(tree))
        files = {test.partition("::")[0] for mutant in mutants for test in baseline.tests(mutant)}
        with (tree.parent / "collected.txt").open("w") as log, redirect_stdout(log):
            pytest.main([*_QUIETLY, "--collect-only", *sorted(files.difference(START_THREADS))])
        gc.collect()
        gc.freeze()  # a fork that collects garbage would copy all that was imported
        outcomes: dict[str, str] = {}
        for number, mutant in enumerate(mutants, 1):
            if time.monotonic() > deadline:
                break
            outcomes[mutant.name] = test_mutant(tree, mutant, baseline)
            file.write_text(json.dumps(outcomes), encoding="utf-8")
            sys.stdout.write(f"{number}/{len(mutants)} {outcomes[mutant.name]} {mutant.name} line {mutant.line}\n")
            sys.stdout.flush()


def main() -> int:
    """Test the mutants and print the score; 0 whatever it is."""
    parser = argparse.ArgumentParser(prog="make mutation ARGS=...", description=__doc__)
    parser.add_argument("--small", action="store_true", help="three mutants a module, no phones")
    parser.add_argument("--most", type=int, default=40, help="mutants a module; of more a fixed sample")
    parser.add_argument("--minutes", type=float, default=90, help="stop after so long")
    parser.add_argument("--survivors", action="store_true", help="only what survived the last time, by more tests")
    parser.add_argument("--but", type=Path, help="a file of mutants' names, one a line, that are left out")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--again", action="store_true", help="only what survived or was not run the last time")
    parser.add_argument("--results", type=Path, default=ROOT / "build" / "mutation")
    parser.add_argument("--cosmic-ray", default=sys.executable, help="the Python that has Cosmic Ray")
    given = parser.parse_args()
    deadline = time.monotonic() + given.minutes * 60
    groups = {group: names for group, names in MODULES.items() if not (given.small and group == "phones")}
    modules = [f"{PACKAGE}/{name}.py" for names in groups.values() for name in names]
    most = 3 if given.small else given.most
    given.results.mkdir(parents=True, exist_ok=True)
    kept = given.results / "outcomes.json"
    with copied_tree(ROOT) as tree:
        made = subprocess.run(
            [given.cosmic_ray, str(ROOT / "scripts" / "make_mutants.py"), str(tree), str(most), *modules],
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        mutants = read_mutants(made.stdout.splitlines())
        baseline = measure_baseline(tree, modules, given.results / "baseline.json")
        baseline = replace(baseline, thorough=given.survivors)
        left_out = frozenset(given.but.read_text(encoding="utf-8").split()) if given.but else frozenset()
        known = given.again or given.survivors
        outcomes = json.loads(kept.read_text(encoding="utf-8")) if known and kept.exists() else {}
        for file in given.results.glob("outcomes-*.json") if known else ():
            # Of a run that was ended from outside.
            outcomes |= next(_taken(file))
        untried = () if given.survivors else (None,)
        again = ("survived", "not executed", "no answer", *untried)
        left = [one for one in mutants if outcomes.get(one.name) in again and one.name not in left_out]
        random.Random(0).shuffle(left)  # noqa: S311 - so that a run that is cut short is a fair sample
        for found in _in_processes(given.jobs, left, baseline, deadline, given.results):
            outcomes |= found
            kept.write_text(json.dumps(outcomes, indent=1), encoding="utf-8")
        survivors = [mutant for mutant in mutants if outcomes.get(mutant.name) in ("survived", "not executed")]
        lines = table(outcomes, mutants)
        (given.results / "survivors.txt").write_text(
            "\n".join(
                line
                for mutant in survivors
                for line in (f"{mutant.module}:{mutant.line} {outcomes[mutant.name]}", *mutant.difference(tree), "")
            ),
            encoding="utf-8",
        )
    (given.results / "score.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
