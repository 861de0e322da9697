"""Reads the field name from TikTok's messages. The text is never kept, since it can echo a customer's value."""

from __future__ import annotations

import re

#: Top-level fields of the request. A fault in one of them is the configuration's, not a row's.
TOP_LEVEL_FIELDS: frozenset[str] = frozenset(
    {"event_source", "event_source_id", "data", "test_event_code", "partner_name"}
)

#: Every name a field path may be made of (Doc ID 1771101303285761); other words are never kept.
_WORDS = """
event event_time event_id user properties page app ad lead limited_data_use
email phone external_id ttclid ttp ip user_agent locale idfa idfv gaid att_status
first_name last_name zip_code city state country
contents content_type content_ids content_id content_name content_category brand price quantity
currency value num_items search_string query description order_id shop_id customer_type event_channel
advertiser_id advertiser_ids event_set_id event_set_ids name auto_tracking app_id secret auth_code access_token
refresh_token report_type data_level dimensions metrics start_date end_date page_size
"""
_NAMES: frozenset[str] = TOP_LEVEL_FIELDS | frozenset(_WORDS.split())

_PATH = re.compile(r"(?<![\w@.+-])[A-Za-z_]+(?:\.[A-Za-z_]+|\.\d{1,4}(?!\d)|\[\d{1,4}\])*(?![\w@])")
_PERMISSION = re.compile(
    r"permission|not authori[sz]ed|authori[sz]ation|allow-?list|white-?list|admin or operator", re.IGNORECASE
)


def field_path(message: str) -> str | None:
    """The field that a message is about, as ``properties.contents.content_id``; None if it names none for certain.

    Only the request's own field names are taken, with the indices left out.

    >>> field_path("Batch.0.properties.contents.0.content_id: Not a valid string.")
    'properties.contents.content_id'
    >>> field_path("Invalid value for event_id: not a valid string.")
    'event_id'
    """
    best: tuple[int, str] | None = None
    for match in _PATH.finditer(message):
        names = [part for part in re.split(r"[.\[\]]+", match.group()) if part and not part.isdigit()]
        if names and names[0] == "Batch":
            names = names[1:]
        if len(names) > 1 and names[0] == "data":
            names = names[1:]
        if not names or not all(name in _NAMES for name in names):
            continue
        rank = _certainty(names, message[: match.start()], message[match.end() :])
        if rank and (best is None or rank > best[0]):
            best = (rank, ".".join(names))
    return None if best is None else best[1]


def _certainty(names: list[str], before: str, after: str) -> int:
    """How certain it is that these names are a field and no ordinary word; 0 for not at all."""
    if len(names) > 1:
        return 4
    if re.search(r"\b(?:for|field|parameter|param)\s+[\"'`]?$", before, re.IGNORECASE):
        return 3
    if re.match(r"[\"'`]?(?:\s*:|\s+field\b)", after):
        return 2
    return 1 if "_" in names[0] else 0


def names_permission(message: str) -> bool:
    """Whether a message speaks of a permission: then no row is at fault."""
    return _PERMISSION.search(message) is not None
