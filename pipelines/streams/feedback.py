"""Stream `feedback`: what was found out of payments, for the ledgers of their payers and accounts.

What a message says it knew when is believed within the clock's window. An answer that all is well says
nothing: a guided victim gives it. Feedback without the payment's parties serves training only; it is counted.
"""

import msgspec
import numpy as np

from models.ledgers.findings import FINDING, FINDINGS, FOUND, PAYER_FINDING, PAYER_FINDINGS, facts_of
from pipelines.kafka.port import Chunk
from pipelines.policy import Policy
from pipelines.streams.clock import Window
from pipelines.streams.stream import Decoded, Facts, Stream, each
from schemas import topics
from schemas.feedback import VERDICTS, Feedback
from schemas.rows import Rows
from schemas.rows.tokens import token_words

_FEEDBACK = msgspec.json.Decoder(Feedback)


def found(feedback: Feedback) -> Rows:
    """Return what a finding says to the ledgers, FOUND[1]; parties of 0 if that is nothing."""
    parties = feedback.debtor, feedback.debtor_account, feedback.creditor_account
    soothed = feedback.kind in ("ANSWER", "DIALOGUE") and feedback.verdict != "SCAM"
    row = np.zeros(1, FOUND)
    row["at_us"], row["verdict"] = feedback.known_at_us, VERDICTS.index(feedback.verdict)
    if all(parties) and not soothed:
        row["debtor"], row["debtor_account"], row["creditor_account"] = token_words(parties)
    return row


def decode(chunk: Chunk, _: Policy, window: Window) -> Decoded:
    """Read findings, each as a fact of an account and one of a payer."""
    times = window.long_ago()  # labels come in bulk, long after
    rows, letters = each(chunk, FOUND, lambda value: [found(_FEEDBACK.decode(value))], times, "known_at_us")
    rows = rows[rows["debtor"].any(axis=1)]
    silent = len(chunk.values) - len(rows) - len(letters)
    return Decoded(facts_of(rows), letters, {"findings": len(rows), "feedback_without_finding": silent})


FEEDBACK = Stream(
    topics.FEEDBACK,
    "WHOLE",
    (
        Facts(FINDING, "accounts", fold=FINDINGS),
        Facts(PAYER_FINDING, "payers", fold=PAYER_FINDINGS),
    ),
    decode,
)
