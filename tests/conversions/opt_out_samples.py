"""Lists of opt-outs as tools export them: Ann is on each by e-mail, Bea by phone where the tool knows phones."""

from __future__ import annotations

import codecs
import hashlib
from dataclasses import dataclass, field

from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.list_layout import ListSettings

ANN = "ann.lee@example.com"
BEA = "+4915123456789"


@dataclass(frozen=True)
class Sample:
    """One list.

    Attributes:
        name: the tool or the habit that it comes from.
        data: its bytes.
        out: who is on it.
        settings: how it is read, where that is not left to be recognised.
    """

    name: str
    data: bytes
    out: frozenset[str] = frozenset({"ann", "bea"})
    settings: ListSettings = field(default_factory=lambda: ListSettings(phone_regions=("DE",)))


def _text(*lines: str, end: str = "\n", encoding: str = "utf-8") -> bytes:
    return (end.join(lines) + end).encode(encoding)


def digest(text: str) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


_ONLY_ANN = frozenset({"ann"})

SAMPLES = [
    Sample("one a line", _text(ANN, BEA)),
    Sample("one a line, Windows line ends, quoted", _text(f'"{ANN.upper()}"', f"'{BEA}'", end="\r\n")),
    Sample("one a line, old Mac line ends", _text("E-Mail", ANN, BEA, end="\r")),
    Sample("one a line, no line end at the end", f"{ANN}\n{BEA}".encode()),
    Sample("an address book", _text(f'"Lee, Ann" <{ANN}>', f"Bea Müller <tel:{BEA}>")),
    Sample("an address book without quotes", _text(f"Lee, Ann <{ANN}>", "Roe, Zack <zack@example.org>"), _ONLY_ANN),
    Sample("recipients of a message in one line", f"Zack <zack@example.org>; Ann Lee <{ANN}>; {BEA}".encode()),
    Sample("links", _text(f"mailto:{ANN}?subject=unsubscribe", "tel:+49-151-234-567-89")),
    Sample("invisible characters", _text(f"\ufeff\u200b{ANN}\u00a0", "\u202a+49\u00a0151\u00a023456789\u202c")),
    Sample("formulas of a spreadsheet", _text("Kontakt;Quelle", f'="{ANN}";web', '="004915123456789";shop')),
    Sample("phones in full-width digits", _text(ANN, "０１５１　２３４５６７８９")),
    Sample("phones as people write them", _text(ANN, "+49 (0)151 / 23 45 67 89 (Bea)")),
    Sample("phones with remarks", _text("Name;Kontakt", f"Ann;{ANN} (privat)", "Bea;privat 0151 23456789 (ab 18 Uhr)")),
    Sample("a column of numbers without a telling name", _text("Name,Number", f"Ann,{ANN}", "Bea,4915123456789")),
    Sample("a phone with an extension", _text(ANN, "Tel.: 0151 23456789 ext. 12")),
    Sample("digits with country code", _text(ANN, "4915123456789")),
    Sample("trailing punctuation", _text(f"{ANN};", f"{ANN.title()}.,", f"{BEA},")),
    Sample("UTF-16 with a byte order mark", "Name\tE-Mail\tTelefon\r\nJörg\tx@example.org\t\r\nAnn\t".encode("utf-16")
           + f"{ANN}\t\r\nBea\t\t0151-23456789\r\n".encode("utf-16-le")),
    Sample("UTF-16 without one", _text("E-Mail,Mobil", f"{ANN},", ",0151 23456789", encoding="utf-16-be")),
    Sample("Windows encoding of western Europe, semicolons",
           _text("Straße;E-Mail-Adresse;Mobiltelefon", f"Große Allee;{ANN.upper()};", "Öd;;0151/23456789",
                 encoding="cp1252", end="\r\n")),
    Sample("UTF-8 with a byte order mark", codecs.BOM_UTF8 + _text('"Email","Phone"', f'"{ANN}",""', f'"","{BEA}"')),
    Sample("pipes", _text("id|email|msisdn", f"1|{ANN}|", "2||4915123456789")),
    Sample("a spreadsheet's separator line", _text("sep=;", "Mail;Handy", f"{ANN};", ";0151 23456789")),
    Sample("a title before the header, a total behind",
           _text("Opt-outs of 2026-11-20", "", "Name;E-Mail;Telefon", f"Ann;{ANN};", "Bea;;0151 23456789", "Total;2;")),
    Sample("no header", _text(f"17;{ANN};;2026-11-20", "18;;0151 23456789;2026-11-20", "19;z@example.org;;2026-11-21")),
    Sample("several identifiers in a cell", _text("contact,since", f'"z@example.org, {ANN}; {BEA}",2026')),
    Sample("notes of several lines",
           _text("Email,Notes,Phone", f'{ANN},"called,\nasked to be left alone\n",', f',"",{BEA}')),
    Sample("digests of e-mails and phones",
           _text(digest(ANN).upper(), digest(BEA), digest("nobody@example.org"))),
    Sample("digests of digits alone", _text(f"sha256:{digest(ANN)}", digest(BEA[1:]).upper())),
    Sample("digests and their date", _text("hashed_contact\tdate", f"{digest(ANN)}\t2026-11-20", f"{digest(BEA)}\t")),
    Sample("an audience of hashed customers",
           _text("Email,Phone,First Name,Last Name,Country,Zip", f"{digest(ANN)},,{digest('ann')},,DE,10115",
                 f",{digest(BEA)},,,DE,10115")),
    Sample("Mailchimp, unsubscribed",
           _text('"Email Address","First Name","Last Name",Address,"Phone Number",Birthday,MEMBER_RATING,OPTIN_TIME,'
                 "OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION,UNSUB_TIME,"
                 "UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,LEID,EUID,NOTES,TAGS",
                 f'{ANN},Ann,Lee,"Main St 12345678  Berlin  10115  DE",,11/20,2,"2024-03-01 10:11:12",203.0.113.123,'
                 '"2024-03-01 10:11:12",203.0.113.123,52.5200000,13.4050000,1,2,Europe/Berlin,de,be,'
                 '"2026-11-19 08:00:01","Sale @ 50 %",1234567890,"NORMAL: no longer interested",378462123,a1b2c3d4e5,,',
                 'z@example.org,Bea,,,"0151 23456789",,2,"2024-03-01 10:11:12",,,,,,,,,,,"2026-11-19 08:00:01",,,,'
                 "378462124,a1b2c3d4e6,,")),
    Sample("Klaviyo, suppressed profiles",
           _text("Email,Klaviyo ID,First Name,Last Name,Phone Number,Suppression Reason,Suppressed On",
                 f"{ANN},01GDDKASAP8TKDDA2GRZDSVP4H,Ann,Lee,,UNSUBSCRIBE,2026-11-19T08:00:01+00:00",
                 f",01GDDKASAP8TKDDA2GRZDSVP4J,Bea,,{BEA},USER_SUPPRESSED,2026-11-19T08:00:01+00:00")),
    Sample("Salesforce Marketing Cloud",
           _text("Subscriber Key\tEmail Address\tStatus\tDate Unsubscribed",
                 f"0033000000AbCdEAAX\t{ANN}\tUnsubscribed\t11/19/2026 8:00:01 AM", end="\r\n", encoding="utf-16"),
           _ONLY_ANN),
    Sample("Salesforce, a report of contacts",
           _text('"Contact ID","First Name","Last Name","Email","Phone","Mobile","Email Opt Out","Mailing Zip/Postal"',
                 f'"0033000000AbCdE","Ann","Lee","{ANN}","","","1","10115"',
                 '"0033000000AbCdF","Bea","Roe","","030 123456","(0151) 234-56789","1","10115"',
                 '"Copyright (c) 2000-2026 salesforce.com, inc. All rights reserved."', encoding="cp1252")),
    Sample("HubSpot",
           _text("Record ID - Contact,First Name,Last Name,Email,Phone Number,Unsubscribed from all email,Create Date",
                 f"84737271523,Ann,Lee,{ANN},,true,2024-03-01 10:11",
                 f"84737271524,Bea,,,{BEA},true,2024-03-01 10:11")),
    Sample("Brevo",
           codecs.BOM_UTF8 + _text('"EMAIL";"NACHNAME";"SMS";"DOUBLE_OPT-IN";"ADDED_TIME"',
                                   f'"{ANN}";"Lee";"";"1";"20-11-2026 10:00:00"',
                                   '"z@example.org";"Müller";"4915123456789";"1";"20-11-2026 10:00:00"')),
    Sample("CleverReach",
           _text("email;source;active;activated;deactivated;attribute_nachname",
                 f"{ANN};import;0;1600000000;1763625600;Lee", "q@example.org;form;0;1600000000;1763625600;Größe",
                 encoding="cp1252"), _ONLY_ANN),
    Sample("SendGrid", _text("email,created", f"{ANN},1763625600", "q@example.org,1763625601"), _ONLY_ANN),
    Sample("Amazon SES",
           _text("EmailAddress,LastUpdateTime,Reason", f"{ANN},2026-11-19T08:00:01.123Z,COMPLAINT"), _ONLY_ANN),
    Sample("Mailgun", _text("address,tags,created_at", f'{ANN},*,"Thu, 19 Nov 2026 08:00:01 UTC"'), _ONLY_ANN),
    Sample("Twilio, messages that say stop",
           _text("From,To,Body,Status,SentDate,AccountSid",
                 f"{BEA},+4930901820,STOP,received,2026-11-19T08:00:01+01:00,AC00000000000000000000000000000001"),
           frozenset({"bea"})),
    Sample("WhatsApp numbers", _text("From", f"whatsapp:{BEA}"), frozenset({"bea"})),
    Sample("Shopify, customers",
           _text("Customer ID,First Name,Last Name,Email,Accepts Email Marketing,Default Address Zip,"
                 "Default Address Phone,Phone,Accepts SMS Marketing,Total Spent,Total Orders,Note,Tags",
                 f"'6543210987654,Ann,Lee,{ANN},no,'10115,,,no,1234567.89,12,,",
                 "'6543210987655,Bea,Roe,,no,'10115,,'+49 151 23456789,no,0.00,0,,vip")),
    Sample("Magento, newsletter subscribers",
           _text("ID,Email,Type,Customer First Name,Status,Website,Store View",
                 f"1000000123,{ANN},Guest,----,Unsubscribed,Main Website,Default Store View"), _ONLY_ANN),
    Sample("Spanish headers", _text("Nombre;Correo electrónico;Teléfono móvil", f"Ann;{ANN};", "Bea;;0151 23456789")),
    Sample("Japanese headers", _text("氏名,メールアドレス,電話番号", f"アン,{ANN},", "ベア,,0151 23456789")),
    Sample("columns that are named",
           _text("who;key;since", f"{ANN};x@example.org;20261120", "015123456789;a@b;20261120"),
           settings=ListSettings(columns=("who",), phone_regions=("DE",))),
    Sample("columns by number",
           _text(f"{ANN};@half;20261120", "015123456789;;20261120"),
           settings=ListSettings(columns=(1,), phone_regions=("DE",))),
    Sample("customer numbers beside e-mails",
           _text("KdNr;E-Mail", f"77;{ANN}", "000815;", "0;z@example.org"),
           settings=ListSettings(match={"customer": "kdnr"}, phone_regions=("DE",))),
    Sample("more than one country's numbers",
           _text(ANN, "0660 1234567", "0151 23456789"),
           settings=ListSettings(phone_regions=("AT", "DE"))),
]  # fmt: skip
