"""The kinds of scam a warning, a label or a report may name: one table for every use of them (anchors 2.4).

Shares are of police cases of one platform; `xarf` are report types of XARF v4, `f3` techniques of MITRE's
Fight Fraud Framework (`T…`: of ATT&CK).
"""

from typing import Literal, NamedTuple, get_args

#: Names in order of their use: state and streams keep a name's place, so new ones go to the end.
FraudClass = Literal[
    "BRUSHING", "POLICE_COURT", "FAKE_SERVICE", "UNKNOWN", "INVESTMENT", "LOAN", "CREDIT_RECORD", "SHOPPING",
    "ACQUAINTANCE", "GAME", "ROMANCE", "ONLINE_BLACK", "ARMY_PURCHASE",
]  # fmt: skip
FRAUD_CLASSES: tuple[FraudClass, ...] = get_args(FraudClass)


class ScamClass(NamedTuple):
    """One kind of scam.

    Attributes:
        police: what the police platform calls it.
        share: of cases there, percent; 0 where none is told.
        xarf: XARF types, best first.
        f3: techniques of F3 and ATT&CK.

    """

    police: str
    share: float
    xarf: tuple[str, ...]
    f3: tuple[str, ...]


SCAM_CLASSES: dict[FraudClass, ScamClass] = {
    "BRUSHING": ScamClass("刷单返利", 34.5, ("employment",), ("F1025", "F1047")),
    "FAKE_SERVICE": ScamClass("冒充电商物流客服", 13.4, ("tech_support",), ("F1032", "T1219", "F1040.002")),
    "INVESTMENT": ScamClass(
        "虚假网络投资理财", 11.5, ("investment", "cryptocurrency"), ("F1020.002", "F1018")
    ),
    "LOAN": ScamClass("贷款、代办信用卡", 10.8, ("advance_fee",), ("F1020",)),
    "CREDIT_RECORD": ScamClass("虚假征信", 8.2, ("government_impersonation",), ("F1032", "T1219")),
    "SHOPPING": ScamClass("虚假购物、服务", 6.9, ("shopping",), ("F1020.002",)),
    "POLICE_COURT": ScamClass(
        "冒充公检法及政府机关", 4.4, ("government_impersonation",), ("F1032", "F1040.002", "T1219")
    ),
    "ACQUAINTANCE": ScamClass("冒充领导、熟人", 4.3, ("other",), ("F1031", "T1586")),
    "GAME": ScamClass("网络游戏产品虚假交易", 2.1, ("shopping",), ("F1020.002",)),
    "ROMANCE": ScamClass("网络婚恋、交友", 1.6, ("romance",), ("T1585",)),
    "ONLINE_BLACK": ScamClass("网黑案件", 1.2, ("other",), ()),
    "ARMY_PURCHASE": ScamClass("冒充军警购物", 1.1, ("shopping",), ("F1032",)),
    "UNKNOWN": ScamClass("", 0.0, ("other",), ()),
}
