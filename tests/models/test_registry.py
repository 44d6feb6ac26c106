import json
import pickle
import shutil

import msgspec
import pytest
from joserfc.jwk import OKPKey

from models.scoring import trust
from models.scoring.bundle import MANIFEST
from models.scoring.shelf import PUBLIC_KEY, Registry, _sign, open_registry
from schemas.errors import ConfigError, ModelError
from tests.command import command
from tests.models.kit import FEATURES, save_bundle

KEY = OKPKey.generate_key("Ed25519")
STRANGER = OKPKey.generate_key("Ed25519")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    for number in (1, 2):
        save_bundle(folder / str(number), created=number)
    return [folder / "1", folder / "2"]


@pytest.fixture
def registry(tmp_path, bundles):
    return Registry(tmp_path / "registry", OKPKey.import_key(KEY.as_dict(private=False)))


def test_a_promoted_bundle_is_live_and_loads(registry, bundles):
    digest = registry.add(bundles[0], KEY)
    registry.promote(digest, KEY)

    assert registry.digest("live") == digest
    assert registry.load("live", features=FEATURES).digest == digest
    assert registry.digests() == [digest]


def test_an_empty_role_says_what_to_do(registry):
    assert registry.digest("shadow") is None
    with pytest.raises(ModelError, match="no live bundle; run `stopline registry promote`"):
        registry.load("live")


def test_the_old_live_bundle_becomes_previous_and_rollback_swaps_them(registry, bundles):
    one, two = (registry.add(bundle, KEY) for bundle in bundles)
    registry.promote(one, KEY)
    registry.promote(two, KEY)
    assert (registry.digest("live"), registry.digest("previous")) == (two, one)

    assert registry.rollback(KEY) == one
    assert (registry.digest("live"), registry.digest("previous")) == (one, two)


def test_promoting_the_live_bundle_again_keeps_the_previous_one(registry, bundles):
    one, two = (registry.add(bundle, KEY) for bundle in bundles)
    for digest in (one, two, two):
        registry.promote(digest, KEY)

    assert registry.digest("previous") == one


def test_a_shadow_that_goes_live_is_no_longer_shadow(registry, bundles):
    one, two = (registry.add(bundle, KEY) for bundle in bundles)
    registry.promote(one, KEY)
    registry.promote(two, KEY, role="shadow")
    assert registry.load("shadow").digest == two

    registry.promote(two, KEY)
    assert registry.digest("shadow") is None


def test_rollback_without_a_previous_bundle_is_refused(registry, bundles):
    registry.promote(registry.add(bundles[0], KEY), KEY)

    with pytest.raises(ModelError, match="no previous bundle"):
        registry.rollback(KEY)


def test_another_key_can_neither_add_nor_promote(registry, bundles):
    with pytest.raises(ModelError, match="not signed by the registry's key"):
        registry.add(bundles[0], STRANGER)
    digest = registry.add(bundles[0], KEY)
    with pytest.raises(ModelError, match="not signed by the registry's key"):
        registry.promote(digest, STRANGER)

    assert registry.digest("live") is None


def test_an_unsigned_bundle_put_into_the_folder_is_refused(registry, bundles):
    digest = registry.add(bundles[0], KEY)
    (registry.folder / "signatures" / digest).unlink()

    with pytest.raises(ModelError, match="cannot be read"):
        registry.promote(digest, KEY)


@pytest.mark.parametrize("name", [MANIFEST, "credit.skops", "thresholds.json", "card.md"])
def test_a_bundle_altered_after_signing_is_refused(registry, bundles, name):
    digest = registry.add(bundles[0], KEY)
    registry.promote(digest, KEY)
    file = registry.folder / "bundles" / digest / name
    file.write_bytes(file.read_bytes() + b" ")

    with pytest.raises(ModelError, match=r"not the bundle that was signed|does not match its hash"):
        registry.load("live")


def test_a_bundle_under_another_bundle_s_signature_is_refused(registry, bundles):
    one, two = (registry.add(bundle, KEY) for bundle in bundles)
    registry.promote(one, KEY)
    shutil.rmtree(registry.folder / "bundles" / one)
    shutil.copytree(registry.folder / "bundles" / two, registry.folder / "bundles" / one)

    with pytest.raises(ModelError, match="not the bundle that was signed"):
        registry.load("live")


def test_an_altered_pointer_is_refused(registry, bundles):
    registry.promote(registry.add(bundles[0], KEY), KEY)
    pointer = registry.folder / "live.json"
    pointer.write_text('{"role": "live", "digest": "0"}')

    with pytest.raises(ModelError, match="not signed"):
        registry.digest("live")


def test_a_pointer_of_another_role_is_refused(registry, bundles):
    one, two = (registry.add(bundle, KEY) for bundle in bundles)
    registry.promote(one, KEY)
    registry.promote(two, KEY)
    shutil.copy(registry.folder / "previous.json", registry.folder / "live.json")

    with pytest.raises(ModelError, match="signed as 'previous'"):
        registry.load("live")


@pytest.mark.parametrize("digest", ["../../etc", "", "a/b"])
def test_a_digest_that_is_a_path_is_refused(registry, digest):
    with pytest.raises(ModelError, match="not a bundle digest"):
        registry.bundle(digest)


NO_POINTERS = (b"", b"{", b"[]", b"7", b'{"role": "live"}', b'{"role": "live", "digest": 7}')


@pytest.mark.parametrize("content", NO_POINTERS)
def test_a_signed_file_that_is_no_pointer_is_refused_in_one_sentence(registry, bundles, content):
    registry.promote(registry.add(bundles[0], KEY), KEY)
    (registry.folder / "live.json").write_bytes(_sign(content, KEY))

    with pytest.raises(ModelError, match=r"live.json is signed and no pointer .*; promote the bundle again"):
        registry.digest("live")


@pytest.mark.parametrize("damage", [b"", b"\x00" * 40, b'{"role": "live"}'])
def test_a_damaged_pointer_is_mended_by_promoting_or_rolling_back_and_the_previous_bundle_stays(
    registry, bundles, damage
):
    one, two = (registry.add(bundle, KEY) for bundle in bundles)
    registry.promote(one, KEY)
    registry.promote(two, KEY)

    (registry.folder / "live.json").write_bytes(damage)
    registry.promote(two, KEY)
    assert (registry.digest("live"), registry.digest("previous")) == (two, one)

    (registry.folder / "live.json").write_bytes(damage)
    assert registry.rollback(KEY) == one
    assert registry.load("live").digest == one


def test_an_old_pointer_put_back_is_refused_and_promoting_mends_it(registry, bundles):
    one, two = (registry.add(bundle, KEY) for bundle in bundles)
    registry.promote(one, KEY)
    old = (registry.folder / "live.json").read_bytes()
    registry.promote(two, KEY)
    (registry.folder / "live.json").write_bytes(old)
    anew = Registry(registry.folder, registry.public_key)  # a job that starts now

    for each in (registry, anew, pickle.loads(pickle.dumps(registry))):
        with pytest.raises(ModelError, match=r"older one put back: number 1 of 20.*, 2 is known; promote"):
            each.digest("live")
    registry.promote(two, KEY)
    assert registry.digest("live") == two


def test_a_shadow_that_was_promoted_cannot_be_put_back_as_a_shadow(registry, bundles):
    one, two = (registry.add(bundle, KEY) for bundle in bundles)
    registry.promote(one, KEY)
    registry.promote(two, KEY, role="shadow")
    old = (registry.folder / "shadow.json").read_bytes()
    registry.promote(two, KEY)
    (registry.folder / "shadow.json").write_bytes(old)

    with pytest.raises(ModelError, match="older one put back"):
        Registry(registry.folder, registry.public_key).digest("shadow")


def test_workers_elsewhere_know_the_serials_that_the_job_began_with(registry, bundles, tmp_path):
    one, two = (registry.add(bundle, KEY) for bundle in bundles)
    registry.promote(one, KEY)
    old = (registry.folder / "live.json").read_bytes()
    registry.promote(two, KEY)
    sent = pickle.dumps(registry)
    trust.beside(registry.folder).unlink()  # another machine
    (registry.folder / "live.json").write_bytes(old)

    with pytest.raises(ModelError, match="older one put back"):
        pickle.loads(sent).digest("live")


def test_a_key_swapped_in_the_folder_opens_nothing_and_the_advised_command_puts_the_pinned_one_back(
    registry, bundles
):
    own = msgspec.json.encode(registry.public_key.as_dict(private=False))
    registry.promote(registry.add(bundles[0], KEY), KEY)
    (registry.folder / PUBLIC_KEY).write_bytes(msgspec.json.encode(STRANGER.as_dict(private=False)))

    with pytest.raises(
        ConfigError, match=r"another key than .*; .*put the pinned one back: stopline (.*)$"
    ) as told:
        open_registry(registry.folder)
    words = str(told.value).rpartition("stopline ")[2].split()
    assert command(*words).exit_code == 0
    assert (registry.folder / PUBLIC_KEY).read_bytes() == own
    assert open_registry(registry.folder).load("live", features=FEATURES)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"key":' + b'{"a":' * 9_000,
        b'{"key":{}}',
        b'{"key":{"kty":"OKP"},"serials":{}}',
        b'{"serials":{"live":"x"}}',
    ],
)
def test_a_damaged_trust_file_is_one_sentence_whose_steps_work(registry, bundles, content):
    registry.promote(registry.add(bundles[0], KEY), KEY)
    (registry.folder / PUBLIC_KEY).write_bytes(
        msgspec.json.encode(registry.public_key.as_dict(private=False))
    )
    file = trust.beside(registry.folder)
    file.write_bytes(content)

    with pytest.raises(
        ConfigError, match=r"says not whom to trust .*: stopline registry trust --registry"
    ) as told:
        open_registry(registry.folder)
    file.unlink()
    words = str(told.value).rpartition("stopline ")[2].split()
    assert command(*words).exit_code == 0
    assert open_registry(registry.folder).digest("live") == registry.digest("live")


def test_a_registry_whose_trust_file_is_gone_is_refused_until_somebody_has_looked_at_its_pointers(
    registry, bundles
):
    public = msgspec.json.encode(registry.public_key.as_dict(private=False))
    one, two = (registry.add(bundle, KEY) for bundle in bundles)
    (registry.folder / PUBLIC_KEY).write_bytes(public)
    registry.promote(one, KEY)
    old = (registry.folder / "live.json").read_bytes()
    registry.promote(two, KEY)
    trust.beside(registry.folder).unlink()
    (registry.folder / "live.json").write_bytes(old)

    with pytest.raises(ConfigError, match=r"trust.json is gone, .*pinned anew: stopline (.*)$") as told:
        open_registry(registry.folder)
    pinned = command(*str(told.value).rpartition("stopline ")[2].split())

    assert pinned.exit_code == 0
    assert "live     number 1 of 20" in pinned.output
    assert one[:12] in pinned.output
    assert open_registry(registry.folder).digest("live") == one


def test_a_pointer_of_a_release_without_serials_is_read_until_the_next_promotion(registry, bundles):
    one, two = (registry.add(bundle, KEY) for bundle in bundles)
    old = _sign(json.dumps({"role": "live", "digest": one}).encode(), KEY)
    (registry.folder / "live.json").write_bytes(old)
    assert registry.digest("live") == one

    registry.promote(two, KEY)
    (registry.folder / "live.json").write_bytes(old)
    with pytest.raises(ModelError, match="older one put back: number 0"):
        registry.digest("live")
