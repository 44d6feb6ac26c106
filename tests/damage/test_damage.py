"""Whatever is done to a file of what jobs keep, an older or another copy counts, or it is said."""

import random
from pathlib import Path

import pytest

from tests.damage.kinds import KINDS
from tests.damage.rounds import DEEDS, play

#: Makes bundles, which takes seconds; one deed of three is tried by `make test`.
SLOW = "model registry"
CASES = [
    pytest.param(deed, name, marks=[pytest.mark.slow] * (name == SLOW and deed != "cut"))
    for deed in DEEDS
    for name in KINDS
]


@pytest.mark.parametrize(("deed", "name"), CASES)
def test_damage_is_survived_or_said_and_takes_nothing_beside_it(name: str, deed: str, tmp_path: Path) -> None:
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()

        came = play(KINDS[name], deed, folder, random.Random(number))

        assert not came.wrong, came
