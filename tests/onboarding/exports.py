"""Three exports as such systems write them: a German till, a shop's orders, a payment terminal's transactions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Export:
    """A file, and what it means.

    Attributes:
        name: the file's name.
        content: its bytes.
        valid: rows that are sales of known customers.
        value: their sum.
        options: what a person knows of it, as options of ``config from-file``.
    """

    name: str
    content: bytes
    valid: int
    value: str
    options: tuple[str, ...]


#: Semicolons, cp1252, a title line, date and time apart, decimal commas, returns, anonymous sales, a total at the end.
GERMAN_TILL = Export(
    "kasse_20261120.csv",
    (
        "Umsatzliste Filiale München;;;;;;;\r\n"
        "Belegdatum;Uhrzeit;Bon-Nr.;Filiale;Kunden-E-Mail;Handynummer;Größe/Artikel;Betrag brutto\r\n"
        "20.11.2026;10:01:09;4711;12;anna.müller@example.de;0151 23456789;Mantel 38;1.299,00\r\n"
        "20.11.2026;10:05:30;4712;12;;0171/2345678;Schal;12,50\r\n"
        "20.11.2026;10:09:11;4713;12;ben@example.org;;Schal (Rückgabe);-12,50\r\n"
        "20.11.2026;11:00:00;4714;12;;;Tüte;0,20\r\n"
        "20.11.2026;11:30:00;4715;12;Carla@Example.DE ;4915123456780;Hose 40;89,95\r\n"
        ";;;;;;;\r\n"
    ).encode("cp1252"),
    3,
    "1401.45",
    ("--currency", "EUR", "--phone-region", "DE", "--time-zone", "Europe/Berlin"),
)

#: Commas, UTF-8 with a byte order mark, quoted notes with line breaks, offsets behind a blank.
SHOP_ORDERS = Export(
    "orders_export.csv",
    (
        "\ufeffOrder,Email,Phone,Paid at,Currency,Total,Notes\n"
        '"#1001",anna@example.com,+1 213 373 4253,2026-11-20 10:01:00 -0500,USD,45.90,"Leave at door.\nThanks, Anna"\n'
        '"#1002",bob@example.com,,2026-11-20 10:02:10 -0500,USD,19.99,\n'
        '"#1003",,(213) 373-4254,2026-11-20 23:59:59 -0500,USD,"120.00","He said ""hi"""\n'
    ).encode(),
    3,
    "185.89",
    ("--phone-region", "US"),
)

#: Tabs, UTF-16 as a spreadsheet writes it, month names, a 12-hour clock, symbols and groups in the amounts.
TERMINAL_TRANSACTIONS = Export(
    "terminal.txt",
    (
        "Transaction ID\tDate and time\tCustomer email\tMobile number\tAmount\tLocation\r\n"
        "TX-9001\t20-Nov-2026 1:05 PM\tanna@example.co.uk\t07911 123456\t£1,299.00\tLeeds\r\n"
        "TX-9002\t20-Nov-2026 1:15 PM\tbob@example.co.uk\t447911123457\t£8.50\tLeeds\r\n"
        "TX-9003\t20-Nov-2026 2:00 PM\t\t\t£3.00\tLeeds\r\n"
    ).encode("utf-16"),
    2,
    "1307.50",
    ("--currency", "GBP", "--phone-region", "GB", "--time-zone", "Europe/London"),
)

EXPORTS = (GERMAN_TILL, SHOP_ORDERS, TERMINAL_TRANSACTIONS)
