"""SMPP 3.4: an SMS a try, over one transceiver, with delivery receipts (`smpplib`).

SMPP has no keys: a try whose answer was not heard is not handed over again under its key.
"""

import logging
import re
import time
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from smpplib import consts, exceptions, gsm
from smpplib.client import Client

from pipelines.addresses import Address
from pipelines.readable import readable
from pipelines.victims.channels.port import NOWHERE, Receipt, Result
from schemas.contact import Attempt, ContactState

TIMEOUT_S = 5.0

#: So many messages wait for their receipts, the newest, and so many receipts for the answers that name
#: their messages.
WAITING_MAX, EARLY_MAX = 50_000, 1_000

#: Command statuses after which the same message may be taken later: system error, queue full, throttled.
TRANSIENT = frozenset({consts.SMPP_ESME_RSYSERR, consts.SMPP_ESME_RMSGQFUL, consts.SMPP_ESME_RTHROTTLED})

#: What a receipt says (SMPP 3.4, appendix B).
_STATES: Mapping[str, ContactState] = {
    "DELIVRD": "DELIVERED", "EXPIRED": "UNREACHABLE", "UNDELIV": "FAILED", "REJECTD": "FAILED",
    "DELETED": "FAILED",
}  # fmt: skip
_RECEIPT = re.compile(r"id:(?P<id>\S+).*?stat:(?P<stat>\w+)", re.IGNORECASE | re.DOTALL)

T = TypeVar("T")

logging.getLogger("smpplib").setLevel(logging.CRITICAL)


class Smpp:
    """A message centre."""

    recognises_keys = False

    def __init__(
        self,
        host: str,
        port: int,
        system_id: str,
        password: str,
        addresses: Mapping[str, Address],
    ) -> None:
        self._where, self._login, self._addresses = (host, port), (system_id, password), addresses
        self._client: Any = None
        self._answered: dict[int, tuple[int, str]] = {}
        self._waiting: dict[str, Attempt] = {}
        self._early: dict[str, str] = {}
        self._told: list[Receipt] = []

    def hand(self, attempt: Attempt) -> Result:
        """Submit one message, in as many parts as it needs, and wait for the centre's answer to each."""
        known = self._addresses.get(attempt.party_token)
        if known is None or not known.phone:
            return Result("FAILED", NOWHERE)
        try:
            self._bind()
        except (exceptions.ConnectionError, exceptions.PDUError, OSError) as error:
            self.close()
            return Result("RETRY", f"not bound: {type(error).__name__}")
        taken = 0
        try:
            parts, coding, esm_class = gsm.make_parts(attempt.text)
            for part in parts:
                status, message_id = self._submit(
                    attempt, known.phone, part, coding=coding, esm_class=esm_class
                )
                if status != consts.SMPP_ESME_ROK:
                    later = status in TRANSIENT and not taken
                    return Result("RETRY" if later else "FAILED", f"SMPP status {status}")
                taken += 1
                _remember(self._waiting, message_id, _bare(attempt), WAITING_MAX)
                if (early := self._early.pop(message_id, None)) is not None:
                    self._on_stat(message_id, early)
        except (exceptions.ConnectionError, exceptions.PDUError, OSError) as error:
            self.close()
            return Result("UNCERTAIN", type(error).__name__)
        return Result("SENT")

    def receipts(self) -> list[Receipt]:
        """Return what receipts have come; without a connection, none."""
        try:
            while self._client is not None and self._readable(0):
                self._client.read_once()
        except (exceptions.ConnectionError, exceptions.PDUError, OSError):
            self.close()
        told, self._told = self._told, []
        return told

    def close(self) -> None:
        """Unbind, if the centre still listens."""
        client, self._client = self._client, None
        if client is None:
            return
        try:
            client.unbind()
        except (exceptions.ConnectionError, exceptions.PDUError, OSError):
            pass
        finally:
            client.disconnect()

    def _bind(self) -> None:
        if self._client is None:
            client = Client(*self._where, timeout=TIMEOUT_S, allow_unknown_opt_params=True)
            client.set_message_sent_handler(self._on_answer)
            client.set_error_pdu_handler(self._on_answer)
            client.set_message_received_handler(self._on_receipt)
            client.connect()
            self._client = client
            client.bind_transceiver(system_id=self._login[0], password=self._login[1])

    def _submit(
        self, attempt: Attempt, phone: str, part: bytes, *, coding: int, esm_class: int
    ) -> tuple[int, str]:
        client = self._client
        sent = client.send_message(
            source_addr_ton=consts.SMPP_TON_ALNUM if attempt.sender else consts.SMPP_TON_UNK,
            source_addr_npi=consts.SMPP_NPI_UNK,
            source_addr=attempt.sender[:20] if attempt.sender.isascii() else "",
            dest_addr_ton=consts.SMPP_TON_INTL,
            dest_addr_npi=consts.SMPP_NPI_ISDN,
            destination_addr=phone.lstrip("+"),
            short_message=part,
            data_coding=coding,
            esm_class=esm_class,
            registered_delivery=True,
        )
        deadline = time.monotonic() + TIMEOUT_S
        while sent.sequence not in self._answered:
            if not self._readable(max(deadline - time.monotonic(), 0)):
                raise exceptions.ConnectionError
            client.read_once()
        return self._answered.pop(sent.sequence)

    def _readable(self, wait_s: float) -> bool:
        return readable(self._client._socket.fileno(), wait_s)

    def _on_answer(self, pdu: Any) -> None:
        message_id = pdu.message_id.decode() if getattr(pdu, "message_id", None) else ""
        self._answered[pdu.sequence] = (int(pdu.status), message_id)

    def _on_receipt(self, pdu: Any) -> None:
        found = _RECEIPT.search((pdu.short_message or b"").decode("latin-1"))
        if found:
            self._on_stat(found["id"], found["stat"])

    def _on_stat(self, message_id: str, stat: str) -> None:
        """Take a receipt; one may overtake the answer that names its message."""
        state = _STATES.get(stat.upper())
        if state is None:
            return
        if (attempt := self._waiting.pop(message_id, None)) is None:
            _remember(self._early, message_id, stat, EARLY_MAX)
        else:
            self._told.append(Receipt(attempt, state, time.time_ns() // 1000, f"SMPP {stat}"))


def _remember(of: dict[str, T], name: str, value: T, most: int) -> None:
    """Keep a value, and of all the newest."""
    of[name] = value
    while len(of) > most:
        del of[next(iter(of))]


def _bare(attempt: Attempt) -> Attempt:
    """Return a try without what was said to people."""
    return msgspec.structs.replace(attempt, text="", script=(), dialogue=None)
