"""What Airflow's UI says of an advertiser's DAGs.

No setting but name and route enters, so that a changed one makes no new version of a DAG.
"""

from __future__ import annotations

from functools import cache

_TASKS = {
    "wait_for_file": (
        "waits for the day's complete file",
        "no file came in time: have it exported, clear the task",
    ),
    "cut_file": (
        "cuts a large file into shards; a small one stays whole",
        "its log says why: clear the task",
    ),
    "prepare_shard": (
        "reads a shard of a large file: checks its rows and stages them",
        "clear the task; a shard that was read is not read again",
    ),
    "prepare": (
        "reads the file once: checks every row, writes the report, finds which events are new",
        "its log says why: correct the file, mend the settings or the ledger, and clear the task",
    ),
    "approve": ("asks a person about a breached guard", "it was rejected, and nothing was sent"),
    "dedupe": (
        "asks the ledger which events are new",
        "a guard was breached, or there is no ledger: see its log",
    ),
    "upload": ("sends the parts to TikTok", "clear the task; what was received is not sent again"),
    "deliver": ("writes the feed file for LiveRamp", "clear the task; a file that is there is not sent again"),
    "summary": (
        "settles the delivery and publishes the report",
        "its log names the task that failed, or what is left to do",
    ),
}


_APPROVED = (
    "`approve` asks a person about the files that breach a guard; `dedupe_approved`, `upload_approved` and"
    " `summary_approved` go on with those that are approved. The other files do not wait for it."
)


@cache
def delivery_doc(name: str, steps: tuple[str, ...], *, beside: bool = False) -> str:
    """The description of an advertiser's DAG, as Markdown.

    :param steps: its tasks after the wait, in order.
    :param beside: whether files that a person is asked about have tasks of their own.
    """
    lines = [
        f"Delivers the conversion files of **{name}**, each transaction once. Any task can be cleared at any time.",
        "",
        "| task | what it does | if it fails |",
        "|---|---|---|",
        *(f"| `{task}` | {_TASKS[task][0]} | {_TASKS[task][1]} |" for task in ("wait_for_file", *steps)),
        *(("", _APPROVED) if beside else ()),
    ]
    return "\n".join(lines)


def report_doc(name: str) -> str:
    """The description of the DAG that reads TikTok's report, as Markdown."""
    return f"Reads what TikTok attributed to the ads of **{name}** into the table `attribution`. It sends nothing."
