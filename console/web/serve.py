"""The pages served: on loopback unless told otherwise, with links that let people in once."""

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn

from console.lab.serving import opened
from console.lab.trying import InForce, Trials
from console.web.app import create_app
from console.web.oidc import Door, read_provider
from console.web.render import environment, warm
from console.web.said import read_sentences
from console.web.sessions import Sessions
from console.web.visit import Site
from console.web.words import read_words
from desk.desk import Desk
from desk.roles import Person, Role
from measures.law.country_file import SHIPPED
from pipelines.kafka.local.brokers import HOST, free_port
from pipelines.kafka.port import KafkaSettings
from pipelines.policy import Policy
from schemas.errors import ConfigError, SinkError

#: Who is let in unless told otherwise: two people, because large sums need two.
SEATS = ("lead-1:lead", "lead-2:lead")

#: How long the server may take to start where others have the processors.
START_S = 90.0

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_CODE = re.compile(r"[A-Za-z0-9._-]{0,35}")


def people(seats: Sequence[str], own: str = "") -> list[Person]:
    """Read seats: name:role, of an institution name:institution:CODE, unless all here are its `own`.

    Raises:
        ConfigError: a seat cannot be read.

    """
    found = []
    for seat in seats:
        name, _, rest = seat.partition(":")
        role, _, code = rest.partition(":")
        if role not in tuple(Role) or not _NAME.fullmatch(name):
            raise ConfigError(
                f"--seat {seat!r} is not name:role; a name has small letters, digits, . _ and -, "
                f"a role is one of {', '.join(Role)}"
            )
        if (role == Role.INSTITUTION) < bool(code) or not _CODE.fullmatch(code):
            raise ConfigError(
                f"--seat {seat!r}: only a seat of an institution names one, by the code that payments "
                "give their agents: name:institution:CODE"
            )
        if role == Role.INSTITUTION and not (code or own):
            raise ConfigError(
                f"--seat {seat!r} does not say whose people these are; write {name}:institution:CODE, "
                "with the code that payments give their agents, or say --institution CODE for all here"
            )
        found.append(Person(name, Role(role), code))
    return found


def site_of(
    desk: Desk,
    folder: Path,
    words: Path | None = None,
    *,
    policy_stamp: str = "",
    oidc: Path | None = None,
    trials: Trials | None = None,
) -> Site:
    """Return what the pages of a desk share; `oidc` is the file of the provider that lets people in.

    Raises:
        ConfigError: the words or the provider's file cannot be read.

    """
    sessions = Sessions(folder / "session.key")
    door = Door(*read_provider(oidc)) if oidc else None
    return Site(
        desk, sessions, read_words(words), read_sentences(words), environment(), policy_stamp, door, trials
    )


@contextmanager
def served(site: Site, host: str = HOST, port: int = 0, *, names: Sequence[str] = ()) -> Iterator[str]:
    """Serve while the block runs; gives the address.

    Raises:
        SinkError: the server did not start.

    """
    port = port or free_port()
    app = create_app(site, [HOST, "localhost", host, *names])
    config = uvicorn.Config(
        app, host=host, port=port, log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=2, proxy_headers=bool(names),
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.run, name="desk-web", daemon=True)
    thread.start()
    threading.Thread(target=warm, args=(site.templates,), name="desk-templates", daemon=True).start()
    deadline = time.monotonic() + START_S
    while not server.started:
        if not thread.is_alive():
            raise SinkError(f"the desk could not listen on {host}:{port}; choose another port with --port")
        if time.monotonic() > deadline:
            raise SinkError(f"the desk's pages did not start within {START_S:.0f} s; is the machine busy?")
        time.sleep(0.02)
    try:
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(5)


def links(site: Site, address: str, seats: Sequence[Person], language: str = "") -> Iterator[str]:
    """Give a line a seat: who, and the link that lets them in once; pages speak `language` if they can."""
    spoken = f"&language={language}" if language in site.words else ""
    for person in seats:
        yield f"{person.id} ({person.role}): {address}/enter?token={site.sessions.token(person)}{spoken}"


def wait(said: Callable[[str], None]) -> None:
    """Stay until the process is asked to end."""
    said("The desk stays open. Ctrl-C ends it; what was decided is on Kafka.")
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


@contextmanager
def beside(
    rules: Policy,
    file: Path,
    bundle: Path,
    said: Callable[[str], None],
    settings: KafkaSettings,
) -> Iterator[None]:
    """Open a desk of its own on a broker while the block runs, and say where; it goes by stream time."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="stopline-desk-")))
        desk = opened(settings, rules, SHIPPED, folder, clock="stream", create_topics=True)
        trials = stack.enter_context(closing(Trials(InForce(settings, file, bundle))))
        site = site_of(stack.enter_context(desk), folder, policy_stamp=rules.stamp, trials=trials)
        address = stack.enter_context(served(site))
        said("The desk, for two people:")
        for line in links(site, address, people(SEATS), rules.language):
            said(f"  {line}")
        yield
