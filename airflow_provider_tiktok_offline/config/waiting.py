"""Whether ``send_after_days`` fits the other settings of an advertiser."""

from __future__ import annotations

from airflow_provider_tiktok_offline.config.fields import misfit

#: Days of the lookback that are left once a file is due: for a weekend without a run, and for retries.
_SPARE_DAYS = 3


def check_waiting(days: int, *, route: str, lookback_days: int | None, basket: str, amount: str) -> None:
    """Check ``send_after_days`` against route, lookback and amounts.

    :param days: its value.
    :raises ValueError: naming the key, and what to do.
    """
    if not days:
        return
    if route == "liveramp":
        raise misfit(
            "send_after_days",
            "is set, and route is liveramp, whose feed file goes out on the day of its file: remove it; deliver the"
            " export some days later instead, and take returns off within it by returns: net",
        )
    if lookback_days is not None and days > lookback_days - _SPARE_DAYS:
        most = max(lookback_days - _SPARE_DAYS, 0)
        raise misfit("send_after_days", f"must be at most lookback_days less {_SPARE_DAYS} = {most}")
    if (basket, amount) == ("row", "order"):
        raise misfit(
            "send_after_days",
            "can't take returns off rows that share the amount of their order: set basket: order, or amount: line",
        )
