"""A list as files: changes and wholes lead to the same list, small, and nothing else is taken over."""

import gzip
import random
from collections.abc import Iterable

import pytest

from measures.authority.signing import KeyRing, sign_payload
from measures.refusal import Refusal
from measures.registry import distribution
from measures.registry.distribution import NOTHING, ListCopy, Row
from measures.registry.suspicion import key_of
from schemas.casework import AppealListing, DecideListing
from tests.casework.kit import DAY, T0
from tests.casework.test_listings import KEY, bureau, decision, signed
from tests.tokens import token_of


def test_changes_lead_to_the_same_list_as_the_whole_and_forgeries_to_nothing() -> None:
    at = bureau()
    made: list[bytes] = []
    held, before = NOTHING, NOTHING
    for number in range(1, 31):
        signed(at, decision(number=number, token=token_of(f"person-{number}")))
        if number % 3 == 0:
            subject = key_of("PERSON", token_of(f"person-{number - 1}"))
            at.say(AppealListing(subject_id=subject))
            at.say(DecideListing(subject_id=subject, upheld=True, by=("a", "b"), reason="mistaken"))
        [versions] = at.all("list")
        now = ListCopy(versions.named, distribution.rows(at.all("listing")), "CN", versions.number)
        made.append(distribution.file(now, before, KEY, "key-1"))
        before = now
    for change in made:
        after = distribution.applied(held, change, at.ring, at.now)
        assert isinstance(after, ListCopy)
        held = after

    whole = distribution.file(before, NOTHING, KEY, "key-1")
    forged = tampered(made[-1], b"PERSON", b"PERSOM")
    assert held == before
    assert distribution.applied(NOTHING, whole, at.ring, at.now) == before
    assert distribution.applied(NOTHING, made[-1], at.ring, at.now) is None
    assert distribution.applied(before, tampered(whole, b"TAX", b"TAY"), at.ring, at.now) is None
    assert isinstance(distribution.applied(held, forged, KeyRing(()), at.now), Refusal)


def tampered(file: bytes, what: bytes, other: bytes) -> bytes:
    """Return a file with its lines changed and its head as it was signed."""
    head, _, body = file.partition(b"\n")
    return head + b"\n" + gzip.compress(gzip.decompress(body).replace(what, other))


def many(names: Iterable[int], dice: random.Random) -> dict[tuple[str, str], Row]:
    """Return rows of a list, each of an instant of one day."""
    found = {}
    for name in names:
        token, until = token_of(f"person-{name}"), T0 + dice.randrange(DAY // 1000) * 1000
        cuts = {"ONLINE": until, "CARD": until, "NEW_ACCOUNT": until + 365 * DAY}
        found["PERSON", token] = Row(kind="PERSON", token=token, cuts=cuts, exempt=("TAX", "UTILITIES"))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_whichever_way_a_list_is_updated_it_ends_the_same(seed: int) -> None:
    """1,000 ways with `pytest -m slow`: changes, changes that skip versions, a whole in between, odd ones."""
    _update(random.Random(seed))


@pytest.mark.slow
def test_a_thousand_ways_to_update_a_list_end_the_same() -> None:
    for seed in range(1_000):
        _update(random.Random(seed))


def _update(dice: random.Random) -> None:
    at = bureau()
    versions, rows = [NOTHING], many(range(20), dice)
    for number in range(12):
        rows = {name: row for name, row in rows.items() if dice.random() > 0.1}
        rows |= many((dice.randrange(60) for _ in range(5)), dice)
        versions.append(ListCopy(f"list_{number}", dict(rows), "CN", number + 1))
    held, place = NOTHING, 0
    while place < len(versions) - 1:
        goal = dice.randrange(place + 1, len(versions))
        since = dice.choice([versions[place], versions[place], dice.choice(versions[:-1]), NOTHING])
        given = distribution.file(versions[goal], since, KEY, "key-1")
        after = distribution.applied(held, given, at.ring, at.now)
        if since.version not in ("", held.version):
            assert after is None
            continue
        assert after == versions[goal]
        held, place = after, goal
    assert distribution.digest(held.rows) == distribution.digest(rows)


def test_a_change_of_a_thousand_subjects_is_hardly_more_than_their_tokens() -> None:
    dice = random.Random(7)
    before = ListCopy("list_1", many(range(3_000), dice))
    more = ListCopy("list_2", {**before.rows, **many(range(3_000, 4_000), dice)})

    assert len(distribution.file(more, before, KEY, "key-1")) < 22_000
    assert len(distribution.file(before, more, KEY, "key-1")) < 18_000


def test_lines_that_are_cut_short_far_too_many_or_of_an_older_release_are_refused_in_a_sentence() -> None:
    at = bureau()
    whole = distribution.file(
        ListCopy("list_1", many(range(3), random.Random(1)), "CN"), NOTHING, KEY, "key-1"
    )
    head, _, _ = whole.partition(b"\n")
    bomb = head + b"\n" + gzip.compress(b" " * 50_000_000)
    older = sign_payload(b"{}", KEY, "key-1", "stopline-list+jws") + b"\n"

    for given in (whole[:-20], bomb, head + b"\nno gzip", older):
        refused = distribution.applied(NOTHING, given, at.ring, at.now)
        assert isinstance(refused, Refusal)
        assert refused.detail


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (ListCopy("list_1", {}, "CN", 1), "older than the list that is held"),
        (ListCopy("list_9", {}, "KR", 9), "a list of KR, signed with a key of CN"),
    ],
)
def test_a_list_that_is_older_or_of_another_country_is_refused(given: ListCopy, why: str) -> None:
    at = bureau()
    held = ListCopy("list_2", many(range(3), random.Random(1)), "CN", 2)

    refused = distribution.applied(held, distribution.file(given, NOTHING, KEY, "key-1"), at.ring, at.now)
    elsewhere = distribution.applied(
        held._replace(jurisdiction="SG"), distribution.file(held, NOTHING, KEY, "key-1"), at.ring, at.now
    )

    assert isinstance(refused, Refusal) and refused.detail == why
    assert isinstance(elsewhere, Refusal) and elsewhere.detail == "a list of CN, where that of SG is held"
