"""A list of opt-outs beside a world of deliveries."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from tests.delivery.world import World


@dataclass
class OptOuts:
    """The advertiser's list, written anew as a mailing tool does."""

    world: World

    def write(self, *lines: str, hours_ago: float = 0) -> None:
        """Replace the list."""
        path = self.world.folder / "opt-outs.txt"
        path.write_text("".join(f"{line}\n" for line in lines))
        written = self.world.clock.now().timestamp() - hours_ago * 3600
        os.utime(path, (written, written))

    def context(
        self, holder: str = "daily/run-1", *, suppression: dict[str, Any] | None = None, **changes: Any
    ) -> DeliveryContext:
        """A run with the list."""
        wanted = {"uri": str(self.world.folder / "opt-outs.txt")} | (suppression or {})
        return self.world.context(holder, suppression=wanted, **changes)
