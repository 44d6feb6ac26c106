"""The page on the architecture shows the house as it is."""

import re

from tests.picture import PAGE, ROOT, picture


def test_the_picture_is_the_one_that_the_imports_draw() -> None:
    assert picture() in PAGE.read_text(), "draw it anew with: python -m tests.picture"


def test_every_place_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`([a-z_]+(?:/[\w.]+)+)`", PAGE.read_text()))

    assert len(named) > 40
    assert sorted(place for place in named if not (ROOT / place).exists()) == []
