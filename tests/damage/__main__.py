"""`python -m tests.damage --rounds 25`: damage files of what jobs keep; nothing goes wrong in silence."""

import argparse
import itertools
import logging
import random
import sys
import tempfile
from pathlib import Path

from tests.damage.kinds import KINDS
from tests.damage.rounds import DEEDS, play


def main() -> int:
    """Play the rounds and say what came of each; the exit code is 1 if one went wrong in silence."""
    parser = argparse.ArgumentParser(prog="python -m tests.damage", description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    draw = random.Random(asked.seed)
    ways = itertools.cycle(itertools.product(DEEDS, KINDS))
    logging.getLogger().handlers = [logging.NullHandler()]  # what is said is shown with its round
    failed = 0
    for number, (deed, name) in zip(range(asked.rounds), ways, strict=False):
        with tempfile.TemporaryDirectory(prefix="stopline-damage-") as folder:
            came = play(KINDS[name], deed, Path(folder), random.Random(draw.random()))
        failed += came.wrong
        print(
            f"{number + 1:3} {name:20} {deed:7} {came.file:45} {came.took_s:5.1f} s  {came.said}", flush=True
        )
    print(f"{asked.rounds} rounds, {failed} went wrong")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
