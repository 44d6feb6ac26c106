"""Models are followed in a signed registry while the job runs, and never taken up unverified."""

import hashlib
import json
import logging
import pickle
import shutil
from pathlib import Path

import pytest
from joserfc.jwk import OKPKey

from models.scoring.bundle import MANIFEST
from models.scoring.shelf import Registry
from pipelines import policy
from pipelines.hot import serving
from pipelines.hot.accounts import Accounts
from pipelines.hot.decide import Decider
from pipelines.hot.serving import Follower, InUse
from pipelines.hot.tracer import Tracer
from pipelines.kafka.port import KafkaSettings
from pipelines.policy import Policy
from pipelines.process import PROCESS
from pipelines.state.shard_state import Tables
from pipelines.state.store import BeamStore
from pipelines.streams.table import STREAMS
from pipelines.telemetry import TELEMETRY
from schemas.errors import ConfigError, ModelError

KEY = OKPKey.generate_key("Ed25519")


def variant(bundle: Path, path: Path, *, explain_by: str = "") -> Path:
    """Write a copy of a bundle that scores alike and has another digest."""
    shutil.copytree(bundle, path)
    manifest = json.loads((path / MANIFEST).read_text())
    (path / "card.md").write_text(f"# {path.name}\n")
    if explain_by:
        groups = json.loads((path / "groups.json").read_text())
        groups["credit"][explain_by] = groups["credit"].popitem()[1]
        (path / "groups.json").write_text(json.dumps(groups))
    for name in manifest["files"]:
        manifest["files"][name] = hashlib.sha256((path / name).read_bytes()).hexdigest()
    (path / MANIFEST).write_text(json.dumps(manifest))
    return path


@pytest.fixture
def registry(tmp_path: Path, bundle_path: Path) -> Registry:
    """A registry with bundle "a" live."""
    made = Registry(tmp_path / "registry", OKPKey.import_key(KEY.as_dict(private=False)))
    promote(made, variant(bundle_path, tmp_path / "a"))
    return made


@pytest.fixture
def other(tmp_path: Path, bundle_path: Path) -> Path:
    return variant(bundle_path, tmp_path / "b")


def promote(registry: Registry, bundle: Path, role: str = "live") -> str:
    digest = registry.add(bundle, KEY)
    registry.promote(digest, KEY, role=role)  # type: ignore[arg-type]
    return digest


def digests(models: InUse) -> tuple[str, str | None]:
    return models.live.bundle.digest, models.shadow and models.shadow.bundle.digest


def counted(name: str) -> int:
    return TELEMETRY.counts().get(name, 0)


def test_what_is_promoted_or_rolled_back_is_taken_up(registry: Registry, rules: Policy, other: Path) -> None:
    old = registry.digest("live")
    follower = Follower(registry, rules)
    before = counted("live_models_taken_up")
    assert digests(follower.in_use) == (old, None)

    new = promote(registry, other)
    follower.look()
    assert digests(follower.in_use) == (new, None)

    registry.rollback(KEY)
    follower.look()
    assert digests(follower.in_use) == (old, None)
    assert counted("live_models_taken_up") == before + 2


def test_a_shadow_comes_goes_and_becomes_live(registry: Registry, rules: Policy, other: Path) -> None:
    old = registry.digest("live")
    follower = Follower(registry, rules)
    new = promote(registry, other, "shadow")
    follower.look()
    assert digests(follower.in_use) == (old, new)

    registry.promote(new, KEY)
    follower.look()
    assert digests(follower.in_use) == (new, None)


def test_nothing_is_loaded_while_no_pointer_changes(
    registry: Registry, rules: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = Follower(registry, rules)
    monkeypatch.setattr(Registry, "load", lambda *_: pytest.fail("loaded"))
    held = follower.in_use.live

    follower.look()

    assert follower.in_use.live is held


@pytest.mark.parametrize("fault", ["pointer", "bundle", "file", "removed", "unexplained"])
def test_a_bad_one_is_refused_aloud_and_the_old_one_goes_on(
    registry: Registry, rules: Policy, other: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    old = registry.digest("live")
    follower = Follower(registry, rules)
    before = counted("live_models_refused")
    if fault == "unexplained":
        other = variant(other, other.with_name("c"), explain_by="NO_WORDS")
    new = promote(registry, other)
    bundle = registry.folder / "bundles" / new
    if fault == "pointer":
        (registry.folder / "live.json").write_text('{"role": "live"}')
    elif fault == "bundle":
        shutil.rmtree(bundle)
    elif fault == "file":
        (bundle / "credit.skops").write_bytes(b"")
    elif fault == "removed":
        (registry.folder / "live.json").unlink()

    with caplog.at_level(logging.ERROR):
        follower.look()
        follower.look()

    assert digests(follower.in_use) == (old, None)
    assert counted("live_models_refused") == before + 1
    (said,) = caplog.messages
    assert said.startswith("live model refused, ")
    assert " goes on: " in said


def test_a_refused_one_is_tried_again_and_taken_up_once_it_is_whole(
    registry: Registry, rules: Policy, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = Follower(registry, rules)
    new = promote(registry, other)
    model = registry.folder / "bundles" / new / "credit.skops"
    whole = model.read_bytes()
    model.write_bytes(whole[:100])
    follower.look()
    model.write_bytes(whole)
    follower.look()
    assert follower.in_use.live.bundle.digest != new

    monkeypatch.setattr(serving.time, "monotonic", lambda: float("inf"))
    follower.look()
    assert follower.in_use.live.bundle.digest == new


def test_a_process_that_starts_while_the_live_one_is_bad_uses_the_one_before(
    registry: Registry, rules: Policy, other: Path
) -> None:
    old = registry.digest("live")
    with pytest.raises(ModelError, match="does not match its hash"):
        serving.check(spoiled(registry, promote(registry, other)), rules)

    assert digests(Follower(registry, rules).in_use) == (old, None)


def test_without_one_before_it_refuses_to_start(registry: Registry, rules: Policy) -> None:
    with pytest.raises(ModelError, match="does not match its hash"):
        Follower(spoiled(registry, str(registry.digest("live"))), rules)


def spoiled(registry: Registry, digest: str) -> Registry:
    (registry.folder / "bundles" / digest / "credit.skops").write_bytes(b"")
    return registry


def test_a_bundle_without_the_points_of_the_policy_is_refused_at_the_start(registry: Registry) -> None:
    with pytest.raises(ConfigError, match="innocent_5_per_10k"):
        serving.check(registry, policy.load())


def test_workers_trust_the_key_the_job_began_with(registry: Registry, other: Path) -> None:
    there = pickle.loads(pickle.dumps(registry))
    assert there.digest("live") == registry.digest("live")

    stranger = OKPKey.generate_key("Ed25519")
    theirs = Registry(registry.folder, stranger)
    shutil.rmtree(registry.folder)
    theirs.promote(theirs.add(other, stranger), stranger)

    with pytest.raises(ModelError, match="not signed by the registry's key"):
        there.load("live")


def test_models_change_between_bundles_and_never_within_one(
    registry: Registry, rules: Policy, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "LOOK_S", 3600.0)
    tracer = Tracer(rules, 1, KafkaSettings("none:1"), ())
    accounts = Accounts(Decider(rules, registry, 0.0), tracer, 1, {}, STREAMS)
    accounts.setup()
    bundle, next_bundle = BeamStore(Tables()), BeamStore(Tables())
    old = accounts.models(bundle)
    promote(registry, other)
    follower = PROCESS.all("models")[-1]
    assert isinstance(follower, Follower)
    follower.look()

    assert accounts.models(bundle) is old
    assert accounts.models(next_bundle) is follower.in_use is not old
