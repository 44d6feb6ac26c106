"""A broker, keys and chunks for the lifecycle job."""

from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from joserfc.jwk import OKPKey

from measures.authority.keys import KeyEntry, public_entry
from measures.authority.signing import sign
from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import Chunk
from pipelines.kafka.reading import process
from schemas.commands import AccountMessage, InstitutionCommand, Move, StateFacts
from schemas.measure import AccountFacts
from schemas.order import Actor, Direction, Flow, Order
from schemas.rows.values import Values
from tests.measures.kit import ACCOUNT, PAID, T0
from tests.tokens import token_of

POLICE, FORGER = (OKPKey.generate_key("Ed25519") for _ in range(2))


@pytest.fixture(scope="session")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running
        process.close_connections()


@pytest.fixture(scope="session")
def keys() -> tuple[KeyEntry, ...]:
    return public_key("police-1"), public_key("police-2")


def public_key(authority: str) -> KeyEntry:
    return public_entry(
        POLICE,
        authority_id=authority,
        key_id=f"key-{authority}",
        actor=Actor.POLICE,
        country="CN",
        good_from="2026-01-01T00:00:00+00:00",
        good_until="2036-01-01T00:00:00+00:00",
    )


def signed(order: Order, private: OKPKey = POLICE) -> bytes:
    return sign(order, private, f"key-{order.authority_id}")


def told(command: InstitutionCommand, token: str = ACCOUNT) -> bytes:
    message = AccountMessage(account_token=token, jurisdiction="CN", command=command)
    return msgspec.json.encode(message)


def facts(token: str = ACCOUNT) -> bytes:
    known = AccountFacts(
        name_token=token_of("name-1"), institution_id="bank-1", currency="CNY", balance_minor=0, language="en"
    )
    return told(StateFacts(facts=known), token)


def paid_in(token: str = ACCOUNT, amount: int = PAID, txn_id: str = "victim-txn", at_us: int = T0) -> bytes:
    flow = Flow(txn_id=txn_id, at_us=at_us, direction=Direction.CREDIT, amount_minor=amount)
    return told(Move(flow=flow), token)


def chunk(topic: str, *messages: tuple[bytes, int], offset: int = 0) -> Chunk:
    """Messages and times of receipt as the source would hand them out."""
    rows = len(messages)
    return Chunk(
        topic,
        Values.of([value for value, _ in messages]),
        np.zeros(rows, np.int32),
        np.arange(offset, offset + rows, dtype=np.int64),
        np.array([at_us for _, at_us in messages], np.int64),
    )
