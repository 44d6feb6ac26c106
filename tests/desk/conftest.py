"""One embedded broker a test, or a module of tests, and desks that end with it."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest

from pipelines.kafka.local.brokers import EmbeddedBroker
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.reading import process
from tests.desk import kit, postgresql

#: Modules whose desks keep their store in a file, and on a server.
BOTH = ("read_model", "measuring", "actions", "records", "sight", "pages")

DATABASES = (
    pytest.param("SQLite", id="SQLite"),
    pytest.param(
        "PostgreSQL",
        id="PostgreSQL",
        marks=[
            pytest.mark.slow,
            pytest.mark.skipif(postgresql.binaries() is None, reason="no server of PostgreSQL is installed"),
        ],
    ),
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.module.__name__.rpartition("test_")[2] in BOTH:
        metafunc.parametrize("database", DATABASES, indirect=True, scope="module")


@pytest.fixture(scope="module", autouse=True)
def database(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let stores stand in files, or in databases of a server that is gone after the module."""
    on_server = getattr(request, "param", "SQLite") == "PostgreSQL"
    with postgresql.cluster() if on_server else nullcontext() as kit.SERVER:
        yield
    kit.SERVER = None


@contextmanager
def desk_broker() -> Iterator[KafkaSettings]:
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(broker.address)
        kit.create_topics(settings)
        yield settings
        kit.close_all()
        process.close_connections()


@pytest.fixture
def kafka(database: None) -> Iterator[KafkaSettings]:
    """A broker with the desk's topics, gone after the test."""
    with desk_broker() as settings:
        yield settings


@pytest.fixture(scope="module")
def shared_kafka(database: None) -> Iterator[KafkaSettings]:
    """A broker with the desk's topics, gone after the module."""
    with desk_broker() as settings:
        yield settings
