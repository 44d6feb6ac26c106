"""Listings of authorities: apart from suspicions, by law, applied and removed everywhere with proof."""

import json

import msgspec
import pytest
from joserfc.jwk import OKPKey

from measures.aggregate import Office
from measures.authority.signing import AuthorityKey, KeyRing, sign_payload
from measures.casework import TYPE
from measures.registry import quota
from measures.registry.suspicion import key_of
from measures.registry.versions import version_of
from schemas.casework import (
    AppealListing,
    ApplyListing,
    DecideListing,
    JudgeSubject,
    ListSubject,
    ProposeListing,
    Recycled,
)
from schemas.order import Actor
from schemas.subject import ListedSubject, SubjectKind
from tests.casework.kit import DAY, SECOND, T0, Bureau, account, report
from tests.tokens import token_of

KEY = OKPKey.generate_key("Ed25519")
PUBLIC = OKPKey.import_key(KEY.as_dict(private=False))
BANKS = ("bank-1", "bank-2")


def bureau(country: str = "CN", actor: Actor = Actor.POLICE) -> Bureau:
    return Bureau(Office(), keys(country, actor))


def keys(country: str, actor: Actor = Actor.POLICE, name: str = "police-1") -> KeyRing:
    return KeyRing([AuthorityKey(name, "key-1", actor, country, PUBLIC, 0, 2**62)])


def decision(country: str = "CN", number: int = 1, **fields: object) -> ListSubject:
    given = {
        "kind": "PERSON", "token": token_of("person-1"), "ground": "CRIMINAL", "decision_no": f"D-{number}",
        "jurisdiction": country, "institutions": BANKS,
    } | fields  # fmt: skip
    return ListSubject(**given)


def signed(at: Bureau, said: msgspec.Struct) -> None:
    at.say(sign_payload(msgspec.json.encode(said), KEY, "key-1", TYPE))


def only(at: Bureau) -> ListedSubject:
    [found] = at.all("listing")
    assert isinstance(found, ListedSubject)
    return found


def applied(at: Bureau, institution: str, number: int, country: str = "CN") -> None:
    at.say(
        ApplyListing(
            jurisdiction=country,
            institution=institution,
            version=version_of(country, number),
            applied_us=at.now,
        )
    )


def test_only_a_signature_lists_and_only_in_its_own_country() -> None:
    at = bureau()

    at.say(decision())
    signed(at, decision("SG"))
    signed(at, decision())

    assert at.refused == ["only an authority of the country lists a subject; sign it with its key"] * 2
    assert only(at).listing.state == "LISTED"


@pytest.mark.parametrize(
    ("country", "ground", "days", "cut"),
    [("CN", "CRIMINAL", 3 * 365, "NON_COUNTER_OUT"), ("CN", "ADMINISTRATIVE", 730, "NEW_PAYMENT_ACCOUNT"),
     ("SG", "CONCLUDED", 365, "DIGITAL_IDENTITY"), ("SG", "REPEATED", 3 * 365, "ATM"),
     ("TH", "MULE", 365, "TRANSFER_OUT"), ("TH", "MULE", 365, "TRANSFER_IN")],
)  # fmt: skip
def test_terms_cuts_and_carve_outs_are_those_of_the_country(
    country: str, ground: str, days: int, cut: str
) -> None:
    at = bureau(country)

    signed(at, decision(country, ground=ground))

    found = only(at)
    assert abs((found.listing.listed_to_us - T0) / DAY - days) <= 2
    assert cut in {each.function for each in found.listing.cuts}
    assert bool(found.listing.exempt) == (country == "CN")


def test_every_institution_applies_it_and_removes_it_when_an_appeal_is_upheld_within_a_minute() -> None:
    at = bureau()
    signed(at, decision())
    for bank in BANKS:
        at.wait(10 * SECOND)
        applied(at, bank, 1)
    everywhere = only(at)
    at.say(AppealListing(subject_id=everywhere.subject_id))
    at.wait(DAY)
    lifted_us = at.now
    at.say(
        DecideListing(
            subject_id=everywhere.subject_id, upheld=True, by=("desk-1", "desk-2"), reason="mistaken"
        )
    )
    for bank in BANKS:
        at.wait(20 * SECOND)
        applied(at, bank, 2)

    found = only(at)
    assert everywhere.listing.state == "APPLIED"
    assert found.listing.state == "REMOVED"
    assert [(each.institution, each.applied_us > 0) for each in found.seen] == [
        (bank, True) for bank in BANKS
    ]
    assert max(each.removed_us for each in found.seen) - lifted_us <= 60 * SECOND
    assert found.wrongful_us == lifted_us - T0


def test_an_acknowledgement_of_the_listing_is_none_of_its_removal() -> None:
    at = bureau()
    signed(at, decision())
    subject = only(at).subject_id
    at.say(AppealListing(subject_id=subject))
    at.say(DecideListing(subject_id=subject, upheld=True, by=("a", "b"), reason="mistaken"))

    applied(at, "bank-1", 1)

    assert (only(at).listing.removed, only(at).seen) == (frozenset(), ())


def test_an_institution_that_does_not_acknowledge_in_time_is_named() -> None:
    at = bureau()
    signed(at, decision())
    applied(at, "bank-1", 1)

    at.wait(10 * DAY)

    assert only(at).listing.missing == {"bank-2"}


def test_a_listing_ends_by_itself_and_listing_again_is_a_decision_of_its_own() -> None:
    at = bureau()
    signed(at, decision(ground="ADMINISTRATIVE"))
    signed(at, decision(ground="ADMINISTRATIVE"))
    until = only(at).listing.listed_to_us
    at.wait(800 * DAY)
    signed(at, decision(ground="ADMINISTRATIVE"))
    again = only(at)
    signed(at, decision(number=2, ground="ADMINISTRATIVE"))

    assert (again.listing.state, again.listing.ended_why, again.ended_us) == ("EXPIRED", "TERM_ENDED", until)
    assert (only(at).listing.state, len(only(at).earlier)) == ("LISTED", 1)


def test_the_next_subscriber_of_a_number_is_not_punished() -> None:
    at = bureau()
    for each in range(1_000):
        signed(at, decision(number=each, kind="SIM", token=token_of(f"line-{each}")))
    at.wait(DAY)
    for each in range(1_000):
        at.say(Recycled(subject_id=key_of("SIM", token_of(f"line-{each}")), since_us=at.now))

    assert {(each.listing.state, each.listing.ended_why) for each in at.all("listing")} == {
        ("EXPIRED", "RECYCLED")
    }


@pytest.mark.parametrize("kind", ["ACCOUNT", "PERSON", "SIM", "OUTLET", "INSIDER"])
def test_no_suspicion_has_the_effect_of_a_listing_nor_a_listing_that_of_a_suspicion(
    kind: SubjectKind,
) -> None:
    at = bureau()
    entity = msgspec.structs.replace(account(), kind=kind)
    for reporter in ("bank-2", "bank-3"):
        at.report(report(reporter, entity, reporter=reporter, origin="BANK", priority=4, jurisdiction="CN"))
    at.say(JudgeSubject(subject_id=key_of(kind, entity.value), upheld=True, by=("desk-1",), reason="traced"))
    suspected = quota.answer(at.all("suspicion")[0], None, at.now)
    alone = not at.all("listing")
    signed(at, decision(kind=kind, token=token_of("another")))

    listed = quota.answer(None, only(at), at.now)
    assert alone
    assert suspected is not None and listed is not None
    assert (suspected.effect, suspected.cuts) == ("HOLD_FOR_REVIEW", ())
    assert (listed.effect, listed.tier, bool(listed.cuts)) == ("NONE", 0, True)


def test_a_look_up_never_tells_who_said_so() -> None:
    at = bureau()
    at.report(report(1, account(), reporter="bank-secret", origin="BANK"))

    told = json.dumps(msgspec.to_builtins(quota.answer(at.all("suspicion")[0], None, at.now)))

    assert "secret" not in told
    assert "report" not in told.lower().replace("scam_reported", "")


def test_a_refused_look_up_does_not_tell_who_is_there_and_when_it_is_answered_again_is_right() -> None:
    bucket = None
    for _ in range(5):
        bucket, _ = quota.asked(bucket, quota.PERSON, T0, known=False)
    assert bucket is not None
    later = quota.again_us(bucket, quota.PERSON)
    for known in (True, False):
        assert not quota.asked(bucket, quota.PERSON, later - 1, known=known)[1]
        assert quota.asked(bucket, quota.PERSON, later, known=known)[1]


def test_a_scraper_is_cut_off_after_five_unknown_names_and_gets_its_quota_back_slowly() -> None:
    bucket, answers = None, []
    for _ in range(10):
        bucket, allowed = quota.asked(bucket, quota.PERSON, T0, known=False)
        answers.append(allowed)
    _, soon = quota.asked(bucket, quota.PERSON, T0 + 9 * 60 * SECOND, known=False)
    _, later = quota.asked(bucket, quota.PERSON, T0 + 11 * 60 * SECOND, known=False)

    assert answers == [True] * 5 + [False] * 5
    assert (soon, later) == (False, True)


def test_what_people_propose_is_told_to_the_authority_and_lists_nobody() -> None:
    at = bureau()
    told = ProposeListing(
        kind="PERSON", token=token_of("person-1"), ground="CRIMINAL", jurisdiction="CN",
        institution="bank-1", by=("desk-1", "desk-2"), reason="sold three accounts",
    )  # fmt: skip

    at.say(told)
    at.wait(SECOND)
    at.say(told)
    at.say(msgspec.structs.replace(told, by=("desk-1",)))
    at.say(msgspec.structs.replace(told, ground="WHATEVER"))
    at.say(msgspec.structs.replace(told, jurisdiction="ZZ"))

    [known] = at.all("suspicion")
    [waiting] = known.proposals
    assert (waiting.ground, waiting.by, waiting.at_us) == ("CRIMINAL", told.by, T0)
    assert (known.tier, known.effect(at.now), at.all("listing")) == (0, "NONE", [])
    assert [each.split(":")[0] for each in at.refused] == [
        "TWO_PEOPLE_NEEDED", "NO_LEGAL_BASIS", "NO_LEGAL_BASIS",
    ]  # fmt: skip
    assert "ADMINISTRATIVE, CRIMINAL" in at.refused[1]
