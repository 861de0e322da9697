"""What an issue says, in the words of whoever reads the file: its own column names, marks and delimiter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from airflow_provider_tiktok_offline.conversions.contract.catalogue import RULES
from airflow_provider_tiktok_offline.plain_text import one_line

#: Rules whose examples are amounts.
_OF_AMOUNTS = frozenset({"amount_format", "amount_decimals", "price_format"})
#: How the details of an issue are said.
_DETAILS = {
    "invisible_character": "Found: {}.",
    "identifier_in_text": "It is so in {}.",
    "timestamp_format": "The accepted format that comes nearest is {}.",
}
_POINT = re.compile(r"(?<=[0-9])\.(?=[0-9])")
_NAME = re.compile("`([a-z_0-9]+)`")


@dataclass(frozen=True, slots=True)
class Messages:
    """The texts of a file's issues.

    Attributes:
        labels: programme column -> the file's own name for it.
        decimal: the file's decimal mark.
        delimiter: what a person calls the file's delimiter.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    decimal: str = "."
    delimiter: str = ""

    def fault(self, rule: str, details: Iterable[str] = ()) -> str:
        """What is wrong.

        :param details: words that make it plainer, such as code points.
        """
        text = self._named(RULES[rule].fault)
        said = ", ".join(details)
        return f"{text} {_DETAILS[rule].format(said)}" if said and rule in _DETAILS else text

    def todo(self, rule: str) -> str:
        """What to do about it."""
        text = self._named(RULES[rule].todo)
        if rule in _OF_AMOUNTS and self.decimal != ".":
            text = _POINT.sub(self.decimal, text)
        return text

    def message(self, rule: str, details: Iterable[str] = ()) -> str:
        """Both."""
        return f"{self.fault(rule, details)} {self.todo(rule)}"

    def _named(self, text: str) -> str:
        if self.delimiter:
            text = text.replace("the delimiter", f"the delimiter ({self.delimiter})", 1)
        return one_line(_NAME.sub(lambda found: f"`{self.labels.get(found[1], found[1])}`", text))
