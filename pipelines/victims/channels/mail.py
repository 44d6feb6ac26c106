"""SMTP: a mail a try, to the party or to a team that calls and visits.

Mail has no keys: a try whose end was not heard is not handed over again under its key.
"""

import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage

from pipelines.addresses import Address
from pipelines.victims.channels.port import NOWHERE, Receipt, Result
from schemas.contact import Attempt

TIMEOUT_S = 10.0


class Mail:
    """A mail server."""

    recognises_keys = False

    def __init__(
        self,
        host: str,
        port: int,
        sender: str,
        *,
        to: str = "",
        login: tuple[str, str] | None = None,
        addresses: Mapping[str, Address] | None = None,
    ) -> None:
        self._host, self._port, self._sender, self._to = host, port, sender, to
        self._login, self._addresses = login, addresses or {}

    def hand(self, attempt: Attempt) -> Result:
        """Send one mail over a connection of its own."""
        known = self._addresses.get(attempt.party_token)
        to = self._to or (known.email if known else "")
        if not to:
            return Result("FAILED", NOWHERE)
        given = False
        try:
            with smtplib.SMTP(self._host, self._port, timeout=TIMEOUT_S) as server:
                server.ehlo()
                if server.has_extn("starttls"):
                    server.starttls(context=ssl.create_default_context())
                    server.ehlo()
                if self._login:
                    server.login(*self._login)
                for code, said in (server.mail(self._sender), server.rcpt(to)):
                    if code >= 400:
                        return _refused(code, said)
                given = True
                code, said = server.data(self._message(attempt, to).as_bytes())
                return Result("SENT") if code < 400 else _refused(code, said)
        except smtplib.SMTPResponseException as error:
            return _refused(error.smtp_code, error.smtp_error)
        except (OSError, smtplib.SMTPException) as error:
            return Result("UNCERTAIN" if given else "RETRY", type(error).__name__)

    def _message(self, attempt: Attempt, to: str) -> EmailMessage:
        message = EmailMessage()
        domain = self._sender.rpartition("@")[2]
        message["From"], message["To"] = self._sender, to
        message["Message-ID"] = f"<{attempt.key.replace('/', '.')}@{domain}>"
        message["Subject"] = attempt.call_reason or attempt.template_id
        message["X-Stopline-Key"] = attempt.key
        message.set_content("\n".join((attempt.text, *(f"- {line}" for line in attempt.script))))
        return message

    def receipts(self) -> list[Receipt]:
        """Return nothing: mails that come back are for the mailbox's owner."""
        return []

    def close(self) -> None:
        """Keep nothing open."""


def _refused(code: int, said: bytes | str) -> Result:
    """Tell a server that is busy (4yz) from one that will not (5yz), RFC 5321 4.2.1."""
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return Result("RETRY" if code < 500 else "FAILED", f"SMTP {code} {' '.join(text.split())}"[:120])
