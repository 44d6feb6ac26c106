"""Small tables in the layout of public data sets, made here; no row is one of theirs."""

import csv
import random
from collections.abc import Sequence
from pathlib import Path

ROWS = 60


def write(folder: Path, layout: str, rows: int = ROWS) -> Path:
    """Write a table in the layout of `layout`; every tenth payment is fraud."""
    head, row = LAYOUTS[layout]
    draw = random.Random(layout)
    path = folder / f"{layout}.csv"
    quote = "'" if layout == "banksim" else '"'
    separator = ";" if layout == "iso_csv" else ","
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=separator, quotechar=quote, quoting=csv.QUOTE_MINIMAL)
        writer.writerow(head.split(","))
        writer.writerows(row(draw, number, number % 10 == 9) for number in range(rows))
    return path


def _paysim(draw: random.Random, number: int, fraud: bool) -> Sequence[object]:
    amount = draw.randint(1, 10**6) / 100
    return (
        number // 3 + 1, "TRANSFER", amount, f"C{draw.randint(0, 9)}", amount + 5, 5.0,
        f"C{draw.randint(10, 19)}", 0.0, amount, int(fraud), 0,
    )  # fmt: skip


def _amlsim(draw: random.Random, number: int, fraud: bool) -> Sequence[object]:
    amount = draw.randint(1, 10**6) / 100
    return number, draw.randint(0, 9), draw.randint(10, 19), "TRANSFER", amount, number // 3, fraud, -1


def _amlworld(draw: random.Random, number: int, fraud: bool) -> Sequence[object]:
    amount = draw.randint(1, 10**6) / 100
    return (
        f"2022/09/{number % 28 + 1:02} 00:{number % 60:02}", "010", f"8000{draw.randint(0, 9)}", "020",
        f"8000{draw.randint(10, 19)}", amount, "US Dollar", amount, "US Dollar", "ACH", int(fraud),
    )  # fmt: skip


def _saml_d(draw: random.Random, number: int, fraud: bool) -> Sequence[object]:
    return (
        f"10:{number % 60:02}:19", f"2022-10-{number % 28 + 1:02}", draw.randint(10**9, 10**9 + 9),
        draw.randint(2 * 10**9, 2 * 10**9 + 9), draw.randint(1, 10**6) / 100, "UK pounds", "UK pounds", "UK",
        "UK", "Cash Deposit", int(fraud), "Normal",
    )  # fmt: skip


def _banksim(draw: random.Random, number: int, fraud: bool) -> Sequence[object]:
    return (
        number // 3, f"C{draw.randint(0, 9)}", "4", "M", "28007", f"M{draw.randint(10, 19)}", "28007",
        "es_transportation", draw.randint(1, 10**6) / 100, int(fraud),
    )  # fmt: skip


def _sparkov(draw: random.Random, number: int, fraud: bool) -> Sequence[object]:
    return (
        number, f"2019-01-{number % 28 + 1:02} 00:00:18", 2703186189652095 + draw.randint(0, 9),
        f"fraud_Shop {draw.randint(0, 9)}", "misc_net", draw.randint(1, 10**6) / 100, f"{number:032x}",
        int(fraud),
    )  # fmt: skip


def _ieee_cis(draw: random.Random, number: int, fraud: bool) -> Sequence[object]:
    return (
        2987000 + number, int(fraud), 86400 + 60 * number, draw.randint(1, 10**6) / 100, "W",
        13926 + draw.randint(0, 9), "", 150.0, 142.0, 315.0, 87.0,
    )  # fmt: skip


def _iso_csv(draw: random.Random, number: int, fraud: bool) -> Sequence[object]:
    ibans = ("DE89370400440532013000", "GB82 WEST 1234 5698 7654 32", "FR14 2004 1010 0505 0001 3M02 606")
    return (
        f"T{number}", f"2026-03-{number % 28 + 1:02}T09:00:00+01:00", f"{draw.randint(1, 10**6) / 100:.2f}",
        "EUR", f"K-{draw.randint(0, 9)}", ibans[0], ibans[1 + number % 2], "COBADEFFXXX", "", "match",
        "2026-03-01T08:00:00+01:00", "12.50", "app_fraud" if fraud else "",
    )  # fmt: skip


LAYOUTS = {
    "paysim": (
        "step,type,amount,nameOrig,oldbalanceOrg,newbalanceOrig,nameDest,oldbalanceDest,newbalanceDest,"
        "isFraud,isFlaggedFraud", _paysim,
    ),
    "amlsim": (
        "TX_ID,SENDER_ACCOUNT_ID,RECEIVER_ACCOUNT_ID,TX_TYPE,TX_AMOUNT,TIMESTAMP,IS_FRAUD,ALERT_ID",
        _amlsim,
    ),
    "amlworld": (
        "Timestamp,From Bank,Account,To Bank,Account,Amount Received,Receiving Currency,Amount Paid,"
        "Payment Currency,Payment Format,Is Laundering", _amlworld,
    ),
    "saml_d": (
        "Time,Date,Sender_account,Receiver_account,Amount,Payment_currency,Received_currency,"
        "Sender_bank_location,Receiver_bank_location,Payment_type,Is_laundering,Laundering_type",
        _saml_d,
    ),
    "banksim": (
        "step,customer,age,gender,zipcodeOri,merchant,zipMerchant,category,amount,fraud", _banksim,
    ),
    "sparkov": (
        ",trans_date_trans_time,cc_num,merchant,category,amt,trans_num,is_fraud", _sparkov,
    ),
    "ieee_cis": (
        "TransactionID,isFraud,TransactionDT,TransactionAmt,ProductCD,card1,card2,card3,card5,addr1,"
        "addr2", _ieee_cis,
    ),
    "iso_csv": (
        "TxId,AccptncDtTm,IntrBkSttlmAmt,Ccy,CustomerNumber,DbtrAcct,CdtrAcct,DbtrAgt,CdtrAgt,NameCheck,"
        "PayeeSince,BalanceAfter,Outcome", _iso_csv,
    ),
}  # fmt: skip
