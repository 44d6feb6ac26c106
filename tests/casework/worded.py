"""Messages of invented campaigns: templates put together from parts, and what a sender varies in one."""

import random
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import yaml

_PARTS = yaml.safe_load((Path(__file__).parent / "worded.yaml").read_text("utf-8"))


def templates(count: int, seed: int) -> list[tuple[str, str]]:
    """Return templates, each with its language; no two have more than two of four parts in common."""
    drawn, found, used = random.Random(seed), list[tuple[str, str]](), set[tuple[str, ...]]()
    while len(found) < count:
        language = drawn.choice(("en", "zh"))
        parts = [drawn.choice(_PARTS[each][language]) for each in ("who", "what", "do", "do")]
        triples = set(combinations(sorted(parts), 3))
        if parts[2] == parts[3] or triples & used:
            continue
        used |= triples
        found.append((language, "{}{}: {}. {}. {}".format("{greet}", *parts)))
    return found


def variants(template: tuple[str, str], count: int, seed: int) -> Iterator[str]:
    """Yield what a sender makes of a template: other names, links, figures, spellings, odd letters."""
    drawn, (language, text) = random.Random(seed), template
    for _ in range(count):
        digits = drawn.randrange(10**9)
        said = text.replace("{greet}", drawn.choice(_PARTS["greet"][language])).format(
            name=drawn.choice(_PARTS["names"][language]),
            url=f"https://{drawn.choice('abcdef')}{digits % 997}.example/{digits:x}",
            code=digits % 1_000_000,
            number=f"+4470{digits % 100_000_000:08d}",
            date=f"{digits % 28 + 1}.{digits % 12 + 1}.",
            amount=f"{digits % 900 + 20},{digits % 100:02d} €",
        )
        letters = list(said)
        for _ in range(drawn.randrange(4)):
            at = drawn.randrange(len(letters))
            letters[at] = drawn.choice(
                ("", letters[at] * 2, letters[at].upper(), letters[at] + "\u200b", "é")
            )
        yield "".join(letters)
