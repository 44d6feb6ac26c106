"""A blocking entry as it lives: objections by their clocks, wrongful time, take-downs, proof, its end."""

from pathlib import Path

import msgspec

from measures.aggregate import Office
from measures.blocking.admission import ACKNOWLEDGE_US, DAYS, DECIDE_US, Guard
from measures.law.country_file import FOLDER, Laws, read_laws
from schemas.block import BlockEntry, Source
from schemas.casework import (
    AnswerObjection,
    AnswerTicket,
    AskBlock,
    ConfirmBlock,
    LiftBlock,
    ObjectToBlock,
    SightBlocked,
)
from schemas.order import Actor
from tests.casework.kit import DAY, HOUR, MINUTE, T0, Bureau, report, site
from tests.casework.test_listings import bureau as signing_bureau
from tests.casework.test_listings import keys, signed

TWO = ("desk-1", "desk-2")


def ask(value: str = "evil.example", reporter: str = "bank-1", **fields: object) -> AskBlock:
    given = {"kind": "DOMAIN", "value": value, "action": "BLOCK"} | fields
    return AskBlock(source=Source(reporter=reporter, authority=True, decision=""), **given)


def blocked(bureau: Bureau) -> BlockEntry:
    """A site that two banks reported."""
    for reporter in ("bank-2", "bank-3"):
        bureau.report(report(reporter, site(), reporter=reporter, origin="BANK"))
    return only(bureau)


def only(bureau: Bureau) -> BlockEntry:
    [entry] = bureau.all("block")
    assert isinstance(entry, BlockEntry)
    return entry


def test_a_message_that_claims_an_authority_without_a_signature_is_a_private_word() -> None:
    bureau = Bureau()

    bureau.say(ask())

    assert (only(bureau).action, only(bureau).sources[0].authority) == ("LABEL", False)


def test_an_upheld_objection_lifts_at_that_instant_and_the_wrongful_minutes_are_counted() -> None:
    bureau = Bureau()
    entry = blocked(bureau)
    bureau.wait(2 * HOUR)
    bureau.say(ObjectToBlock(entry_id=entry.entry_id, objection_id="objection-1"))
    filed = only(bureau).objection

    bureau.wait(MINUTE)
    answer = AnswerObjection(entry_id=entry.entry_id, objection_id="objection-1", by=TWO)
    bureau.say(answer)
    bureau.wait(HOUR)
    bureau.say(msgspec.structs.replace(answer, decided=True, upheld=True, reason="it is a shop"))

    after = only(bureau)
    assert filed is not None
    assert (filed.ack_due_us - filed.filed_us, filed.decide_due_us - filed.filed_us) == (
        ACKNOWLEDGE_US, DECIDE_US,
    )  # fmt: skip
    assert (after.state, after.valid_to_us) == ("LIFTED", bureau.now)
    assert after.wrongful_us == 3 * HOUR + MINUTE
    assert after.objection is not None
    assert after.objection.overdue_us == 0


def test_an_objection_nobody_hears_is_overdue_to_the_second_and_the_entry_stays() -> None:
    bureau = Bureau()
    entry = blocked(bureau)
    bureau.say(ObjectToBlock(entry_id=entry.entry_id, objection_id="objection-1"))

    bureau.wait(3 * DAY)

    after = only(bureau)
    assert after.objection is not None
    assert after.objection.overdue_us == T0 + HOUR
    assert (after.state, after.action) == ("ACTIVE", "BLOCK")


def test_what_was_lifted_is_not_listed_again_by_the_same_report() -> None:
    bureau = Bureau()
    entry = blocked(bureau)
    bureau.say(LiftBlock(entry_id=entry.entry_id, by=TWO, reason="a shop"))

    bureau.report(report("bank-2", site(), reporter="bank-2", origin="BANK"))

    assert only(bureau).state == "LIFTED"


def test_an_entry_ends_after_the_days_of_its_kind_and_is_kept_by_a_new_report() -> None:
    bureau = Bureau()
    blocked(bureau)
    bureau.wait(60 * DAY)
    bureau.report(report("bank-4", site(), reporter="bank-4", origin="BANK"))

    bureau.wait((DAYS["DOMAIN"] - 30) * DAY)
    alive = only(bureau).state
    bureau.wait(30 * DAY)

    assert (alive, only(bureau).state) == ("ACTIVE", "LIFTED")
    assert only(bureau).wrongful_us == 0


def test_what_a_person_confirmed_stays_confirmed_when_another_reports_it() -> None:
    bureau = Bureau(Office(guard=Guard(domains=frozenset({"evil.example"}))))
    entry = blocked(bureau)
    waiting = entry.state
    bureau.say(ConfirmBlock(entry_id=entry.entry_id, by=TWO, reason="a copy of the bank's site"))

    bureau.report(report("bank-4", site(), reporter="bank-4", origin="BANK"))

    assert (waiting, only(bureau).state) == ("IN_REVIEW", "ACTIVE")


def test_a_take_down_has_a_ticket_of_a_day_and_what_came_of_it_is_kept() -> None:
    bureau = Bureau()
    entry = blocked(bureau)
    bureau.wait(HOUR)
    bureau.say(AnswerTicket(entry_id=entry.entry_id, state="GONE", at_us=bureau.now))
    done = only(bureau).ticket
    bureau.wait(DAY)
    bureau.say(AnswerTicket(entry_id=entry.entry_id, state="AGAIN", at_us=bureau.now))

    after = only(bureau).ticket
    assert done is not None and after is not None
    assert (done.to, done.due_us) == ("platform:all", T0 + DAY)
    assert (after.done_us, after.gone_us, after.again_us, after.overdue) == (
        T0 + HOUR, T0 + HOUR, T0 + HOUR + DAY, False,
    )  # fmt: skip


def test_a_take_down_that_does_not_come_is_overdue() -> None:
    bureau = Bureau()
    blocked(bureau)

    bureau.wait(2 * DAY)

    after = only(bureau).ticket
    assert after is not None
    assert after.overdue


def test_operators_say_how_often_they_still_see_what_is_blocked_and_a_repetition_counts_once() -> None:
    bureau = Bureau()
    entry = blocked(bureau)

    for count in (3, 3, 8, 5):
        bureau.say(SightBlocked(entry_id=entry.entry_id, operator="operator-1", count=count))

    assert only(bureau).sighted == {"operator-1": 8}


def test_one_person_alone_lifts_and_confirms_nothing_where_the_country_asks_for_two() -> None:
    bureau = Bureau(Office(guard=Guard(domains=frozenset({"evil.example"}))))
    entry = blocked(bureau)

    bureau.say(ConfirmBlock(entry_id=entry.entry_id, by=("desk-1", "Desk_1"), reason="looked"))
    bureau.say(LiftBlock(entry_id=entry.entry_id, by=("desk-1",), reason="a shop"))
    bureau.say(LiftBlock(entry_id=entry.entry_id, by=TWO, reason=" "))

    assert only(bureau) == entry
    assert [each.split(":")[0] for each in bureau.refused] == [
        "TWO_PEOPLE_NEEDED", "TWO_PEOPLE_NEEDED", "REASON_MISSING",
    ]  # fmt: skip


def test_an_objection_is_no_way_around_the_second_person() -> None:
    bureau = Bureau()
    entry = blocked(bureau)
    bureau.say(ObjectToBlock(entry_id=entry.entry_id, objection_id="o-1"))

    bureau.say(
        AnswerObjection(
            entry_id=entry.entry_id, objection_id="o-1", by=("desk-1",), decided=True, upheld=True,
            reason="a shop",
        )
    )  # fmt: skip

    assert (only(bureau).state, bureau.refused) == (
        "ACTIVE", ["TWO_PEOPLE_NEEDED: 1 of 2 people decided"],
    )  # fmt: skip


def kr(folder: Path, two_people: str) -> Laws:
    """Return Korea's law with other deeds that take two people."""
    text = (FOLDER / "kr.yaml").read_text()
    path = folder / f"{two_people or 'nobody'}" / "kr.yaml"
    path.parent.mkdir()
    path.write_text(
        text.replace("small_sum: 100000 KRW", f"small_sum: 100000 KRW\n    two_people: [{two_people}]")
    )
    return read_laws(path.parent)


def test_a_country_file_says_that_one_person_is_enough_or_that_asking_takes_two(tmp_path: Path) -> None:
    lenient, strict = (kr(tmp_path, two) for two in ("", "ASK_BLOCK"))

    alone = Bureau(Office(laws=lenient))
    entry = blocked(alone)
    alone.say(LiftBlock(entry_id=entry.entry_id, by=("desk-1",), reason="a shop"))
    asked = Bureau(Office(laws=strict))
    asked.say(ask(jurisdiction="KR"))

    after = only(alone)
    assert (after.state, after.ended_by, after.ended_why) == ("LIFTED", ("desk-1",), "a shop")
    assert asked.all("block") == []
    assert asked.refused == ["REASON_MISSING: who decides names a reason"]


def test_what_an_authority_has_blocked_only_a_signature_gives_free() -> None:
    bureau = signing_bureau()
    signed(bureau, ask(jurisdiction="CN"))
    lift = LiftBlock(entry_id=only(bureau).entry_id, by=TWO, reason="mistaken", authority_id="police-1")

    bureau.say(lift)
    held = only(bureau).action, only(bureau).state
    signed(bureau, lift)

    assert held == ("BLOCK", "ACTIVE")
    assert bureau.refused == ["NOT_COMPETENT: an authority had it blocked; only a signed word gives it free"]
    assert only(bureau).state == "LIFTED"


def test_a_bank_that_signs_blocks_nothing_alone_and_frees_nothing_of_an_authority() -> None:
    bank = signing_bureau(actor=Actor.BANK)
    signed(bank, ask(jurisdiction="CN"))
    assert [(each.action, each.sources[0].reporter) for each in bank.all("block")] == [("LABEL", "police-1")]

    bureau = signing_bureau()
    signed(bureau, ask(jurisdiction="CN"))
    bureau.ring = keys("CN", Actor.BANK)
    signed(bureau, LiftBlock(entry_id=only(bureau).entry_id, by=TWO, reason="mistaken"))

    assert only(bureau).state == "ACTIVE"
    assert bureau.refused == ["NOT_COMPETENT: an authority had it blocked; only a signed word gives it free"]


def test_an_authority_of_another_country_blocks_and_frees_nothing_under_this_ones_law() -> None:
    bureau = signing_bureau("KR")
    signed(bureau, ask(jurisdiction="CN"))
    assert bureau.refused == ["said under the law of CN, signed with a key of KR"]
    signed(bureau, ask(jurisdiction="KR"))
    bureau.ring = keys("CN", name="police-cn")

    signed(bureau, LiftBlock(entry_id=only(bureau).entry_id, by=TWO, reason="mistaken"))

    assert only(bureau).state == "ACTIVE"
    assert bureau.refused[1].startswith("NOT_COMPETENT")


def test_people_of_one_institution_are_one_reporter_and_stand_in_the_entry() -> None:
    bureau = Bureau()
    said = ask(jurisdiction="KR")

    bureau.say(
        msgspec.structs.replace(said, source=msgspec.structs.replace(said.source, by=TWO, reason="seen"))
    )

    [source] = only(bureau).sources
    assert (only(bureau).action, source.by, source.reason) == ("LABEL", TWO, "seen")
    assert only(bureau).jurisdiction == "KR"
