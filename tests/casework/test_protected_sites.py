"""Banks' sites and the most visited sites, asked to be blocked through the job by whoever may ask."""

from contextlib import closing

import msgspec
import pytest

from console.lab import blocklist
from measures.aggregate import Office
from measures.authority.keys import public_entry
from measures.authority.signing import sign_payload
from measures.casework import TYPE
from measures.law.country_file import SHIPPED
from pipelines.casework.settings import CaseworkSettings
from pipelines.jobs import casework
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings, NewTopic, open_admin
from pipelines.kafka.reading import process
from schemas import topics
from schemas.block import BlockEntry, Source
from schemas.casework import AskBlock
from schemas.order import Actor
from tests.casework.kit import report, site
from tests.casework.test_job import NAMES, newest, send
from tests.casework.test_listings import KEY


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_site_of_a_bank_and_none_of_the_most_visited_is_blocked_unseen_whoever_asks() -> None:
    pytest.importorskip("pymispwarninglists")
    guard, lacking = blocklist.guard(())
    sites = sorted(guard.domains)
    assert (lacking, len(sites) > 9_000) == ("", True)
    by_banks = [
        (
            topics.REPORTS,
            report(
                f"{bank}-{first}",
                *map(site, sites[first : first + 60]),
                reporter=bank,
                origin="BANK",
                priority=4,
            ),
        )
        for first in range(0, len(sites), 60)
        for bank in ("bank-1", "bank-2")
    ]
    by_police = [
        (topics.CASEWORK, sign_payload(msgspec.json.encode(asked), KEY, "key-1", TYPE))
        for asked in (
            AskBlock(
                kind="DOMAIN", value=value, action="BLOCK", jurisdiction="KR",
                source=Source(reporter="police-1", authority=True, decision="D-1"),
            )
            for value in [*sites, "evil.example"]
        )
    ]  # fmt: skip
    police = public_entry(
        KEY, authority_id="police-1", key_id="key-1", actor=Actor.POLICE, country="KR",
        good_from="2020-01-01T00:00:00+00:00", good_until="2036-01-01T00:00:00+00:00",
    )  # fmt: skip
    with EmbeddedBroker() as broker:
        kafka = KafkaSettings(broker.address)
        with closing(open_admin(kafka)) as admin:
            admin.create_topics([NewTopic(name, 2) for name in NAMES])
        send(kafka, *by_banks, *by_police)
        casework.replay(CaseworkSettings(kafka, Office(SHIPPED, guard), (police,)))
        entries = newest(kafka, topics.BLOCKS, BlockEntry)
        process.close_connections()

    blocked = [each.value for each in entries.values() if each.state == "ACTIVE" and each.action == "BLOCK"]
    assert blocked == ["evil.example"]
    assert len(entries) > len(sites) * 0.99
