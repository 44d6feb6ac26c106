"""Who is at the desk: one-time tokens, signed cookies, what a person has unmasked, how often they may ask."""

import hashlib
import hmac
import secrets
import threading
import time
from pathlib import Path
from typing import NamedTuple

from itsdangerous import BadSignature, URLSafeTimedSerializer
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from desk.roles import Person, Role

COOKIE = "stopline_desk"

#: A session ends after so long; a one-time token unless it is used; what was unmasked is masked again.
SESSION_S, TOKEN_S, UNMASKED_S = 12 * 3600, 24 * 3600, 900

#: Requests of one session in ten seconds; of them, those that change something.
READS, ACTS = RateLimitItemPerSecond(300, 10), RateLimitItemPerSecond(30, 10)

#: Tries at the door from one address in a minute.
TRIES = RateLimitItemPerSecond(20, 60)


class Session(NamedTuple):
    """A person signed in; `id` is the browser's."""

    person: Person
    id: str


class Sessions:
    """Signs people in and remembers what they have unmasked; `key_file` keeps cookies good over restarts."""

    def __init__(self, key_file: Path | None = None) -> None:
        self._key = _key(key_file)
        self._signer = URLSafeTimedSerializer(self._key, salt="session")
        self._tokens: dict[str, tuple[Person, float]] = {}
        self._unmasked: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def secret(self, purpose: str) -> str:
        """Return a secret for another cookie."""
        return hmac.new(self._key, purpose.encode(), "sha256").hexdigest()

    def token(self, person: Person) -> str:
        """Make a token that lets a person in once."""
        made = secrets.token_urlsafe(24)
        with self._lock:
            self._tokens[_hashed(made)] = person, time.monotonic() + TOKEN_S
        return made

    def enter(self, token: str) -> Person | None:
        """Take a one-time token; None if it is none, or used up."""
        with self._lock:
            person, until = self._tokens.pop(_hashed(token), (None, 0.0))
        return person if time.monotonic() < until else None

    def cookie(self, person: Person) -> str:
        """Sign a new session."""
        return self._signer.dumps([*person, secrets.token_urlsafe(12)])

    def session(self, cookie: str) -> Session | None:
        """Read a cookie; None if it is not ours, or too old."""
        try:
            name, role, institution, session_id = self._signer.loads(cookie, max_age=SESSION_S)
            return Session(Person(name, Role(role), institution), session_id)
        except (BadSignature, ValueError, TypeError):
            return None

    def csrf(self, session: Session) -> str:
        """Return what a form of this session carries, so that no other site can send it."""
        return hmac.new(self._key, b"csrf" + session.id.encode(), "sha256").hexdigest()

    def is_own(self, session: Session, csrf: str) -> bool:
        """Tell whether a form is of this session."""
        return hmac.compare_digest(self.csrf(session).encode(), csrf.encode())

    def unmask(self, session: Session, case_id: str) -> None:
        """Show a case's personal data to this session for a while."""
        with self._lock:
            self._unmasked[session.id, case_id] = time.monotonic() + UNMASKED_S

    def sees(self, session: Session, case_id: str) -> bool:
        """Tell whether this session sees a case's personal data."""
        return self._unmasked.get((session.id, case_id), 0.0) > time.monotonic()

    def within_limits(self, who: str, *, acts: bool = False, door: bool = False) -> bool:
        """Count a request; tell whether it is within the limits."""
        item = TRIES if door else ACTS if acts else READS
        return bool(self._limiter.hit(item, who, str(acts)))


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _key(file: Path | None) -> bytes:
    if file is None:
        return secrets.token_bytes(32)
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(secrets.token_bytes(32))
    return file.read_bytes()
