"""After how long a task is ended, by its kind."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

TaskKind: TypeAlias = Literal[
    "cut_file", "prepare_shard", "prepare", "dedupe", "upload", "deliver", "summary", "report"
]
TaskHours: TypeAlias = Annotated[float, Field(ge=0.01, le=168)]

#: Many times what the largest file takes (docs/benchmarks.md); a task that runs longer hangs.
DEFAULT_HOURS: Mapping[TaskKind, float] = MappingProxyType(
    {
        "cut_file": 6,
        "prepare_shard": 6,
        "prepare": 6,
        "dedupe": 6,
        "upload": 12,
        "deliver": 12,
        "summary": 6,
        "report": 3,
    }
)
