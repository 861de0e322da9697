"""The mail that notifies LiveRamp's technical account specialist of an upload.

Source: the programme's page, "Upload the File".

It states the file and its counts, and no value of a customer.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from airflow_provider_tiktok_offline.errors import FeedError
from airflow_provider_tiktok_offline.liveramp.day_record import DayRecord
from airflow_provider_tiktok_offline.plain_text import one_line


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A mail's subject and body."""

    subject: str
    text: str
    html: str


def confirmation(record: DayRecord, *, feed: str) -> Confirmation:
    """The mail for a delivered file.

    :raises FeedError: if the file was not delivered.
    """
    if record.status != "delivered" or record.delivered_at is None:
        raise FeedError("the file was not delivered; there is nothing to confirm.", where=record.file_name)
    facts = {
        "File": record.file_name,
        "Feed": feed,
        "Rows": f"{record.rows:,}",
        "Bytes": f"{record.bytes:,}" if record.bytes is not None else "unknown",
        "SHA-256": record.stored_sha256 or f"{record.sha256} (of the content before compression or encryption)",
        "Uploaded": f"{record.delivered_at:%Y-%m-%d %H:%M:%S} UTC",
    }
    first = "A conversion file was uploaded for the TikTok Conversions API Program for Offline Conversions."
    facts = {name: one_line(value) for name, value in facts.items()}
    lines = "\n".join(f"{name}: {value}" for name, value in facts.items())
    rows = "".join(
        f"<tr><th align=left>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts.items()
    )
    return Confirmation(
        subject=f"Conversion file uploaded: {facts['File']}",
        text=f"{first}\n\n{lines}\n",
        html=f"<p>{first}</p><table>{rows}</table>",
    )
