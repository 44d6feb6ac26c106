import hashlib
import io
import json
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from skops.io import dumps

from models.scoring.bundle import FILES, MANIFEST, TREES, WITHOUT_TREES, load, save
from schemas.errors import ModelError
from tests.models.kit import FEATURES, leg_parts, leg_rows, save_bundle


@pytest.fixture
def bundle_path(tmp_path):
    save_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def old_path(bundle_path):
    """A bundle as releases wrote it that scored with what they read from the classifiers."""
    (bundle_path / TREES).unlink()
    edit_manifest(bundle_path, lambda manifest: manifest.update(schema=WITHOUT_TREES))
    edit_manifest(bundle_path, lambda manifest: manifest["files"].pop(TREES))
    return bundle_path


def rewrite(path, name, content: bytes) -> None:
    """Replace a file and its hash, as somebody would who can write the manifest too."""
    (path / name).write_bytes(content)
    manifest = json.loads((path / MANIFEST).read_bytes())
    manifest["files"][name] = hashlib.sha256(content).hexdigest()
    (path / MANIFEST).write_text(json.dumps(manifest))


def edit_json(path, name, change) -> None:
    table = json.loads((path / name).read_bytes())
    change(table)
    rewrite(path, name, json.dumps(table).encode())


def edit_manifest(path, change) -> None:
    manifest = json.loads((path / MANIFEST).read_bytes())
    change(manifest)
    (path / MANIFEST).write_text(json.dumps(manifest))


def edit_inside_model(path, old: str, new: str) -> None:
    """Replace text in the schema of the credit model, hash included."""
    source = zipfile.ZipFile(path / "credit.skops")
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            content = source.read(name)
            if name == "schema.json":
                assert old.encode() in content
                content = content.replace(old.encode(), new.encode())
            archive.writestr(name, content)
    rewrite(path, "credit.skops", target.getvalue())


def test_a_saved_bundle_scores_as_its_classifiers_did(bundle_path):
    bundle = load(bundle_path, features=FEATURES)

    for leg, model in (("credit", bundle.credit), ("debit", bundle.debit)):
        X, _ = leg_rows(leg)
        expected = leg_parts(leg).classifier.predict_proba(X)[:, 1]
        np.testing.assert_allclose(model.score(X), expected, rtol=0, atol=1e-12)


def test_a_bundle_without_trees_scores_as_one_with_them(tmp_path, old_path):
    save_bundle(tmp_path / "new")
    X, _ = leg_rows("credit")

    np.testing.assert_array_equal(load(old_path).credit.score(X), load(tmp_path / "new").credit.score(X))


def test_a_job_scores_without_loading_scikit_learn_or_skops():
    code = (
        "import sys; from pathlib import Path; from models.scoring.bundle import load; "
        "load(Path('models/shipped')).credit; print(sorted({'sklearn', 'skops'} & set(sys.modules)))"
    )

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert said == "[]\n"


def test_thresholds_baseline_and_groups_come_back(bundle_path):
    credit = load(bundle_path).credit

    assert credit.features == FEATURES["credit"]
    assert credit.thresholds == {"at_5_to_1": 0.4, "never": float("inf")}
    assert credit.groups == {"large_amount": (0,), "mule_credit": (1, 2)}
    np.testing.assert_array_equal(credit.baseline, leg_parts("credit").baseline)


def test_a_missing_baseline_value_survives_the_file(tmp_path):
    legs = {leg: leg_parts(leg) for leg in FEATURES}
    legs["debit"].baseline[1] = np.nan
    save(tmp_path / "b", legs, card="", training_data="", git_commit="", created=0)

    assert np.isnan(load(tmp_path / "b").debit.baseline[1])


def test_contributions_are_the_drop_to_a_median_good_payment(bundle_path):
    credit = load(bundle_path).credit
    X = np.array([[3.0, 2.5, 0.0], credit.baseline])
    plain = X.copy()
    plain[:, 0] = credit.baseline[0]

    added = credit.contributions(X)

    np.testing.assert_allclose(added[:, 0], credit.trees.raw(X) - credit.trees.raw(plain))
    assert added[0, 0] > 1
    assert (added[1] == 0).all()


def test_digest_and_version_name_the_manifest(bundle_path):
    bundle = load(bundle_path)

    assert bundle.digest == hashlib.sha256((bundle_path / MANIFEST).read_bytes()).hexdigest()
    assert bundle.version == f"2020-09-13-{bundle.digest[:8]}"
    assert load(bundle_path, digest=bundle.digest).digest == bundle.digest


def test_a_bundle_is_never_overwritten(bundle_path):
    with pytest.raises(ModelError, match="never overwritten"):
        save_bundle(bundle_path)


def test_a_bundle_that_would_be_refused_is_not_written(tmp_path):
    legs = {leg: leg_parts(leg) for leg in FEATURES}
    legs["debit"].groups["drain"].append("colour")
    try:
        with pytest.raises(ModelError, match="colour"):
            save(tmp_path / "b", legs, card="", training_data="", git_commit="", created=0)
    finally:
        legs["debit"].groups["drain"].remove("colour")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_in_any_file_is_refused(bundle_path, name):
    content = bytearray((bundle_path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle_path / name).write_bytes(content)

    with pytest.raises(ModelError, match=re.escape(name)):
        load(bundle_path)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_missing_file_is_refused_by_name(bundle_path, name):
    (bundle_path / name).unlink()

    with pytest.raises(ModelError, match=re.escape(name)):
        load(bundle_path)


def test_a_changed_manifest_is_refused_where_a_digest_is_expected(bundle_path):
    digest = load(bundle_path).digest
    edit_manifest(bundle_path, lambda manifest: manifest.update(git_commit="0" * 40))

    with pytest.raises(ModelError, match="not the expected"):
        load(bundle_path, digest=digest)


@pytest.mark.parametrize("name", ["python", "scikit-learn", "skops", "numpy"])
def test_a_bundle_made_with_other_versions_is_read_because_it_holds_numbers_only(bundle_path, name):
    edit_manifest(bundle_path, lambda manifest: manifest["versions"].update({name: "99.1"}))

    assert load(bundle_path).credit.features


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update({"scikit-learn": "1.2.0"}), "scikit-learn 1.2.0"),
        (lambda v: v.update({"skops": "0.1"}), "skops 0.1"),
        (lambda v: v.update({"numpy": "1.0"}), "numpy 1.0"),
        (lambda v: v.clear(), "None"),
    ],
)
def test_a_classifier_of_other_libraries_is_refused(old_path, change, message):
    edit_manifest(old_path, lambda manifest: change(manifest["versions"]))

    with pytest.raises(ModelError, match=message):
        load(old_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(schema=1), "bundle schema 1"),
        (lambda m: m["files"].pop("card.md"), "exactly the files"),
        (lambda m: m["files"].update({"../x": ""}), "exactly the files"),
        (lambda m: m.pop("files"), "exactly the files"),
        (lambda m: m.pop("created"), "creation time"),
    ],
)
def test_a_manifest_of_another_schema_version_or_file_list_is_refused(bundle_path, change, message):
    edit_manifest(bundle_path, change)

    with pytest.raises(ModelError, match=message):
        load(bundle_path)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"amount": 1, "dwell": 1}, r"does not compute \(fan_in\)"),
        ({"amount": 1, "dwell": 1, "fan_in": 3}, r"other versions of credit features \(fan_in 2, here 3\)"),
    ],
)
def test_a_bundle_of_unknown_or_changed_features_is_refused(bundle_path, wanted, message):
    with pytest.raises(ModelError, match=message):
        load(bundle_path, features={"credit": wanted})


def test_a_bundle_takes_its_features_from_whatever_else_is_computed_in_whatever_order(bundle_path):
    computed = {"more": 7, "fan_in": 2, "dwell": 1, "amount": 1}

    assert list(load(bundle_path, features={"credit": computed}).credit.features) == [
        "amount",
        "dwell",
        "fan_in",
    ]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("features.json", lambda t: t["credit"].update(more=1), "names 4 credit features, its model takes 3"),
        ("features.json", lambda t: t.pop("debit"), "malformed"),
        ("baseline.json", lambda t: t["credit"].pop("dwell"), "train again"),
        ("groups.json", lambda t: t["credit"].update(other=["colour"]), "colour"),
        ("thresholds.json", lambda t: t["credit"].update(at_5_to_1="high"), "malformed"),
        ("metrics.json", lambda t: t.pop("credit"), "malformed"),
    ],
)
def test_tables_that_contradict_the_model_are_refused_even_with_right_hashes(
    bundle_path, name, change, message
):
    edit_json(bundle_path, name, change)

    with pytest.raises(ModelError, match=message):
        load(bundle_path)


def test_a_model_fitted_by_another_scikit_learn_is_refused(old_path):
    edit_inside_model(old_path, '"\\"1.9.1\\""', '"\\"1.5.0\\""')

    with pytest.raises(ModelError, match=r"1\.5\.0"):
        load(old_path)


def test_a_model_with_another_type_inside_is_refused_before_it_is_built(old_path):
    edit_inside_model(old_path, '"TreePredictor"', '"TreeWrecker"')

    with pytest.raises(ModelError, match=r"TreeWrecker.*not trusted"):
        load(old_path)


def test_another_estimator_is_refused(old_path):
    X, y = leg_rows("credit")
    rewrite(old_path, "credit.skops", dumps(LogisticRegression().fit(np.nan_to_num(X), y)))

    with pytest.raises(ModelError, match="LogisticRegression"):
        load(old_path)


def test_a_file_that_is_no_archive_is_refused(old_path):
    rewrite(old_path, "debit.skops", b"not a model")

    with pytest.raises(ModelError, match=r"debit\.skops cannot be read"):
        load(old_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["credit"].update(n_features=10**9), "takes 1000000000"),
        (lambda t: t["credit"].pop("baseline"), "malformed"),
        (lambda t: t["credit"].update(baseline=float("nan")), "no number"),
        (lambda t: t["credit"]["trees"].append([[7, 0.5, True, 1, 2], 0.1, 0.2]), "unknown feature"),
        (lambda t: t["credit"]["trees"].append([[0, 0.5, True, -1, 2], 0.1, 0.2]), "outside itself"),
        (lambda t: t["credit"]["trees"].append([[0, 0.5, True, 0, 2], 0.1, 0.2]), "16 leaves"),
        (lambda t: t["credit"]["trees"].append([float("inf")]), "no number"),
        (lambda t: t["credit"]["trees"].append([10**400]), "malformed"),
        (lambda t: t["credit"]["trees"].append([]), "outside itself"),
        (lambda t: t["credit"].update(trees="none"), "malformed"),
    ],
)
def test_trees_that_are_none_are_refused_even_with_right_hashes(bundle_path, change, message):
    edit_json(bundle_path, TREES, change)

    with pytest.raises(ModelError, match=message):
        load(bundle_path)
