"""The sender on a real broker: each try once under its key whenever it is killed, and none is lost."""

import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from measures.law.country_file import jurisdiction
from measures.victims.climb import Rules
from measures.victims.ladder import apply, entry
from pipelines.addresses import Address
from pipelines.kafka.port import KafkaSettings
from pipelines.victims import sender
from pipelines.victims.channels.file import File
from pipelines.victims.channels.port import Channel, Receipt, Result
from pipelines.victims.channels.webhook import KEY, Webhook
from pipelines.victims.sender import Sender, now_us
from schemas import topics
from schemas.contact import Attempt, ContactEntry, ContactOutcome, Planned
from schemas.errors import ConfigError
from schemas.warning import Channel as ChannelName
from tests.tokens import token_of
from tests.victims.conftest import read, send
from tests.victims.far_sides import Centre, Far, wait_for
from tests.victims.test_ladder import warning

HOUR_US = 3_600_000_000
SECRET = b"a secret"
RULES = Rules(jurisdiction("CN"), hold_out_percent=0)


def planned(severity: int, name: str) -> ContactEntry:
    """The entry of a party's first try, with an hour to make it in; at noon, so that nothing waits."""
    noon = now_us() - now_us() % (24 * HOUR_US) + 4 * HOUR_US
    party = token_of(name)
    warned = warning(severity, noon, party, warning_id=f"w-{name}", valid_until_us=noon + 24 * HOUR_US)
    after, events = apply(None, warned, RULES, noon)
    made = entry(after, events)
    changed = [
        msgspec.structs.replace(
            each, attempt=msgspec.structs.replace(each.attempt, send_by_us=now_us() + HOUR_US)
        )
        if isinstance(each, Planned)
        else each
        for each in made.events
    ]
    return msgspec.structs.replace(made, events=tuple(changed))


def attempt_of(made: ContactEntry) -> Attempt:
    return next(each.attempt for each in made.events if isinstance(each, Planned))


def put(kafka: KafkaSettings, entries: Sequence[ContactEntry]) -> None:
    for each in entries:
        send(kafka, topics.CONTACTS, each.party_token, each, at_us=now_us())


@contextmanager
def sending(kafka: KafkaSettings, channels: Mapping[ChannelName, Callable[[], Channel]]) -> Iterator[None]:
    over = threading.Event()
    thread = threading.Thread(target=Sender(kafka, channels).run, args=(over.is_set,), daemon=True)
    thread.start()
    yield
    over.set()
    thread.join(20)
    assert not thread.is_alive()


def outcomes(kafka: KafkaSettings) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in read(kafka, topics.WARNING_OUTCOMES, ContactOutcome):
        found.setdefault(each.key, []).append(each.state)
    return found


class Down:
    """A far side that never takes anything."""

    recognises_keys = False

    def hand(self, attempt: Attempt) -> Result:
        return Result("RETRY", "down")

    def receipts(self) -> list[Receipt]:
        return []

    def close(self) -> None: ...


class Doubtful(Down):
    """A far side that takes everything and whose answer is lost."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def hand(self, attempt: Attempt) -> Result:
        self.taken.append(attempt.key)
        return Result("UNCERTAIN", "no answer")


def test_a_channel_that_is_down_holds_no_other_up_and_one_that_is_not_there_is_said(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    tries = [planned(1 + n % 2, f"p{n}") for n in range(20)]
    other = planned(4, "absent")
    late = msgspec.structs.replace(attempt_of(planned(2, "late")), send_by_us=now_us() - 1)
    expired = msgspec.structs.replace(
        planned(2, "late"), events=(Planned(at_us=0, attempt=late, why="BEGUN"),)
    )
    elsewhere = msgspec.structs.replace(attempt_of(other), channel="VISIT")
    absent = msgspec.structs.replace(other, events=(Planned(at_us=0, attempt=elsewhere, why="BEGUN"),))
    put(kafka, [*tries, absent, expired])
    send(kafka, topics.CONTACTS, "x", b"no entry", at_us=now_us())
    path = tmp_path / "app.jsonl"
    with sending(kafka, {"SMS": Down, "IN_APP": lambda: File(path)}):
        wait_for(lambda: path.exists() and len(path.read_bytes().splitlines()) == 10, 30)
        wait_for(lambda: sum(x[-1] == "SENT" for x in outcomes(kafka).values()) == 10)

    told = outcomes(kafka)
    assert told[elsewhere.key] == ["FAILED"] and told[late.key] == ["UNREACHABLE"]
    sms = [told.get(attempt_of(each).key, []) for each in tries if attempt_of(each).channel == "SMS"]
    assert all(set(states) <= {"SENDING"} for states in sms)


def test_what_was_under_way_goes_out_again_only_where_keys_are_recognised(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    sms, app = planned(1, "sms"), planned(2, "app")
    put(kafka, [sms, app])
    for each in (sms, app):
        on = attempt_of(each)
        before = ContactOutcome(
            key=on.key, party_token=each.party_token, channel=on.channel, state="SENDING", at_us=now_us()
        )
        send(kafka, topics.WARNING_OUTCOMES, each.party_token, before, at_us=now_us())
    doubtful, path = Doubtful(), tmp_path / "app.jsonl"
    with sending(kafka, {"SMS": lambda: doubtful, "IN_APP": lambda: File(path)}):
        wait_for(lambda: all(len(states) == 2 for states in outcomes(kafka).values()))

    told = outcomes(kafka)
    assert told[attempt_of(sms).key] == ["SENDING", "UNCERTAIN"] and doubtful.taken == []
    assert told[attempt_of(app).key] == ["SENDING", "SENT"]
    assert len(path.read_bytes().splitlines()) == 1


def test_where_no_key_is_recognised_an_answer_that_was_lost_is_not_asked_for_again(
    kafka: KafkaSettings,
) -> None:
    put(kafka, [planned(1, "sms")])
    doubtful = Doubtful()
    with sending(kafka, {"SMS": lambda: doubtful}):
        wait_for(lambda: any("UNCERTAIN" in states for states in outcomes(kafka).values()))
    with sending(kafka, {"SMS": lambda: doubtful}):
        time.sleep(0.5)

    assert len(doubtful.taken) == 1


def test_a_receipt_of_the_message_centre_becomes_an_outcome(kafka: KafkaSettings) -> None:
    class Told(Doubtful):
        def hand(self, attempt: Attempt) -> Result:
            self.due = [attempt]
            return Result("SENT")

        def receipts(self) -> list[Receipt]:
            due, self.due = self.due, []
            return [Receipt(attempt, "DELIVERED", now_us()) for attempt in due]

    put(kafka, [planned(1, "sms")])
    with sending(kafka, {"SMS": Told}):
        wait_for(lambda: any("DELIVERED" in states for states in outcomes(kafka).values()))

    assert [*outcomes(kafka).values()] == [["SENDING", "SENT", "DELIVERED"]]


def test_a_channel_that_breaks_over_an_answer_goes_on_and_what_was_under_way_is_uncertain(
    kafka: KafkaSettings,
) -> None:
    class Breaking(Doubtful):
        closed = 0

        def hand(self, attempt: Attempt) -> Result:
            self.taken.append(attempt.key)
            if len(self.taken) == 1:
                raise KeyError("no such command")
            return Result("SENT")

        def close(self) -> None:
            self.closed += 1

    breaking, first, second = Breaking(), planned(1, "sms"), planned(1, "sms2")
    put(kafka, [first])
    with sending(kafka, {"SMS": lambda: breaking}):
        wait_for(lambda: any("UNCERTAIN" in states for states in outcomes(kafka).values()))
        put(kafka, [second])
        wait_for(lambda: any("SENT" in states for states in outcomes(kafka).values()))

    assert outcomes(kafka)[attempt_of(first).key] == ["SENDING", "UNCERTAIN"]
    assert breaking.closed == 2, "after the break, and at the end"


def test_a_channel_that_cannot_be_opened_is_said_before_anything_is_read(kafka: KafkaSettings) -> None:
    with pytest.raises(ConfigError, match="is not https"):
        Sender(kafka, {"IN_APP": lambda: Webhook("http://bank.example/warnings", SECRET)}).run()


def killed(kafka: KafkaSettings, folder: Path, kills: int, more: Callable[[int], None]) -> None:
    """Run the command, kill it at random moments, then let it finish."""
    words = (
        "warnings",
        "send",
        "--channels",
        str(folder / "channels.yaml"),
        "--kafka_brokers",
        kafka.brokers,
    )
    start = [sys.executable, "-c", f"import sys; sys.argv = ['stopline', *{words!r}]; "
             "from console.cli import main; main()"]  # fmt: skip
    chance = random.Random(7)
    for number in range(kills + 1):
        more(number)
        running = subprocess.Popen(start, stdout=subprocess.PIPE)
        try:
            assert running.stdout and running.stdout.readline().startswith(b"sending by")
            if number < kills:
                time.sleep(chance.uniform(0.3, 1.5))
            else:
                wait_for(lambda: all_done(kafka), 90)
        finally:
            running.kill()
            running.wait()


def all_done(kafka: KafkaSettings) -> bool:
    told = outcomes(kafka)
    tries = [attempt_of(each).key for each in read(kafka, topics.CONTACTS, ContactEntry)]
    return all(set(told.get(key, ())) & set(sender._DONE) for key in tries)


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_killed_at_any_moment_nothing_goes_out_twice_under_one_key_and_nothing_is_lost(
    kafka: KafkaSettings, tmp_path: Path, far: Far, centre: Centre, kills: int
) -> None:
    """IN_APP goes to a webhook that takes a key once, SMS to a message centre that knows no keys."""
    names = [f"n{number}" for number in range(40 * (kills + 1))]
    phones = {token_of(name): f"+86138{number:08d}" for number, name in enumerate(names)}
    book = [Address(party=party, phone=phone) for party, phone in phones.items()]
    (tmp_path / "book.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, book)))
    (tmp_path / "secret.txt").write_bytes(SECRET)
    (tmp_path / "channels.yaml").write_text(
        "addresses: book.jsonl\nchannels:\n"
        f'  IN_APP: {{webhook: "{far.url}", secret: secret.txt}}\n'
        f'  SMS: {{smpp: "127.0.0.1:{centre.port}", system_id: bank, password: secret.txt}}\n'
    )
    entries = [planned(1 + number % 2, name) for number, name in enumerate(names)]

    killed(kafka, tmp_path, kills, lambda turn: put(kafka, entries[40 * turn : 40 * (turn + 1)]))

    told = outcomes(kafka)
    ends = Counter(
        next(state for state in told[attempt_of(each).key] if state in sender._DONE) for each in entries
    )
    texts = Counter(to for _, to, _, _ in centre.texts)
    assert max(texts.values()) == 1, "a text goes out once under its key, and never again"
    taken = {head[KEY] for _, head, _ in far.posts}
    for each in entries:
        on = attempt_of(each)
        if on.channel == "IN_APP":
            assert on.key in taken
        elif "UNCERTAIN" not in told[on.key]:
            assert phones[each.party_token].lstrip("+") in texts
    assert ends["SENT"] + ends["UNCERTAIN"] == len(entries)
    again = sum(Counter(head[KEY] for _, head, _ in far.posts).values()) - len(taken)
    print(f"{kills} kills, {len(entries)} tries: {ends}, {again} posts repeated under their key")
