"""Channels with real far sides: a webhook, a message centre, a mail server, a file, an announcer."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

from pipelines.addresses import Address
from pipelines.kafka.local.brokers import free_port
from pipelines.victims.channels import announce, mail, smpp, webhook
from pipelines.victims.channels.announce import Announced
from pipelines.victims.channels.configured import read_channels
from pipelines.victims.channels.file import File
from pipelines.victims.channels.mail import Mail
from pipelines.victims.channels.port import Result
from pipelines.victims.channels.smpp import Smpp
from pipelines.victims.channels.webhook import KEY, SIGNATURE, TIMESTAMP, Webhook, sign, verify
from schemas.contact import Attempt
from schemas.errors import ConfigError
from schemas.warning import Channel as ChannelName
from tests.tokens import token_of
from tests.victims.far_sides import Centre, Far, wait_for

PARTY = token_of("victim")
BOOK = {PARTY: Address(party=PARTY, phone="+8613800138000", email="victim@example.org")}
SECRET = b"a secret"


def attempt(
    number: int = 1, channel: ChannelName = "SMS", text: str = "停下。Stop.", **fields: Any
) -> Attempt:
    made = Attempt(
        key=f"warning_x/{number}/1", purpose="WARN", warning_id="warning_x", party_token=PARTY,
        jurisdiction="CN", case_family="c", severity=4, channel=channel, template_id="UNKNOWN_4",
        language="zh-Hans", text=text, send_by_us=2**52, answer_by_us=2**52 + 10**8, sender="Bank",
        call_reason="Safety of your payment",
    )  # fmt: skip
    return msgspec.structs.replace(made, **fields)


# Webhook


def test_a_post_is_signed_over_time_and_body_and_carries_its_key(far: Far) -> None:
    assert Webhook(far.url, SECRET).hand(attempt()) == Result("SENT")

    ((_, head, body),) = far.posts
    assert msgspec.json.decode(body, type=Attempt) == attempt()
    assert head[KEY] == attempt().key
    now = int(head[TIMESTAMP])
    given = (body, head[TIMESTAMP], head[SIGNATURE])
    assert verify((b"old", SECRET), *given, now) == ""
    assert verify((SECRET,), *given, now + 301) == "outside the window of five minutes"
    assert verify((SECRET,), body + b" ", head[TIMESTAMP], head[SIGNATURE], now) == "another signature"
    later = str(now + 60)
    assert verify((SECRET,), body, later, head[SIGNATURE], now) == "another signature"
    assert verify((SECRET,), body, "soon", head[SIGNATURE], now) == "no timestamp"
    assert sign(SECRET, body, now) == head[SIGNATURE]


@pytest.mark.parametrize(
    ("status", "handed"),
    [(200, "SENT"), (202, "SENT"), (301, "FAILED"), (400, "FAILED"), (401, "FAILED"), (404, "FAILED"),
     (410, "FAILED"), (422, "FAILED"), (408, "RETRY"), (429, "RETRY"), (500, "RETRY"), (503, "RETRY")],
)  # fmt: skip
def test_passing_and_lasting_refusals_of_a_webhook_are_told_apart(far: Far, status: int, handed: str) -> None:
    far.answers = [(status, b"")]

    assert Webhook(far.url, SECRET).hand(attempt()).handed == handed


def test_a_webhook_that_does_not_answer_leaves_it_uncertain(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT_S", (0.2, 0.2))
    far.wait_s = 0.5

    assert Webhook(far.url, SECRET).hand(attempt()) == Result("UNCERTAIN", "no answer in time")


def test_warnings_are_not_posted_in_the_clear() -> None:
    with pytest.raises(ConfigError, match="is not https"):
        Webhook("http://bank.example/warnings", SECRET)


# SMPP


def texted(centre: Centre, **fields: Any) -> tuple[Smpp, Result]:
    channel = Smpp("127.0.0.1", centre.port, "bank", "word", BOOK)
    return channel, channel.hand(attempt(**fields))


def test_an_sms_reaches_a_message_centre_in_chinese_and_its_receipt_comes_back(centre: Centre) -> None:
    channel, result = texted(centre)

    assert result == Result("SENT")
    ((sender, to, body, coding),) = centre.texts
    assert (sender, to) == ("Bank", "8613800138000")
    assert (coding, body.decode("utf-16-be")) == (8, "停下。Stop.")
    told: list[Any] = []
    wait_for(lambda: bool(told.extend(channel.receipts()) or told))
    assert [(each.attempt.key, each.state) for each in told] == [(attempt().key, "DELIVERED")]
    channel.close()


def test_a_receipt_that_overtakes_the_answer_is_not_lost(centre: Centre) -> None:
    centre.answer_after_s = 0.3
    channel, result = texted(centre)

    told: list[Any] = []
    wait_for(lambda: bool(told.extend(channel.receipts()) or told))
    assert (result.handed, [each.state for each in told]) == ("SENT", ["DELIVERED"])
    channel.close()


def test_a_message_whose_receipt_never_comes_is_forgotten_once_many_others_wait(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smpp, "WAITING_MAX", 3)
    centre.receipt = ""
    channel = Smpp("127.0.0.1", centre.port, "bank", "word", BOOK)
    with closing(channel):
        for number in range(1, 6):
            assert channel.hand(attempt(number, script=("Ask openly.",))).handed == "SENT"

    assert [each.key for each in channel._waiting.values()] == [attempt(number).key for number in (3, 4, 5)]
    assert not any(each.text or each.script for each in channel._waiting.values()), "nothing said is kept"


def test_a_long_sms_goes_in_parts_and_counts_once(centre: Centre) -> None:
    channel, result = texted(centre, text="Stop. " * 40)

    assert result == Result("SENT") and len(centre.texts) == 2
    channel.close()


@pytest.mark.parametrize(
    ("status", "handed"),
    [(0x58, "RETRY"), (0x14, "RETRY"), (0x08, "RETRY"), (0x0B, "FAILED"), (0x45, "FAILED")],
)
def test_a_busy_centre_is_told_from_one_that_refuses(centre: Centre, status: int, handed: str) -> None:
    centre.rejects = [status]
    channel, result = texted(centre)

    assert (result.handed, result.reason) == (handed, f"SMPP status {status}")
    channel.close()


def test_a_centre_that_does_not_answer_leaves_it_uncertain_and_one_that_is_down_does_not(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smpp, "TIMEOUT_S", 0.3)
    centre.mute = True
    assert texted(centre)[1].handed == "UNCERTAIN"
    down = Smpp("127.0.0.1", 1, "bank", "word", BOOK)
    assert down.hand(attempt()).handed == "RETRY"
    assert Smpp("127.0.0.1", 1, "bank", "word", {}).hand(attempt()).handed == "FAILED"


# SMTP


class Box:
    """What a mail server does with mail."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []
        self.answer = "250 taken"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        self.mails.append(envelope)
        if self.answer == "drop":
            session.peer = None
            server.transport.close()
        return self.answer


@pytest.fixture
def server() -> Iterator[tuple[Box, int]]:
    box = Box()
    controller = Controller(box, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield box, controller.port
    controller.stop()


def test_a_mail_goes_to_the_party_or_to_a_team_with_the_script(server: tuple[Box, int]) -> None:
    box, port = server
    assert Mail("127.0.0.1", port, "warn@bank.example", addresses=BOOK).hand(attempt()) == Result("SENT")
    team = Mail("127.0.0.1", port, "warn@bank.example", to="visits@bank.example")
    assert team.hand(attempt(2, "VISIT", script=("Ask openly.",))) == Result("SENT")

    assert [each.rcpt_tos for each in box.mails] == [["victim@example.org"], ["visits@bank.example"]]
    assert b"Message-ID: <warning_x.2.1@bank.example>" in box.mails[1].content  # type: ignore[operator]
    assert b"Ask openly." in box.mails[1].content  # type: ignore[operator]


@pytest.mark.parametrize(
    ("answer", "handed"), [("451 later", "RETRY"), ("554 never", "FAILED"), ("drop", "UNCERTAIN")]
)
def test_a_mail_server_that_is_busy_refuses_or_vanishes(
    server: tuple[Box, int], answer: str, handed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "TIMEOUT_S", 1.0)
    box, port = server
    box.answer = answer

    assert Mail("127.0.0.1", port, "warn@bank.example", addresses=BOOK).hand(attempt()).handed == handed


def test_without_a_server_or_an_address_no_mail_leaves() -> None:
    assert Mail("127.0.0.1", 1, "warn@bank.example", addresses=BOOK).hand(attempt()).handed == "RETRY"
    assert Mail("127.0.0.1", 1, "warn@bank.example").hand(attempt()).handed == "FAILED"


# File


def test_a_file_takes_a_key_once_also_after_a_line_that_a_crash_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "tries.jsonl"
    first = File(path)
    assert first.hand(attempt(1)).handed == first.hand(attempt(1)).handed == "SENT"
    with path.open("ab") as file:
        file.write(b'{"key":"warning_x/2/1","pur')
    again = File(path)
    for number in (1, 2, 3):
        assert again.hand(attempt(number)).handed == "SENT"

    whole = [line for line in path.read_bytes().splitlines() if line.endswith(b"}")]
    assert [json.loads(line)["key"] for line in whole] == [attempt(n).key for n in (1, 2, 3)]


# Announced calls


@pytest.mark.parametrize(
    ("answers", "handed", "asked", "proof", "reason"),
    [
        ([(201, b'{"preAnnouncementId": "p-1"}')], "SENT", 1, "p-1", ""),
        ([(429, b""), (201, b'{"preAnnouncementId": "p-2"}')], "SENT", 2, "p-2", ""),
        ([(503, b""), (429, b"")], "FAILED", 2, "", "not announced: HTTP 429"),
        ([(422, b"")], "FAILED", 1, "", "not announced: HTTP 422"),
        ([(200, b"nothing"), (200, b"{}")], "FAILED", 2, "", "not announced: no id in the answer"),
    ],
)
def test_a_call_is_announced_before_it_is_placed_or_not_placed(
    far: Far,
    tmp_path: Path,
    *,
    answers: list[tuple[int, bytes]],
    handed: str,
    asked: int,
    proof: str,
    reason: str,
) -> None:
    calls = tmp_path / "calls.jsonl"
    far.answers = answers
    channel = Announced(File(calls), far.url, caller="+861000", name="Bank", addresses=BOOK)

    assert channel.hand(attempt(channel="CALL")) == Result(handed, reason, proof)  # type: ignore[arg-type]
    assert calls.exists() == (handed == "SENT")
    assert len(far.posts) == asked
    body = json.loads(far.posts[0][2])
    assert far.posts[0][0].endswith("/pre-announce")
    assert body["calledParticipant"]["phoneNumber"] == BOOK[PARTY].phone
    assert 1 <= body["timeToLive"] <= 86_400 and len(body["callReason"]) <= 32


def test_an_operator_that_does_not_answer_places_no_call(
    far: Far, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announce, "TIMEOUT_S", (0.2, 0.2))
    far.wait_s = 0.5
    channel = Announced(File(tmp_path / "calls.jsonl"), far.url, addresses=BOOK)

    assert channel.hand(attempt(channel="CALL")) == Result("FAILED", "not announced: ReadTimeout")
    assert not (tmp_path / "calls.jsonl").exists()


def test_without_a_service_the_outcome_says_that_the_call_was_not_announced(tmp_path: Path) -> None:
    result = Announced(File(tmp_path / "calls.jsonl"), "").hand(attempt(channel="CALL"))

    assert result == Result("SENT", announce.UNPROVED)


# The file of channels


def test_a_file_names_the_channels(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_bytes(SECRET)
    (tmp_path / "book.jsonl").write_bytes(msgspec.json.encode(BOOK[PARTY]))
    path = tmp_path / "channels.yaml"
    path.write_text(
        "addresses: book.jsonl\nchannels:\n"
        '  IN_APP: {webhook: "https://bank.example/w", secret: secret.txt}\n'
        '  SMS: {smpp: "127.0.0.1:2775", system_id: bank, password: secret.txt}\n'
        '  CALL: {file: calls.jsonl, announce: "https://operator.example"}\n'
        '  VISIT: {smtp: "127.0.0.1:25", from: a@bank.example, to: b@bank.example}\n'
    )
    opened = {name: open_() for name, open_ in read_channels(path).items()}

    kinds = {name: type(channel).__name__ for name, channel in opened.items()}
    assert kinds == {"IN_APP": "Webhook", "SMS": "Smpp", "CALL": "Announced", "VISIT": "Mail"}
    assert [opened[name].recognises_keys for name in ("IN_APP", "SMS", "CALL", "VISIT")] == [
        True, False, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("channels: {}", "names no channel"),
        ("channels: {SMS: {}}", "exactly one of"),
        ("channels: {PIGEON: {file: x}}", "PIGEON|Invalid enum"),
        ("channels: {SMS: {smpp: nowhere}}", "write host:port"),
        ("channels: {IN_APP: {webhook: 'https://x'}}", "a secret is missing"),
        ("addresses: b.jsonl\nchannels: {FAMILY: {file: x}}", "cannot be read"),
    ],
)
def test_a_file_of_channels_that_cannot_be_used_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "channels.yaml").write_text(text)

    with pytest.raises(ConfigError, match=said):
        read_channels(tmp_path / "channels.yaml")
