"""What the casework job and the rings say of the scam of `story`, by their own rules."""

from typing import Any

import msgspec
from joserfc.jwk import OKPKey

from measures.aggregate import Office
from measures.authority.signing import AuthorityKey, KeyRing, sign_payload
from measures.blocking.admission import Guard
from measures.casework import AGGREGATES, TYPE
from measures.registry.suspicion import key_of
from pipelines.kafka.port import KafkaSettings
from schemas import topics
from schemas.casework import AppealListing, JudgeSubject, ListSubject, ObjectToBlock, StatePeers
from schemas.order import Actor
from schemas.report import Entity, Report
from schemas.ring import Member, Ring, Sum
from tests.casework.kit import Bureau
from tests.desk import kit

_KEY = OKPKey.generate_key("Ed25519")
_PUBLIC = OKPKey.import_key(_KEY.as_dict(private=False))

RING = "ring_" + kit.token("ring")
SITE, BANK_SITE = "https://evil.example/login", "bank.example"


def account(name: str, **fields: Any) -> Entity:
    return Entity(kind="ACCOUNT", value=kit.token(name), institution="bank-1", **fields)


def report(number: object, *entities: Entity, **fields: Any) -> Report:
    given = {
        "report_id": f"report-{number}", "origin": "BANK", "reporter": "bank-2", "jurisdiction": "CN",
        "at_us": kit.T0, "entities": entities,
    } | fields  # fmt: skip
    return Report(**given)


def at_work() -> Bureau:
    """Return the aggregates after a day at the office, an hour after the story."""
    key = AuthorityKey("police-1", "key-1", Actor.POLICE, "CN", _PUBLIC, 0, 2**62)
    guard = Guard(domains=frozenset({BANK_SITE}))
    bureau = Bureau(Office(guard=guard), KeyRing([key]))
    bureau.now = kit.T0
    mule, site = account("mule"), Entity(kind="URL", value=SITE, role="INFRA")
    text = "Your parcel {} waits, pay the customs fee at {}.example today"
    used = {"information": "ACCOUNT_USED", "message": text.format(17, "a")}
    bureau.report(report(1, mule, site, priority=3, **used))
    bureau.report(report(2, mule, site, priority=3, reporter="bank-3", message=text.format(8, "b")))
    guarded = Entity(kind="DOMAIN", value=BANK_SITE, role="INFRA")
    bureau.report(report(3, guarded, origin="CITIZEN", reporter=kit.token("caller"),
                         information="PHISHING_SITE"))  # fmt: skip
    for number in range(3):
        name = f"bad-{number}"
        bureau.report(report(name, account(name), reporter="bank-9"))
        bureau.say(
            JudgeSubject(
                subject_id=key_of("ACCOUNT", kit.token(name)), upheld=True, by=("desk",), reason="traced"
            )
        )
    bureau.say(StatePeers(institution="bank-1", accounts=90_000, asked=2_000, refused=60))
    listed = ListSubject(
        kind="PERSON", token=kit.token("person-1"), ground="CRIMINAL", decision_no="D-1", jurisdiction="CN",
        institutions=("bank-1", "bank-2"),
    )  # fmt: skip
    bureau.say(sign_payload(msgspec.json.encode(listed), _KEY, "key-1", TYPE))
    bureau.say(AppealListing(subject_id=key_of("PERSON", kit.token("person-1"))))
    blocked = next(each for each in bureau.all("block") if "evil" in each.value)
    bureau.say(ObjectToBlock(entry_id=blocked.entry_id, objection_id="o-1"))
    bureau.wait(11 * 60_000_000)  # banks and platforms have not answered: people are asked to look
    assert bureau.refused == []
    return bureau


def ring() -> Ring:
    """Return the ring of the story's accounts."""
    parts = (("mule", "COLLECTOR"), ("layer-1", "LAYER"), ("layer-2", "CASH_OUT"))
    sums = (
        Sum(currency="CNY", stolen_minor=6_500_000, held_minor=0, freezable_minor=2_400_000,
            lost_minor=4_100_000, at_risk_minor=900_000),
    )  # fmt: skip
    members = tuple(
        Member(account_token=kit.token(name), role=role, reason="2 payers", sums=sums)  # type: ignore[arg-type]
        for name, role in parts
    )
    return Ring(ring_id=RING, change="BEGAN", at_us=kit.T0, first_us=kit.T0, last_us=kit.T0, members=members,
                victims=2, sums=sums, fund_owners=(kit.token("layer-2"),))  # fmt: skip


def tell(settings: KafkaSettings) -> Bureau:
    """Send every state to its topic; returns the aggregates."""
    bureau = at_work()
    for of in AGGREGATES.values():
        kit.send(settings, of.topic, bureau.all(of.kind))
    kit.send(settings, topics.CASES, [ring()])
    return bureau
