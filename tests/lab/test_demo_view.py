"""What the demo shows of an alert stays on its line, however narrow the terminal and wide the letters."""

from io import StringIO

from rich.console import Console, Group

from console.views import demo
from schemas.alert import Alert, Reason
from schemas.measure import Notice


def test_a_reason_in_wide_letters_begins_on_the_line_of_its_alert() -> None:
    text = "10分钟前才添加该收款人；收款户名核对不一致；约为付款人以往最大一笔的3.1倍"
    notice = Notice(
        reason_code="SCAM_SUSPECTED", reason="x", legal_basis="x", remedy_channel="x", documents_needed=(),
        language="zh-Hans",
    )  # fmt: skip
    alert = Alert(
        alert_id="a", jurisdiction="CN", leg="CREDIT", outcome="HOLD", measure_rule="payer_delay", txn_id="t",
        account_token="a" * 26, counterparty_token="a" * 26, party_token="a" * 26, amount_minor=100,
        currency="CNY", at_us=0, score=0.5, notice=notice, policy="p", model="m", partition=0, offset=0,
        reasons=(Reason(code="PAYEE_NEW", contribution=1.0, text=text),), received_us=0,
    )  # fmt: skip
    out = StringIO()
    Console(file=out, width=80).print(Group(demo.shown_line(alert)))

    (line,) = out.getvalue().splitlines()
    assert "10分钟前才添加" in line
