"""What a fresh simulator knows: one app, two advertisers with an offline event set and two ads each, three tokens.

These are no secrets: they open nothing but a simulator on the machine's own loopback.
"""

from __future__ import annotations

APP_ID = "7000000000000000001"
APP_SECRET = "simulated-app-secret"  # noqa: S105

ADVERTISER_ID = "7000000000000000101"
ADVERTISER_NAME = "Corner Shop"
EVENT_SET_ID = "7000000000000000201"

SECOND_ADVERTISER_ID = "7000000000000000102"
SECOND_ADVERTISER_NAME = "Garden Centre"
SECOND_EVENT_SET_ID = "7000000000000000202"

#: Active ads of each advertiser; they track its event set.
ADS = 2

#: Every permission that the app asks for, by TikTok's ids: send events, write event sets, read event sets, reports.
SCOPES = (7224195155857866754, 7050363942434095105, 7224195155857833986, 44)

#: A long-term token of an admin of both advertisers.
ACCESS_TOKEN = "simulated-access-token"  # noqa: S105
#: A token as Events Manager makes it: sends to the first advertiser's event sets, may call nothing else.
EVENTS_TOKEN = "simulated-events-token"  # noqa: S105
#: A token of an analyst of the first advertiser: may read, may not send or change anything.
ANALYST_TOKEN = "simulated-analyst-token"  # noqa: S105
