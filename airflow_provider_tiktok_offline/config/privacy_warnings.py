"""What of an advertiser's settings should be looked at by whoever answers for customers' data."""

from __future__ import annotations

from collections.abc import Collection

#: What tells of a customer which goods they bought.
_CONTENTS = ("content_id", "content_name", "content_category", "brand")


def privacy_warnings(*, live: bool, basis: object, send_fields: Collection[str]) -> list[str]:
    """What is allowed and should be meant.

    :param live: events count and feeds leave.
    :param basis: why customers' data may be sent: a consent column, a list of opt-outs, or a text; None for none.
    :param send_fields: what events carry.
    """
    remarks = []
    if live and basis is None:
        remarks.append(
            "consent: neither consent:, nor suppression:, nor legal_basis: says why customers' data may be sent"
        )
    contents = [name for name in _CONTENTS if name in send_fields]
    if contents:
        remarks.append(
            f"send_fields: {', '.join(contents)} tell what a customer bought. Goods that show health, sexual life, "
            "religion, politics or the like (a pharmacy's, for instance) must not be sent: leave them out of the file "
            "with where:, or these fields out of send_fields (docs/privacy.md)"
        )
    return remarks
