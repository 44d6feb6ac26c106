"""One thing is one entry however it is spelt, nobody is blocked on one private word, banks never unseen."""

import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from console.lab import blocklist
from measures.blocking.admission import (
    DAY_US,
    Guard,
    Request,
    admitted,
    appeal_due,
    confirmed,
    in_force,
    lifted,
    wrongful_minutes,
)
from measures.blocking.exports import FORMATS, exported
from measures.blocking.forms import expressions, form
from measures.blocking.lookup import BlockList
from schemas.block import BlockAction, BlockEntry, BlockKind, Source

NOW = 1_790_000_000_000_000
GUARD = Guard(frozenset({"bank.example", "github.io"}), frozenset({"+441592345678"}), frozenset({"MYBANK"}))

SPELLINGS: list[tuple[BlockKind, str, str]] = [
    ("DOMAIN", "evil.example", "evil.example"),
    ("DOMAIN", "EVIL.Example", "evil.example"),
    ("DOMAIN", "evil.example.", "evil.example"),
    ("DOMAIN", "http://evil.example/path", "evil.example"),
    ("DOMAIN", "https://user:pw@evil.example:8443/", "evil.example"),
    ("DOMAIN", "evil。example", "evil.example"),
    ("DOMAIN", "ｅｖｉｌ．example", "evil.example"),
    ("DOMAIN", "bücher.example", "xn--bcher-kva.example"),
    ("DOMAIN", "BÜCHER.example", "xn--bcher-kva.example"),
    ("DOMAIN", "xn--bcher-kva.example", "xn--bcher-kva.example"),
    ("DOMAIN", "пример.example", "xn--e1afmkfd.example"),
    ("DOMAIN", "faß.example", "xn--fa-hia.example"),
    ("DOMAIN", "a_b.example", "a_b.example"),
    ("DOMAIN", "  evil.example\n", "evil.example"),
    ("URL", "http://evil.example", "evil.example/"),
    ("URL", "https://evil.example/", "evil.example/"),
    ("URL", "evil.example/a", "evil.example/a"),
    ("URL", "http://evil.example:80/a", "evil.example/a"),
    ("URL", "https://evil.example:443/a", "evil.example/a"),
    ("URL", "http://evil.example:8080/a", "evil.example:8080/a"),
    ("URL", "http://evil.example/a/../b", "evil.example/b"),
    ("URL", "http://evil.example/./a//b", "evil.example/a//b"),
    ("URL", "http://evil.example/%7Ea", "evil.example/%7Ea"),
    ("URL", "http://evil.example/a#top", "evil.example/a"),
    ("URL", "http://evil.example/a?b=1&c", "evil.example/a?b=1&c"),
    ("URL", "HTTP://EVIL.example/A", "evil.example/A"),
    ("URL", "http://bank.example@evil.example/", "evil.example/"),
    ("URL", "http:\\\\evil.example\\a", "evil.example/a"),
    ("URL", "http://0x7f.1/", "127.0.0.1/"),
    ("URL", "http://evil.example/ä", "evil.example/%C3%A4"),
    ("IP", "192.0.2.7", "192.0.2.7"),
    ("IP", "192.0.2.7/32", "192.0.2.7"),
    ("IP", "192.0.2.9/24", "192.0.2.0/24"),
    ("IP", "[2001:DB8::1]", "2001:db8::1"),
    ("IP", "2001:db8:0:0:0:0:0:1", "2001:db8::1"),
    ("NUMBER", "+44 121 234 5678", "+441212345678"),
    ("NUMBER", "0044 121 234 5678", "+441212345678"),
    ("NUMBER", "+44 (0)121 234-5678", "+441212345678"),
    ("NUMBER", "＋４４１２１２３４５６７８", "+441212345678"),
    ("NUMBER", "tel:+44-121-234-5678", "+441212345678"),
    ("NUMBER_RANGE", "+44794600000 - +44794600999", "+44794600000-+44794600999"),
    ("NUMBER_RANGE", "44794600000-44794600999", "+44794600000-+44794600999"),
    ("SENDER_ID", "mybank", "MYBANK"),
    ("SENDER_ID", " My  Bank ", "MY BANK"),
    ("APP_HASH", "A" * 64, "a" * 64),
    ("IMEI", "49-015420-323751-8", "490154203237518"),
    ("IMEI", "490154203237518", "490154203237518"),
    ("WALLET", "0xAbCdEf0123456789abcdef0123456789ABCDEF01", "0xabcdef0123456789abcdef0123456789abcdef01"),
    ("WALLET", "BC1QAR0SRRR7XFKVY5L643LYDNW9RE59GTZZWF5MDQ", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"),
    ("WALLET", "1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"),
]
NOTHING: list[tuple[BlockKind, str]] = [
    ("DOMAIN", "192.0.2.1"), ("DOMAIN", "localhost"), ("DOMAIN", ""), ("DOMAIN", "a..example"),
    ("DOMAIN", "x" * 64 + ".example"), ("DOMAIN", "x" * 3000), ("DOMAIN", "evil.exa\x00mple"),
    ("URL", "javascript:alert(1)"), ("URL", "ftp://evil.example/"), ("URL", "http://"),
    ("IP", "192.0.2.0/8"), ("IP", "evil.example"), ("NUMBER", "121 234 5678"), ("NUMBER", "+44"),
    ("NUMBER_RANGE", "+44794600999-+44794600000"), ("NUMBER_RANGE", "+44000000000-+44999999999"),
    ("SENDER_ID", "twelve chars"), ("APP_HASH", "abc"), ("IMEI", "490154203237519"), ("WALLET", "short"),
]  # fmt: skip


def request(
    value: str = "evil.example",
    kind: BlockKind = "DOMAIN",
    action: BlockAction = "BLOCK",
    *,
    reporter: str = "police-1",
    authority: bool = True,
    at_us: int = NOW,
    days: int = 0,
) -> Request:
    source = Source(reporter=reporter, authority=authority, decision="")
    return Request(kind, value, action, source, at_us, "SCAM_REPORTED", "Art. 1", "the operator", days=days)


def entry(*args: str, **kwargs: object) -> BlockEntry:
    return admitted(request(*args, **kwargs), None, GUARD)  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "spelling", "one"), SPELLINGS)
def test_every_spelling_has_one_form_and_the_form_is_its_own(
    kind: BlockKind, spelling: str, one: str
) -> None:
    assert form(kind, spelling) == one == form(kind, one)


@pytest.mark.parametrize(("kind", "value"), NOTHING)
def test_what_is_nothing_of_its_kind_is_refused(kind: BlockKind, value: str) -> None:
    with pytest.raises(ValueError):
        form(kind, value)


def test_one_private_reporter_only_labels_and_a_second_one_blocks() -> None:
    first = admitted(request(reporter="a", authority=False), None, GUARD)
    again = admitted(request(reporter="a", authority=False), first, GUARD)
    second = admitted(request(reporter="b", authority=False), again, GUARD)

    assert [each.action for each in (first, again, second)] == ["LABEL", "LABEL", "BLOCK"]
    assert first.entry_id == second.entry_id
    assert [each.version for each in (first, again, second)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("bank.example", "DOMAIN"), ("login.bank.example", "DOMAIN"), ("bank.example/", "URL"),
        ("co.uk", "DOMAIN"), ("github.io", "DOMAIN"), ("https://www.bank.example/help", "URL"),
        ("+44 1592 345678", "NUMBER"), ("+441592345600-+441592345699", "NUMBER_RANGE"),
        ("+82112", "NUMBER"), ("+82 110", "NUMBER"), ("+8695588", "NUMBER"), ("+49112", "NUMBER"),
        ("+8612300-+8612399", "NUMBER_RANGE"), ("MyBank", "SENDER_ID"),
    ],
)  # fmt: skip
def test_what_the_guard_holds_has_no_effect_before_a_person_looks(value: str, kind: BlockKind) -> None:
    held = entry(value, kind)

    assert (held.state, in_force(held, NOW), bool(held.review)) == ("IN_REVIEW", False, True)
    assert in_force(confirmed(held), NOW)


def test_an_entry_ends_and_a_new_sighting_extends_it() -> None:
    first = entry()
    later = admitted(request(at_us=NOW + 80 * DAY_US), first, GUARD)

    assert not in_force(first, NOW + 90 * DAY_US)
    assert in_force(later, NOW + 169 * DAY_US)
    assert later.valid_from_us == NOW
    with pytest.raises(ValueError, match="1 to 730 days"):
        entry(days=731)


def test_what_is_lifted_has_no_effect_from_then_on_and_a_new_listing_begins_anew() -> None:
    ended = lifted(entry(), NOW + DAY_US)

    assert not in_force(ended, NOW + DAY_US)
    assert wrongful_minutes(ended) == 1440
    assert lifted(ended, NOW + 2 * DAY_US) == ended
    again = admitted(request(reporter="x", authority=False, at_us=NOW + 3 * DAY_US), ended, GUARD)
    assert (again.action, again.valid_from_us, again.version) == ("LABEL", NOW + 3 * DAY_US, 3)
    assert appeal_due(NOW) == (NOW + 3_600_000_000, NOW + DAY_US)


def test_a_url_is_found_under_its_hosts_and_paths_and_nothing_beside_it() -> None:
    listed = BlockList.of([entry("evil.example"), entry("http://files.example/mal/", "URL", "WARN")])

    found = {
        value: listed.strongest("URL", value)
        for value in (
            "https://a.b.evil.example/x?y=1", "http://files.example/mal/app.apk", "http://files.example/",
            "http://notevil.example/", "http://evil.example.org/",
        )
    }  # fmt: skip

    assert list(found.values()) == ["BLOCK", "WARN", "", "", ""]
    assert len(expressions("http://a.b.c.d.e.f.example.com/1/2/3/4/5?q")) == 30


def test_look_ups_agree_with_a_set_and_are_a_million_a_second() -> None:
    draw = np.random.default_rng(1)
    digests = draw.integers(0, 2**63, (300_000, 2)).astype(np.uint64)
    listed = BlockList(digests[:200_000], np.zeros(200_000, np.uint8))
    asked = digests[draw.permutation(300_000)]
    known = {row.tobytes() for row in digests[:200_000]}

    found = listed.actions(asked)

    assert [code >= 0 for code in found.tolist()] == [row.tobytes() in known for row in asked]
    assert listed.octets / 200_000 <= 45
    begun = time.process_time()
    for _ in range(5):
        listed.actions(asked)
    assert 5 * len(asked) / (time.process_time() - begun) > 1_000_000


def test_only_what_is_in_force_and_blocks_is_given_out() -> None:
    entries = [
        entry("evil.example"), entry("warned.example", "DOMAIN", "WARN"), entry("bank.example"),
        lifted(entry("gone.example"), NOW), entry("+441212345678", "NUMBER"), entry("=cmd.example/x", "URL"),
    ]  # fmt: skip

    given = {name: exported(entries, name, NOW + 1, 7) for name in FORMATS}

    for text in given.values():
        assert "warned" not in text and "bank.example" not in text and "gone" not in text
    assert "evil.example CNAME .\n*.evil.example CNAME .\n" in given["rpz"]
    assert "0.0.0.0 evil.example\n" in given["hosts"]
    assert "||evil.example^\n" in given["adguard"]
    assert '8.7.6.5.4.3.2.1.2.1.4.4 TXT "BLOCK"' in given["numbers"]
    assert ",'=cmd.example/x," in given["csv"] and ",'+441212345678," in given["csv"]


@pytest.mark.skipif(shutil.which("named-checkzone") is None, reason="needs Debian's bind9-utils")
@pytest.mark.parametrize("format", ["rpz", "numbers"])
def test_bind_accepts_the_zones(format: str, tmp_path: Path) -> None:
    zone = tmp_path / "zone"
    zone.write_text(exported([entry(), entry("+441212345678", "NUMBER")], format, NOW + 1, 7))

    done = subprocess.run(
        ["named-checkzone", "rpz.example", zone], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout


def test_no_well_known_site_or_bank_is_blocked_without_review() -> None:
    pytest.importorskip("pymispwarninglists")
    kept, lacking = blocklist.guard([])

    passed = [
        domain for domain in kept.domains
        if admitted(request(domain), None, kept).state != "IN_REVIEW"
    ]  # fmt: skip

    assert (lacking, passed, len(kept.domains) > 9_000) == ("", [], True)


def test_the_journal_keeps_the_newest_version_of_each_entry(tmp_path: Path) -> None:
    path = tmp_path / "blocks.jsonl"
    first = entry()
    for version in (first, lifted(first, NOW + 1)):
        blocklist.append(path, version)

    assert [each.state for each in blocklist.read(path).values()] == ["LIFTED"]
