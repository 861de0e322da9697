"""What becomes of phone numbers of every region in every spelling: the table of docs/phones.md.

``python -m benchmarks.phones [--small]``: valid numbers drawn from the ranges of all regions, written in every way and
read in the list of their own region, and mobiles in the lists of all others.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict

from tests.conversions import phone_vectors
from tests.conversions.phone_vectors import ABSENT, FIXED, MOBILE, RIGHT, RIGHT_NOTED, SILENT, WRONG_NOTED

_COLUMNS = (RIGHT, ABSENT, WRONG_NOTED, SILENT)


def main(count: int, every: int) -> None:
    """Print the table.

    :param count: how many numbers of each region and kind.
    :param every: foreign mobiles are read in the lists of one region in so many.
    """
    counts: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: {MOBILE: Counter(), FIXED: Counter()})
    for vectors in (phone_vectors.home_vectors(count), phone_vectors.foreign_vectors(every)):
        for vector, outcome in phone_vectors.outcomes(vectors):
            counts[vector.spelling][vector.kind][RIGHT if outcome == RIGHT_NOTED else outcome] += 1
    head = " | ".join(f"{kind}: {column}" for kind in ("mobiles", "landlines") for column in _COLUMNS)
    print(f"| spelling | {head} |\n|{'---|' * (1 + 2 * len(_COLUMNS))}")
    for spelling, found in counts.items():
        print(
            f"| {spelling} | {' | '.join(_share(found[kind], one) for kind in (MOBILE, FIXED) for one in _COLUMNS)} |"
        )
    home = [found for spelling, found in counts.items() if not spelling.startswith("foreign")]
    total = {kind: sum((found[kind] for found in home), Counter[str]()) for kind in (MOBILE, FIXED)}
    row = " | ".join(_share(total[kind], one) for kind in (MOBILE, FIXED) for one in _COLUMNS)
    print(f"| all of the own region | {row} |")
    print({kind: found.total() for kind, found in total.items()})


def _share(found: Counter[str], outcome: str) -> str:
    if not found.total() or (outcome != RIGHT and not found[outcome]):
        return ""
    return f"{found[outcome] / found.total():.2%}"


if __name__ == "__main__":
    small = "--small" in sys.argv[1:]
    main(2 if small else 10, 12 if small else 1)
