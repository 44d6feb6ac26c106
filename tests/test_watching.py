"""Board and alert rules: every expression is of figures that are told, and alerts fire in a replay."""

import json
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from console.exposition import HELP, PREFIX, exposition, of_job
from console.probing import probed
from pipelines.telemetry import Telemetry
from schemas import strict_yaml
from schemas.errors import ConfigError

DEPLOY = Path(__file__).parents[1] / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yml"
BOARD = DEPLOY / "grafana" / "stopline.json"

#: Names that Prometheus makes of a histogram, and its own.
_ENDS = ("_bucket", "_count", "_sum")


def rules() -> list[dict[str, str]]:
    data = strict_yaml.parse(RULES.read_bytes(), str(RULES)).data
    return [rule for group in data["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    board = json.loads(BOARD.read_text())
    shown = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    return [*shown, *(rule["expr"] for rule in rules())]


def named(expression: str) -> set[str]:
    return set(re.findall(r"\bstopline_[a-z_0-9]+", re.sub(r'"[^"]*"', "", expression)))


def test_every_expression_is_of_figures_that_are_told_under_labels_that_they_have() -> None:
    told = {PREFIX + name for name in HELP}
    asked = {name for expression in expressions() for name in named(expression)}
    bare = {next((name.removesuffix(end) for end in _ENDS if name.endswith(end)), name) for name in asked}

    assert bare <= told, bare - told
    assert len(expressions()) > 30


def test_every_figure_is_watched_by_the_board_or_an_alert() -> None:
    text = " ".join(expressions())
    unwatched = {name for name in HELP if PREFIX + name not in text}

    assert unwatched <= {"fields_lacking", "topic_refused_total"}


def test_rules_say_who_is_called_and_what_to_do_next() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "look"), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "next"}, rule["alert"]


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool (Debian: prometheus)")
def test_promtool_takes_the_rules_and_the_configuration() -> None:
    for words in (("check", "rules", str(RULES)), ("check", "config", str(RULES.parent / "prometheus.yml"))):
        said = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stdout + said.stderr


#: Alert -> series that fire it, as promtool writes values: start, step and how often.
FIRES = {
    "JobAway": ('stopline_job_up{job="run"}', "0x40"),
    "DecisionsSlow": None,
    "NothingDecided": ('stopline_messages_read_total{topic="payments"}', "0+60x60"),
    "MessagesRefused": ('stopline_messages_refused_total{code="INVALID"}', "0x5 1+1x40"),
    "CluesLate": ("stopline_clues_late_total", "0+5x60"),
    "CluesSilent": ('stopline_job_events_total{what="clue_feed_silent"}', "0x20 1x40"),
    "WarningsTooLate": ("stopline_warnings_too_late_total", "0+1x60"),
    "DeskNotReady": ("stopline_desk_ready", "0x60"),
    "TermEnds": ('stopline_measure_term_remaining_seconds{kind="STOP"}', "4000-60x60"),
    "PeopleLate": ('stopline_sla_breaches{kind="cases"}', "2x60"),
    "SecondPersonMissing": ("stopline_desk_second_decisions_waiting", "1x90"),
    "RecordsWait": ('stopline_desk_records_waiting{page="reports"}', "3x120"),
    "DeskCannotRead": ("stopline_desk_unreadable_messages", "1x60"),
    "DeskCannotSend": ("stopline_desk_refused_messages_total", "1x60"),
}


def replayed(series: list[dict[str, str]], expression: str, at: str, samples: list[Any]) -> dict[str, Any]:
    asked = [{"expr": expression, "eval_time": at, "exp_samples": samples}]
    return {"interval": "1m", "input_series": series, "promql_expr_test": asked}


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool (Debian: prometheus)")
def test_each_alert_fires_when_what_it_watches_happens_and_none_when_all_is_well(tmp_path: Path) -> None:
    assert set(FIRES) == {rule["alert"] for rule in rules()}
    slow = [
        {"series": f'stopline_decision_latency_seconds_bucket{{le="{le}"}}', "values": values}
        for le, values in (("0.5", "0+10x60"), ("1.0", "0+100x60"), ("+Inf", "0+100x60"))
    ]
    tests = []
    for alert, fires in FIRES.items():
        series = slow if fires is None else [{"series": fires[0], "values": fires[1]}]
        firing = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'
        at = "115m" if alert == "RecordsWait" else "40m"
        tests.append(replayed(series, firing, at, [{"labels": "{}", "value": 1}]))
    well = [
        ('stopline_job_up{job="run"}', "1x40"), ("stopline_desk_ready", "1x40"),
        ('stopline_messages_read_total{topic="payments"}', "0+60x40"),
        ("stopline_payments_decided_total", "0+60x40"),
        ('stopline_sla_breaches{kind="cases"}', "0x40"), ("stopline_desk_unreadable_messages", "0x40"),
    ]  # fmt: skip
    tests.append(replayed([{"series": each, "values": of} for each, of in well], "count(ALERTS)", "40m", []))
    (tmp_path / "alerts.yml").write_text(RULES.read_text())
    asked = {"rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "test.yml").write_text(json.dumps(asked))

    said = subprocess.run(
        ["promtool", "test", "rules", str(tmp_path / "test.yml")], capture_output=True, text=True, check=False
    )

    assert said.returncode == 0, said.stdout + said.stderr


def test_a_job_tells_its_counts_its_latency_and_whether_it_reads() -> None:
    telemetry = Telemetry()
    telemetry.read("payments", 7)
    telemetry.decided(np.full(5, 1, np.int64))
    with probed("0", "run", telemetry) as address:

        def got(path: str) -> tuple[int, str]:
            try:
                with urllib.request.urlopen(address + path, timeout=5) as answer:
                    return answer.status, answer.read().decode()
            except HTTPError as error:
                return error.code, error.read().decode()

        assert got("/live/alive") == (200, "alive")
        assert got("/live/ready") == (503, "reading has not begun")
        assert 'stopline_job_up{job="run"} 0.0' in got("/metrics")[1]
        telemetry.beat()
        assert got("/live/ready") == (200, "ready")
        text = got("/metrics")[1]
        assert got("/nothing")[0] == 404
        with pytest.raises(ConfigError, match="that is free"), probed(address.removeprefix("http://"), "run"):
            pass
    assert 'stopline_messages_read_total{topic="payments"} 7.0' in text
    assert "stopline_payments_decided_total 5.0" in text
    assert 'stopline_decision_latency_seconds_bucket{le="+Inf"} 5.0' in text
    families = list(text_string_to_metric_families(text))
    assert all(family.documentation for family in families)


def test_a_job_tells_few_series_and_no_token() -> None:
    counts = {f"topic_{n}_read": 1 for n in range(30)} | {f"refused_CODE_{n}": 1 for n in range(60)}
    text, _ = exposition(of_job("run", counts, up=True), Telemetry().histogram())
    lines = [line for line in text.decode().splitlines() if not line.startswith("#")]

    assert len(lines) < 200
    assert not re.search(r"[a-z2-7]{26}", text.decode())
