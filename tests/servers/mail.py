"""A real SMTP server on loopback that keeps what it is sent."""

from __future__ import annotations

import email
import email.policy
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller


class Mailbox:
    """What was delivered.

    Attributes:
        port: where the server listens on 127.0.0.1.
        mails: the messages, oldest first.
        recipients: of each message, the addresses of its envelope.
    """

    def __init__(self) -> None:
        self.port = 0
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Keep a message."""
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 OK"

    def with_subject(self, subject: str) -> list[EmailMessage]:
        """The messages of that subject."""
        return [mail for mail in self.mails if mail["Subject"] == subject]

    def connection(self) -> dict[str, Any]:
        """The Airflow connection of type smtp that reaches it."""
        extra = {"from_email": "airflow@shop.example", "disable_tls": True, "disable_ssl": True}
        return {"conn_type": "smtp", "host": "127.0.0.1", "port": self.port, "extra": extra}


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    """Start a server on a free port and stop it at the end."""
    mailbox = Mailbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        mailbox.port = int(probe.getsockname()[1])
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
