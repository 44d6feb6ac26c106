"""One seed: build the world, let it run, check the invariants."""

from collections import Counter
from typing import NamedTuple

from joserfc.jwk import OKPKey

from measures.authority.signing import AuthorityKey, KeyRing
from measures.law.calendar import from_iso
from measures.law.country_file import jurisdiction
from measures.law.rules import FreezeRule, HoldRule, RestrictRule, StopRule
from schemas.errors import SchemaError
from schemas.order import Actor
from tests.vopr.bank import Core, Worker
from tests.vopr.oracle import Oracle, ViolationError
from tests.vopr.people import Case, Police, Staff, Warner
from tests.vopr.world import DAY, EMPLOYER, HOUR, MINUTE, MULES, SECOND, SHOP, VICTIM, World

START_US = from_iso("2026-03-02T10:00:00+08:00")
HORIZON_US = 400 * DAY
COUNTRIES = ("CN", "CN", "CN", "CN", "HK", "MY", "KR", "IN", "TH", "SG", "BR", "UK", "AU")
ROTATED = OKPKey.generate_key("Ed25519")
KEYS = {name: OKPKey.generate_key("Ed25519") for name in ("police-1", "police-2")}


class Report(NamedTuple):
    """What a seed did; `violation` is None when all invariants held."""

    seed: int
    country: str
    violation: ViolationError | None
    seen: Counter[str]


def simulate(seed: int) -> Report:
    """Run one seed to its end or to the first violation."""
    world = World(seed, START_US)
    country = world.random.choice(COUNTRIES)
    oracle = Oracle(country)
    try:
        _play(world, oracle, country)
    except ViolationError as violation:
        return Report(seed, country, violation, oracle.seen)
    except Exception as error:
        number = 8 if isinstance(error, SchemaError) else 0
        raised = ViolationError(number, f"{type(error).__name__}: {error}")
        raised.__cause__ = error
        return Report(seed, country, raised, oracle.seen)
    return Report(seed, country, None, oracle.seen)


def _play(world: World, oracle: Oracle, country: str) -> None:
    law = jurisdiction(country)
    regime = law.on(START_US)
    freeze = regime.rule(FreezeRule)
    rule = regime.rule(StopRule) or freeze
    actor = rule.actors[0] if rule else Actor.POLICE
    if freeze and actor not in freeze.actors and world.chance(0.5):
        actor = freeze.actors[0]
    known = [
        AuthorityKey(name, f"key-{name}", actor, country, _public(key), 0, 2**62)
        for name, key in KEYS.items()
    ]
    worker = Worker(world, oracle, KeyRing(known), calm=world.chance(0.3))
    core = Core(world, oracle, worker, country, law.currency)
    staff, warner = Staff(world, core), Warner(world, oracle, law)
    forces = [Police(name, key, world, law, worker) for name, key in KEYS.items()]
    if world.chance(0.5):
        world.later(world.between(HOUR, 100 * DAY), _rotate, world, worker, forces[0], known)
    cases = []
    for number in range(world.random.randint(1, 3)):
        police, rival = world.random.sample(forces, 2)
        cases.append(Case(f"case-{number}", police, rival, core, world))
    worker.listeners += [staff.hear, *(force.hear for force in forces), *(case.hear for case in cases)]
    mules = list(MULES[: world.random.randint(2, 5)])
    for token in mules:
        core.open(token, world.random.choice([0, 0, 500_000, 20_000_000]))
    large = 3 * regime.people.four_eyes_from
    for case in cases:
        _scam(world, core, case, mules, int(world.between(10_000, large)))
        for _ in range(world.random.randint(0, 12)):
            world.later(world.between(MINUTE, 3 * DAY), warner.want, "victim", case.name)
    for number in range(world.random.randint(0, 30)):
        token, amount = world.random.choice(mules), world.random.randint(1, 3_000_000)
        wait = world.between(MINUTE, 200 * DAY)
        debtor, creditor = (token, SHOP) if world.chance(0.5) else (EMPLOYER, token)
        world.later(wait, core.pay, f"life-{number}", debtor, creditor, amount)
        if world.chance(0.1):
            world.later(wait, core.charge, f"fee-{number}", token, world.random.choice([1_000, 5_000_000]))
        if world.chance(0.2) and regime.named(HoldRule):
            name = world.random.choice(sorted(regime.named(HoldRule)))
            world.later(wait, staff.hold, token, name, f"life-{number}", amount)
        if world.chance(0.1) and regime.named(RestrictRule):
            name = world.random.choice(sorted(regime.named(RestrictRule)))
            world.later(wait, staff.restrict, token, name)
    world.run(START_US + HORIZON_US)
    worker.settle()
    world.run(START_US + HORIZON_US + DAY)
    orders = [on for force in forces for on in force.orders.values()]
    oracle.finish(world.logs, worker.kept, orders, world.now)
    oracle.balances(worker.kept, {token: core.balance(token) for token in mules})


def _rotate(world: World, worker: Worker, force: Police, known: list[AuthorityKey]) -> None:
    """A second key comes onto the list, a day later the first is taken off and somebody else uses it."""
    old, rest = known[0], known[1:]
    fresh = old._replace(key_id=f"{old.key_id}-2", public=_public(ROTATED))
    worker.ring = KeyRing([*known, fresh])
    force.rotate(ROTATED)
    world.later(DAY, worker.revoke, KeyRing([*rest, fresh]))
    order = force.draft("stolen-1", "STOP", "ISSUE", MULES[0])
    world.later(2 * DAY, force.steal, order, KEYS[force.name], old.key_id)


def _scam(world: World, core: Core, case: Case, mules: list[str], amount: int) -> None:
    """A victim pays, the money moves on within minutes, the report comes within hours."""
    start = world.between(MINUTE, 2 * DAY)
    first = world.random.choice(mules)
    world.later(start, core.pay, f"{case.name}-in", VICTIM, first, amount)
    world.later(start + world.between(10 * MINUTE, 12 * HOUR), case.report, first, amount, world.now + start)
    debtor, left, wait = first, amount, start
    for hop in range(world.random.randint(0, 3)):
        creditor = world.random.choice([token for token in mules if token != debtor])
        left = max(1, int(left * world.random.choice([0.4, 0.8, 1])))
        wait += world.between(30 * SECOND, 6 * HOUR)
        world.later(wait, core.pay, f"{case.name}-hop-{hop}", debtor, creditor, left)
        debtor = creditor


def _public(key: OKPKey) -> OKPKey:
    return OKPKey.import_key(key.as_dict(private=False))
