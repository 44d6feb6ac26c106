"""What the bank's app is told of calls: whether there is one, and the words to show."""

from urllib.parse import parse_qs, urlsplit

import msgspec

from measures.victims.words import FALLBACK, shipped
from pipelines.policy import Policy
from pipelines.streams.clock import now_us
from pipelines.telemetry import TELEMETRY
from pipelines.victims.calls import Calls
from schemas.contract import Token

PATH = "/calling/"

_UNKNOWN = "nothing is known of calls at the moment; show nothing, and ask again"


def answer(calls: Calls, rules: Policy, path: str) -> tuple[int, dict[str, object]]:
    """Answer `/calling/PARTY?language=LANGUAGE` with an HTTP status and what JSON says.

    200; 404 for another path, 400 for what is no token, 503 while nothing is known.
    """
    asked = urlsplit(path)
    if not asked.path.startswith(PATH):
        return _said(404, error=f"ask for {PATH}PARTY, the customer's token")
    try:
        party = msgspec.convert(asked.path.removeprefix(PATH), Token)
    except msgspec.ValidationError:
        return _said(400, error="that is no token as in `payments`; see `stopline tokens`")
    TELEMETRY.count("asked", 1)
    if not calls.current():
        return _said(503, error=_UNKNOWN)
    law = rules.law
    wanted = parse_qs(asked.query).get("language", [law.languages[0]])[-1]
    words = rules.words.victims.get(wanted)
    if words is None or not words.calling or not words.not_calling:
        words = shipped()[FALLBACK]
    known = wanted if wanted in law.languages else law.languages[0]
    call = calls.of(party)
    text = words.calling if call else words.not_calling
    told: dict[str, object] = {
        "calling": call is not None,
        "text": text.replace("{hotline}", _hotline(rules, known)),
    }
    if call is not None:
        told |= {"call_reason": call.attempt.call_reason, "proof_id": call.proof_id}
        told |= {"until_us": call.until_us()}
    return _said(200, **told)


def _hotline(rules: Policy, language: str) -> str:
    hotline: str = rules.law.on(now_us()).warning.hotline_in(language)
    return hotline


def _said(status: int, **fields: object) -> tuple[int, dict[str, object]]:
    return status, fields
