"""Recorded messages can be sent as if they were made today; as they are, a check says they are too old."""

import json
from pathlib import Path

import numpy as np

from console.lab.checking import checked
from console.lab.moving import moved
from console.lab.sampling import chunk_of, sampled
from models import SHIPPED
from pipelines import policy
from pipelines.hot import serving
from pipelines.streams.clock import now_us, window
from pipelines.streams.payments import decode
from schemas.token_recipe import token
from schemas.units import DAY_US, MINUTE_US

SAMPLE = Path(__file__).parents[2] / "fixtures" / "messages" / "pacs.008.xml"
RULES = policy.load(policy.named(country="uk"))


def accepted(value: bytes, now: int) -> tuple[np.ndarray, list[str]]:
    chunk = chunk_of([(1, value)])._replace(timestamps=np.array([now], np.int64))
    rows, letters, _ = decode(
        chunk, RULES, window(chunk, RULES.clock, now), lambda scheme, number: token(bytes(32), scheme, number)
    )
    return rows, [letter.error_code for letter in letters]


def test_the_sample_of_the_docs_is_taken_by_a_job_whenever_it_is_sent() -> None:
    now, value = now_us(), SAMPLE.read_bytes()
    ((_, today),) = moved([(None, value)], now)
    rows, refused = accepted(today, now)
    old, _ = accepted(moved([(None, value)], now - 900 * DAY_US)[0][1], now - 900 * DAY_US)

    assert refused == [] and len(rows) == 16
    assert now - 2 * MINUTE_US < rows["at_us"].max() <= now + MINUTE_US
    assert (rows["at_us"] - old["at_us"] == 900 * DAY_US).all()
    assert set(accepted(value, now)[1]) == {"PAST"}


def test_times_of_json_move_by_one_span_and_nothing_else_changes() -> None:
    first = {"accepted_at_us": 1_756_717_200_000_000, "payee_added_at_us": 1_700_000_000_000_000, "age_us": 7}
    second = {"accepted_at_us": 1_756_717_260_000_000, "amount_minor": 1_756_717_260_000_000, "txn_id": "t"}
    found = moved([(b"k", json.dumps(each).encode()) for each in (first, second)], 1_800_000_000_000_000)
    span = 1_800_000_000_000_000 - second["accepted_at_us"]

    assert [key for key, _ in found] == [b"k", b"k"]
    assert json.loads(found[0][1]) == {
        "accepted_at_us": first["accepted_at_us"] + span,
        "payee_added_at_us": first["payee_added_at_us"] + span,
        "age_us": 7,
    }
    assert json.loads(found[1][1]) == {**second, "accepted_at_us": 1_800_000_000_000_000}


def test_what_has_no_time_or_an_impossible_one_stays_as_it_is() -> None:
    odd = [(None, b"nonsense"), (None, b"<a>2025-13-41T00:00:00Z</a>"), (None, b"<a>2025-02-31</a>")]

    assert moved(odd, now_us()) == odd


def test_a_check_of_a_recorded_file_says_that_a_job_would_refuse_it_today() -> None:
    found = checked(*sampled(str(SAMPLE), [], RULES.clock), RULES, serving.in_use(SHIPPED, RULES))

    assert [each.mend for each in found.doubtful if "refuses them as PAST" in each.what] == [
        "send recorded ones with `stopline send --now`; to train on they may be old"
    ]
    assert not found.refused
