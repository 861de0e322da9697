"""The programme's columns, event names and currencies, as data.

Sources: the programme's "List of All File Columns"; TikTok Doc ID 1771101303285761 (events, currencies).
Importing this loads nothing else, so a DAG file may.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "name",
    "address",
    "state",
    "zip",
    "email",
    "category",
    "timestamp",
    "amount",
    "phone",
    "identifier",
    "number",
    "text",
]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the programme.

    Attributes:
        name: the header, spelled exactly.
        kind: what its cells hold; decides which rules look at it.
        required: whether the header must be there (programme's page, "Column Required?").
        value_required: whether every row must have a value (programme's page, "Values Required?").
        sent: whether a TikTok event can carry it; the others are ignored on that route.
    """

    name: str
    kind: Kind
    required: bool = False
    value_required: bool = False
    sent: bool = False


#: The 24 columns in the order in which a file must have them.
COLUMNS: tuple[Column, ...] = (
    Column("first_name", "name"),
    Column("last_name", "name"),
    Column("address_1", "address"),
    Column("address_2", "address"),
    Column("city", "address"),
    Column("state", "state"),
    Column("zip", "zip"),
    Column("email_1", "email", required=True, sent=True),
    Column("email_2", "email", sent=True),
    Column("email_3", "email", sent=True),
    Column("email_4", "email", sent=True),
    Column("transaction_category", "category", required=True, value_required=True, sent=True),
    Column("transaction_timestamp", "timestamp", required=True, value_required=True, sent=True),
    Column("transaction_amount", "amount", required=True, value_required=True, sent=True),
    Column("phone_1", "phone", sent=True),
    Column("phone_2", "phone", sent=True),
    Column("order_id", "identifier", sent=True),
    Column("store_code", "text", sent=True),
    Column("quantity", "number", sent=True),
    Column("product_id", "identifier", sent=True),
    Column("product_name", "text", sent=True),
    Column("product_category", "text", sent=True),
    Column("product_brand", "text", sent=True),
    Column("product_price", "number", sent=True),
)

PROGRAMME_COLUMNS: tuple[str, ...] = tuple(column.name for column in COLUMNS)
REQUIRED_COLUMNS: tuple[str, ...] = tuple(column.name for column in COLUMNS if column.required)
EMAIL_COLUMNS: tuple[str, ...] = tuple(column.name for column in COLUMNS if column.kind == "email")
PHONE_COLUMNS: tuple[str, ...] = tuple(column.name for column in COLUMNS if column.kind == "phone")

#: Categories that LiveRamp's programme passes on (programme's page, "transaction_category").
LIVERAMP_CATEGORIES: frozenset[str] = frozenset({"CompletePayment", "Contact", "Subscribe"})

#: TikTok's standard events, valid offline.
CURRENT_EVENTS: frozenset[str] = frozenset(
    {
        "AddPaymentInfo", "AddToCart", "AddToWishlist", "ApplicationApproval", "CompleteRegistration", "Contact",
        "CustomizeProduct", "Download", "FindLocation", "InitiateCheckout", "Lead", "Purchase", "Schedule", "Search",
        "StartTrial", "SubmitApplication", "Subscribe", "ViewContent",
    }
)  # fmt: skip
#: Older names that are still widely sent.
OLDER_EVENTS: frozenset[str] = frozenset({"CompletePayment", "SubmitForm", "PlaceAnOrder", "ClickButton"})
STANDARD_EVENTS: frozenset[str] = CURRENT_EVENTS | OLDER_EVENTS
#: Renamed events are one event in an event id, so that a rename sends nothing twice (the name sent is untouched).
CANONICAL_EVENT: dict[str, str] = {"CompletePayment": "Purchase", "SubmitForm": "Lead"}

#: Currencies that TikTok supports -> decimals of their minor unit (ISO 4217).
CURRENCIES: dict[str, int] = {
    **dict.fromkeys(
        (
            "AED ARS AUD BDT BOB BRL CAD CHF CNY COP CRC CZK DKK DZD EGP EUR GBP GTQ HKD HNL HUF IDR ILS INR KES KHR"
            " KZT MAD MOP MXN MYR NGN NIO NOK NZD PEN PHP PKR PLN QAR RON RUB SAR SEK SGD THB TRY TWD UAH USD VES ZAR"
        ).split(),
        2,
    ),
    **dict.fromkeys("BIF CLP ISK JPY KRW PYG VND".split(), 0),
    **dict.fromkeys("BHD KWD OMR".split(), 3),
}

#: Regions that libphonenumber has metadata for (ISO 3166 alpha-2).
REGIONS: frozenset[str] = frozenset(
    (
        "AC AD AE AF AG AI AL AM AO AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BW BY "
        "BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ "
        "FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GT GU GW GY HK HN HR HT HU ID IE IL IM IN IO IQ IR "
        "IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH "
        "MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK "
        "PL PM PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TA "
        "TC TD TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW "
    ).split()
)

#: File type -> the delimiter it stands for; .txt may have any.
DELIMITER_OF_TYPE: dict[str, str] = {".csv": ",", ".tsv": "\t", ".psv": "|"}
