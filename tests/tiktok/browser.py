"""What a browser does with an address: opens it and follows redirects."""

from __future__ import annotations

import urllib.request


def open_in_browser(url: str) -> str:
    """The page that is shown in the end."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        return str(answer.read().decode())
