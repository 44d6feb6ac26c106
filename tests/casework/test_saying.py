"""What a user says of a report at the command line, before it is sent."""

from typing import Any

import pytest

from console.lab import reporting
from pipelines.kafka.port import KafkaSettings
from schemas.errors import ConfigError
from schemas.report import Answer, Finding, Revocation
from tests.casework.kit import Bureau, account, report

KAFKA = KafkaSettings("127.0.0.1:9092")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    bureau, told = Bureau(), []
    bureau.report(report(1, account(), reporter="bank-2", origin="BANK", priority=4))
    monkeypatch.setattr(reporting, "cases", lambda _: {"report-1": bureau.case("report-1")})
    monkeypatch.setattr(reporting, "tell", lambda _, said, __=None: told.append(said))
    return told


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Answer(report_id="report-1", action_id="a", recipient="bank:b"), "nothing like that was asked"),
        (Finding(report_id="report-1", verdict="REJECTED", by="lin", reason=" "), "names a reason"),
        (Revocation(report_id="report-1", reporter="bank-3"), "only who reported"),
        (
            Finding(report_id="report-2", verdict="REJECTED", by="lin", reason="x"),
            "there is no case of report",
        ),
    ],
)
def test_what_the_job_would_refuse_is_refused_before_it_is_sent(
    said: Answer | Finding | Revocation, why: str, sent: list[Any]
) -> None:
    with pytest.raises(ConfigError, match=why):
        reporting.tell_of(KAFKA, said)

    assert sent == []


def test_what_the_job_would_take_is_sent(sent: list[Any]) -> None:
    said = Revocation(report_id="report-1", reporter="BANK_2")

    reporting.tell_of(KAFKA, said)

    assert sent == [said]
