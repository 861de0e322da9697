"""What `make mutation` runs for a mutant, and how it counts."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from scripts import mutation
from scripts.mutation import Baseline, Mutant, change_functions, is_in_function, table

CODE = "EDGE = 28\n\n\nclass Rule:\n    def holds(self, age):\n        return age <= EDGE\n"


def mutant(code: str, line: int) -> Mutant:
    return Mutant(module="made_up.py", operator="core/NumberReplacer", occurrence=0, line=line, code=code)


def test_a_mutant_is_tested_by_what_executes_its_line_the_fastest_first() -> None:
    """A line that no test executes is tested by all that execute the module."""
    lines = {"made_up.py": {6: frozenset({"slow", "quick"}), 9: frozenset({"other"})}}
    baseline = Baseline({"slow": 2.0, "quick": 0.1, "other": 1.0}, lines)
    assert baseline.tests(mutant(CODE, 6)) == ["quick", "slow"]
    assert baseline.tests(mutant(CODE, 4)) == ["quick", "other", "slow"]


def test_a_constant_is_tested_by_what_uses_it_and_a_default_by_its_function() -> None:
    """Their own lines are executed while modules are imported, when no test runs."""
    code = "EDGE = 28\n\n\ndef holds(age, most=EDGE):\n    return age <= most\n\n\ndef other():\n    return EDGE\n"
    lines = {"made_up.py": {5: frozenset({"holds"}), 9: frozenset({"other"}), 12: frozenset({"nothing of it"})}}
    baseline = Baseline({}, lines)
    assert baseline.tests(mutant(code, 1)) == ["other"]
    assert baseline.tests(mutant(code, 4)) == ["holds"]


def test_what_survived_is_tested_by_all_that_execute_it_and_then_by_others_or_of_a_constant_by_any() -> None:
    """Another module may import the constant, and only its tests notice. Quick tests leave out no slow one."""
    code = "EDGE = 28\n\n\ndef holds(age):\n    return age <= EDGE\n"
    lines = {"made_up.py": {5: frozenset({"holds"}), 9: frozenset({"reaches it"})}}
    baseline = Baseline({"holds": 2.0, "reaches it": 1.0, "elsewhere": 3.0}, lines, thorough=True)
    assert baseline.tests(mutant(code, 5)) == ["holds", "reaches it"]
    assert baseline.tests(mutant(code, 1)) == ["reaches it", "holds", "elsewhere"]
    slow = Baseline({"holds": 99.0, "reaches it": 1.0, "elsewhere": 3.0}, lines, thorough=True)
    assert slow.tests(mutant(code, 5)) == ["holds", "reaches it"]
    assert slow.tests(mutant(code, 1)) == ["reaches it", "elsewhere"]


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("edge = lambda age: age <= 28\n", 1),
        ("def made(most):\n    return lambda age: age <= most\n\n\nholds = made(28)\n", 2),
        ("def made(most):\n    def holds(age):\n        return age <= most\n\n    return holds\n", 3),
        ("@cache\ndef edge():\n    return 28\n", 3),
    ],
    ids=["a lambda", "a lambda of a function", "a function in a function", "a cached function"],
)
def test_what_may_have_been_made_while_modules_were_imported_is_imported_anew(code: str, line: int) -> None:
    """Code that is changed in the imported module would not reach it."""
    assert not is_in_function(mutant(code, line))


def test_an_imported_module_takes_over_the_changed_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for who has imported them by name; what is computed at import is told apart."""
    module = types.ModuleType("made_up")
    module.__file__ = "made_up.py"
    exec(CODE, vars(module))  # noqa: S102
    monkeypatch.setitem(sys.modules, "made_up", module)
    rule = vars(module)["Rule"]()
    change = mutant(CODE.replace("<=", "<"), 6)
    assert is_in_function(change)
    assert not is_in_function(mutant(CODE.replace("28", "29"), 1))
    assert rule.holds(28)
    change_functions(change)
    assert not rule.holds(28)


def test_a_mutant_that_was_not_run_is_no_survivor() -> None:
    """The score is killed by killed and survived; a line without a test survived; no answer counts as nothing."""
    mutants = [
        Mutant(module="made_up.py", operator="core/AddNot", occurrence=number, line=6, code=CODE) for number in range(5)
    ]
    names = [one.name for one in mutants]
    outcomes = dict(zip(names, ["killed", "no answer", "survived", "not executed"], strict=False))
    assert table(outcomes, mutants)[-1].split() == ["all", "5", "1", "2", "2", "33.3", "%"]


def test_every_module_and_every_test_that_is_named_is_there() -> None:
    """A file that was moved is not passed over."""
    modules = [f"{mutation.PACKAGE}/{name}.py" for names in mutation.MODULES.values() for name in names]
    tests = [*mutation.TESTS, *mutation.PHONE_TESTS]
    assert [name for name in (*modules, *tests) if not (Path(mutation.ROOT) / name).is_file()] == []
