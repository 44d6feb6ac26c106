"""The authority's side: papers, legal review, four eyes, bounded retries; and national seams."""

import msgspec
import pytest

from measures.authority import dispatch
from measures.authority.dispatch import BulkCount, Dispatch
from measures.authority.platform import NationalPlatform
from measures.law.country_file import jurisdiction
from measures.refusal import Refusal
from schemas.order import ApprovalLevel, Attachment, Order
from schemas.reply import Reply, ReplyCode, Why
from tests.measures.kit import HOUR, MINUTE, T0, defrauded, make_order
from tests.tokens import token_of

CN = jurisdiction("CN").on(T0)
PAPERS = {
    "STOP": (Attachment(kind="APPLICATION_FORM", sha256="a"), Attachment(kind="VICTIM_ID", sha256="b")),
    "FREEZE": (Attachment(kind="CASE_FILING", sha256="a"), Attachment(kind="FREEZE_NOTICE", sha256="b")),
}


def asked(kind: str = "STOP", count: BulkCount | None = None, **changes: object) -> Dispatch:
    order = make_order("O1", kind, attachments=PAPERS[kind], **changes)
    found = dispatch.request(order, CN, count=count)
    assert isinstance(found, Dispatch), found
    return found


def approved(on: Dispatch, *people: str) -> Dispatch | Refusal:
    for person in people:
        found = dispatch.approve(on, person, CN)
        if isinstance(found, Refusal):
            return found
        on = found
    return on


@pytest.mark.parametrize("missing", [0, 1])
def test_a_stop_request_needs_the_application_form_and_the_victims_identity(missing: int) -> None:
    papers = tuple(p for i, p in enumerate(PAPERS["STOP"]) if i != missing)
    found = dispatch.request(make_order("O1", attachments=papers), CN)
    assert isinstance(found, Refusal)
    assert (found.why, found.detail) == (Why.PAPERS_MISSING, PAPERS["STOP"][missing].kind)


def test_a_freeze_beyond_the_cases_loss_is_refused() -> None:
    order = make_order("O1", "FREEZE", attachments=PAPERS["FREEZE"])
    found = dispatch.request(order, CN, case_loss_minor=4_999_999)
    assert isinstance(found, Refusal) and found.why is Why.OVER_AMOUNT


@pytest.mark.parametrize(
    ("count", "amount", "reviewed"),
    [
        (BulkCount(batch=199, cumulative=499, whole_batch=99, whole_cumulative=299), 200_000_000, False),
        (BulkCount(batch=200), 1, True),
        (BulkCount(cumulative=500), 1, True),
        (BulkCount(whole_batch=100), 1, True),
        (BulkCount(whole_cumulative=300), 1, True),
        (BulkCount(), 200_000_001, True),
    ],
)
def test_bulk_freezes_go_to_legal_review(count: BulkCount, amount: int, reviewed: bool) -> None:
    state = asked("FREEZE", count, amount_minor=amount).state
    assert state == ("LEGAL_REVIEW" if reviewed else "REQUESTED")


def test_a_review_needs_a_reference_and_the_right_rank_and_becomes_part_of_the_order() -> None:
    waiting = asked("FREEZE", BulkCount(batch=200))
    assert isinstance(dispatch.approve(waiting, "head-1", CN), Refusal)
    for ref, level, why in (("", "CITY", Why.LEGAL_REVIEW_MISSING), ("lr-1", "COUNTY", Why.APPROVAL_TOO_LOW)):
        refused = dispatch.review(waiting, ref, ApprovalLevel(level), CN)
        assert isinstance(refused, Refusal) and refused.why is why
    passed = dispatch.review(waiting, "lr-1", ApprovalLevel.CITY, CN)
    assert isinstance(passed, Dispatch)
    assert defrauded().order(passed.order).code is ReplyCode.OK


def test_nobody_approves_their_own_order_and_large_sums_need_two() -> None:
    own = approved(asked(), token_of("officer-1"))
    assert isinstance(own, Refusal) and own.why is Why.TWO_PEOPLE_NEEDED
    one = approved(asked(), "head-1", "head-1")
    assert isinstance(one, Dispatch) and one.state == "REQUESTED"
    two = approved(asked(), "head-1", "head-2")
    assert isinstance(two, Dispatch) and two.state == "ISSUED"
    small = approved(asked("FREEZE", amount_minor=100, victim_transfer=None), "head-1")
    assert isinstance(small, Dispatch) and small.state == "ISSUED"


def sent_once() -> Dispatch:
    issued = approved(asked(), "head-1", "head-2")
    assert isinstance(issued, Dispatch) and dispatch.must_resend(issued, CN, T0)
    sent = dispatch.sent(issued, CN, T0)
    assert isinstance(sent, Dispatch)
    return sent


def test_an_unanswered_order_is_resent_a_bounded_number_of_times_and_then_unknown() -> None:
    on, now = sent_once(), T0
    assert not dispatch.must_resend(on, CN, now)
    while dispatch.must_resend(on, CN, now := now + MINUTE):
        again = dispatch.sent(on, CN, now)
        assert isinstance(again, Dispatch)
        on = again
    assert on.attempts == CN.messages.attempts
    given_up = dispatch.tick(on, CN, now)
    assert (given_up.state, given_up.next_us) == ("UNKNOWN", None)


@pytest.mark.parametrize(
    ("code", "original", "state"),
    [
        ("OK", None, "EXECUTED"),
        ("NOT_EXECUTED", None, "NOT_EXECUTED"),
        ("REFUSED", None, "REFUSED"),
        ("CONFLICT", None, "REFUSED"),
        ("PENDING_PARENT", None, "SENT"),
        ("DUPLICATE", "OK", "EXECUTED"),
    ],
)
def test_a_reply_settles_the_order_even_a_late_one(code: str, original: str | None, state: str) -> None:
    reply = Reply(
        authority_id="police-1", order_no="O1", in_reply_to="m", message_serial="r",
        code=ReplyCode(code), original_code=ReplyCode(original) if original else None, at_us=T0, version=1,
    )  # fmt: skip
    for before in (sent_once(), msgspec.structs.replace(sent_once(), state="UNKNOWN")):
        assert dispatch.answered(before, reply, CN).state == state


def test_a_parked_order_is_asked_about_again_when_the_institution_must_have_decided() -> None:
    reply = Reply(
        authority_id="police-1", order_no="O1", in_reply_to="m", message_serial="r",
        code=ReplyCode.PENDING_PARENT, at_us=T0, version=1,
    )  # fmt: skip
    waiting = dispatch.answered(sent_once(), reply, CN)
    assert not dispatch.must_resend(waiting, CN, T0 + 24 * HOUR - 1)
    assert dispatch.must_resend(waiting, CN, T0 + 24 * HOUR)


def test_a_national_platform_fits_the_seam() -> None:
    class Echo:
        def to_order(self, message: bytes) -> Order | Refusal:
            return msgspec.json.decode(message, type=Order)

        def from_reply(self, reply: Reply) -> bytes:
            return msgspec.json.encode(reply)

    platform: NationalPlatform = Echo()
    order = make_order("S1")
    assert platform.to_order(msgspec.json.encode(order)) == order
    assert platform.from_reply(defrauded().order(order)).startswith(b"{")
