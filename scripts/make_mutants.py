"""Make the mutants of some modules with Cosmic Ray's operators, as lines of JSON; ``scripts/mutation.py`` calls it.

It runs in an environment of its own, where Cosmic Ray is installed: ``python make_mutants.py ROOT MOST MODULE...``.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import parso
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.plugins import get_operator

#: One replacement, or two, for each kind of operator: all of Cosmic Ray's would be ten times as many mutants, most of
#: which the same test kills.
OPERATORS = (
    *(
        f"core/ReplaceComparisonOperator_{pair}"
        for pair in (
            "Eq_NotEq", "NotEq_Eq", "Lt_LtE", "Lt_Gt", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_Lt", "GtE_Gt", "GtE_Lt",
            "Is_IsNot", "IsNot_Is",
        )
    ),
    *(
        f"core/ReplaceBinaryOperator_{pair}"
        for pair in (
            "Add_Sub", "Sub_Add", "Mul_Add", "FloorDiv_Mul", "Div_Mul", "Mod_Add", "BitAnd_BitOr", "BitOr_BitAnd",
        )
    ),
    "core/ReplaceUnaryOperator_USub_UAdd",
    "core/ReplaceUnaryOperator_Delete_Invert",
    "core/ReplaceUnaryOperator_Delete_Not",
    "core/AddNot",
    "core/ReplaceTrueWithFalse",
    "core/ReplaceFalseWithTrue",
    "core/ReplaceAndWithOr",
    "core/ReplaceOrWithAnd",
    "core/ReplaceBreakWithContinue",
    "core/ReplaceContinueWithBreak",
    "core/NumberReplacer",
    "core/ZeroIterationForLoop",
)  # fmt: skip


class RemoveCall(Operator):  # type: ignore[misc]
    """Take out a statement that is a call alone, such as ``lease.check()``; Cosmic Ray has no operator for it."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        """Where it can."""
        if node.type == "simple_stmt" and node.children[0].type == "atom_expr":
            last = node.children[0].children[-1]
            if last.type == "trailer" and last.children[0].value == "(":
                yield (node.start_pos, node.end_pos)

    def mutate(self, node: Any, index: int) -> Any:  # noqa: ARG002 - Cosmic Ray passes it
        """The statement ``pass`` in its place."""
        prefix = node.get_first_leaf().prefix
        return parso.parse(f"{prefix}pass\n").children[0]

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """None."""
        return ()


class InRather(Operator):  # type: ignore[misc]
    """``in`` for ``not in``, and the other way round; Cosmic Ray's own operator of that name leaves an error."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        """Where it can."""
        if node.type == "comparison":
            operator = node.children[1]
            text = operator.get_code(include_prefix=False)
            if " ".join(text.split()) in ("in", "not in"):
                yield (operator.start_pos, operator.end_pos)

    def mutate(self, node: Any, index: int) -> Any:  # noqa: ARG002 - Cosmic Ray passes it
        """The comparison with the other operator."""
        left, operator, right = (child.get_code() for child in node.children[:3])
        other = " not in" if operator.split() == ["in"] else " in"
        return parso.parse(f"{left}{other}{right}").children[0]

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """None."""
        return ()


def mutants(path: Path, most: int) -> Iterator[dict[str, object]]:
    """The mutants of a module; of more than ``most`` a sample, the same at each call."""
    code = path.read_text(encoding="utf-8")
    tree = get_ast(code)
    own = {"own/RemoveCall": RemoveCall(), "own/InRather": InRather()}
    operators: dict[str, Any] = {name: own.get(name) or get_operator(name)() for name in (*OPERATORS, *own)}
    places = []
    for name, operator in operators.items():
        positions = ((node, start) for node in ast_nodes(tree) for start, _ in operator.mutation_positions(node))
        places += [(name, at, start[0]) for at, (node, start) in enumerate(positions) if not _is_no_code(node)]
    random.Random(path.name).shuffle(places)  # noqa: S311 - no secret
    made = 0
    for name, occurrence, line in places:
        mutated = mutate_code(code, operators[name], occurrence)
        if mutated is not None and mutated != code and _compiles(mutated):
            yield {"operator": name, "occurrence": occurrence, "line": line, "code": mutated}
            made += 1
            if made == most:
                return


def _is_no_code(node: Any) -> bool:
    """Whether it is an annotation, a message, or what a type checker alone reads."""
    child, parent = node, node.parent
    while parent is not None:
        if parent.type == "annassign" and parent.children[1] is child:
            return True
        if parent.type == "tfpdef" and parent.children[-1] is child:
            return True
        if parent.type == "param" and parent.annotation is not None and parent.annotation is child:
            return True
        if parent.type == "funcdef" and parent.annotation is child:
            return True
        if parent.type == "if_stmt" and re.match(r"\s*if TYPE_CHECKING", parent.get_code(include_prefix=False)):
            return True
        if parent.type == "fstring_format_spec":
            return True
        if parent.type == "raise_stmt" or (parent.type == "decorator"):
            return True
        if parent.type == "expr_stmt" and re.match(r"log\.|__all__", parent.get_code(include_prefix=False)):
            return True
        child, parent = parent, parent.parent
    return False


def _compiles(code: str) -> bool:
    try:
        compile(code, "mutant", "exec")
    except SyntaxError:
        return False
    return True


def main() -> None:
    """A line for each mutant of each module."""
    root, most = Path(sys.argv[1]), int(sys.argv[2])
    for module in sys.argv[3:]:
        for mutant in mutants(root / module, most):
            sys.stdout.write(json.dumps({"module": module, **mutant}) + "\n")


if __name__ == "__main__":
    main()
