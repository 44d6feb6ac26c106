"""A desk with its pages, for tests without a browser: people in each role, forms as the pages send them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from console.lab.serving import opened
from console.lab.trying import InForce, Trials
from console.web.app import create_app
from console.web.serve import site_of
from console.web.sessions import COOKIE
from console.web.visit import Site
from desk.desk import Desk
from desk.roles import Person, Role
from measures.law.country_file import SHIPPED
from pipelines import policy
from pipelines.kafka.port import KafkaSettings
from tests.desk import kit

HOST = "http://127.0.0.1"


@lru_cache(maxsize=2)
def app_of(site: Site) -> FastAPI:
    """Make the pages of a site once; that takes longer than a test."""
    return create_app(site, ["127.0.0.1"])


class Seat:
    """One person's browser."""

    def __init__(self, site: Site, role: str, number: int = 1, institution: str = "") -> None:
        self.person = Person(f"{role}-{number}", Role(role), institution)
        self.client = TestClient(
            app_of(site),
            base_url=HOST,
            raise_server_exceptions=False,
            follow_redirects=False,
        )
        cookie = site.sessions.cookie(self.person)
        self.client.cookies.set(COOKIE, cookie)
        session = site.sessions.session(cookie)
        assert session is not None
        self.csrf = site.sessions.csrf(session)

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(path, headers=headers)

    def post(self, path: str, **form: Any) -> Any:
        given = {"csrf": self.csrf, "key": token_urlsafe(12), **form}
        return self.client.post(path, data=given)


@contextmanager
def desk_on(kafka: KafkaSettings, folder: Path, seal: str = "") -> Iterator[tuple[Desk, Site]]:
    """Run a desk, caught up, with its pages."""
    with opened(kafka, policy.load(), SHIPPED, folder, clock="stream", store=kit.address(folder)) as desk:
        trials = Trials(InForce(kafka, policy.named()))
        site = site_of(desk, folder, trials=trials)
        deadline = 200
        while not desk.follower.caught_up and deadline:
            deadline -= 1
            desk.follower._stopped.wait(0.1)
        assert desk.follower.caught_up
        try:
            yield desk, site
        finally:
            trials.close()


def cases_in(html: str) -> list[str]:
    return re.findall(r'<tr id="(case_[a-z2-7]{26})"', html)
