"""Calls that prove themselves: each is announced to the callee's operator first (CAMARA Verified Caller).

A call that the operator refused to announce twice is not placed: the ladder's next rung is. Without an
announcing service calls are placed unproved, and every outcome says so.
"""

import time
from collections.abc import Mapping
from typing import Any

import requests

from pipelines.addresses import Address
from pipelines.victims.channels.port import NOWHERE, Channel, Receipt, Result
from schemas.contact import Attempt
from schemas.errors import ConfigError
from schemas.units import SECOND_US

TIMEOUT_S = (1.0, 2.0)

#: Asked so often, unless the operator says that it never will.
TRIES = 2

UNPROVED = "not announced: no service is configured"


class Announced:
    """A channel of calls behind an announcement."""

    def __init__(
        self,
        calls: Channel,
        url: str,
        *,
        caller: str = "",
        name: str = "",
        token: str = "",
        addresses: Mapping[str, Address] | None = None,
    ) -> None:
        if len(name) > 32:
            raise ConfigError(f"announced name {name!r} is longer than the 32 characters that are shown")
        self.recognises_keys = calls.recognises_keys
        self._calls, self._url, self._caller, self._name = calls, url, caller, name
        self._addresses, self._session = addresses or {}, requests.Session()
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def hand(self, attempt: Attempt) -> Result:
        """Announce a call and have it placed, or say why not."""
        if not self._url:
            placed = self._calls.hand(attempt)
            return placed._replace(reason=placed.reason or UNPROVED)
        known = self._addresses.get(attempt.party_token)
        if known is None or not known.phone:
            return Result("FAILED", NOWHERE)
        proof, why = "", ""
        for _ in range(TRIES):
            proof, why, final = self._announce(attempt, known.phone)
            if proof or final:
                break
        if not proof:
            return Result("FAILED", f"not announced: {why}")
        return self._calls.hand(attempt)._replace(proof_id=proof)

    def _announce(self, attempt: Attempt, phone: str) -> tuple[str, str, bool]:
        """Ask once; returns the announcement, why there is none, and whether asking again is of no use."""
        live_s = (attempt.answer_by_us - time.time_ns() // 1000) // SECOND_US
        asked: dict[str, Any] = {
            "callingParticipant": {"phoneNumber": self._caller},
            "calledParticipant": {"phoneNumber": phone},
            "strategy": "BRAND_DISPLAY",
            "timeToLive": min(max(live_s, 1), 86_400),
            "dynamicDisplayName": self._name,
            "callReason": attempt.call_reason,
        }
        headers = {"x-correlator": attempt.key}
        try:
            answer = self._session.post(
                f"{self._url}/pre-announce", json=asked, headers=headers, timeout=TIMEOUT_S
            )
            if answer.status_code < 300:
                proof = answer.json().get("preAnnouncementId", "")
                return str(proof)[:64], "" if proof else "no id in the answer", False
        except (requests.RequestException, ValueError) as error:
            return "", type(error).__name__, False
        final = answer.status_code < 500 and answer.status_code not in (408, 429)
        return "", f"HTTP {answer.status_code}", final

    def receipts(self) -> list[Receipt]:
        """Return what the calls' channel has been told."""
        return self._calls.receipts()

    def close(self) -> None:
        """Let go of both sides."""
        self._session.close()
        self._calls.close()
