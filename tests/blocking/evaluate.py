"""`python -m tests.blocking.evaluate config.json`: which well-known sites a list of phishing sites blocks.

The list is `src/config.json` of the npm package eth-phishing-detect (its licence, DBAD, suits tests alone:
nothing of it is kept here), the sites are all of Tranco's million of `pymispwarninglists`.
"""

import argparse
import json
import time
from importlib import resources
from pathlib import Path

from console.lab import blocklist
from measures.blocking.admission import Guard, Request, admitted
from measures.blocking.lookup import BlockList
from schemas.block import BlockEntry, Source

LISTED_US = 1_790_000_000_000_000


def entry(value: str, guard: Guard) -> BlockEntry | None:
    """Return what becomes of a domain that an authority has blocked; None if it is no domain."""
    asked = Request(
        "DOMAIN", value, "BLOCK", Source(reporter="police-1", authority=True, decision="D-1"), LISTED_US,
        "SCAM_REPORTED", "Terms of service", "The operator that blocks it",
    )  # fmt: skip
    try:
        return admitted(asked, None, guard)
    except ValueError:
        return None


def main() -> None:
    """Print what is refused, what waits for a person, and which well-known sites would be blocked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path, help="src/config.json of eth-phishing-detect")
    bad = json.loads(parser.parse_args().config.read_text())["blacklist"]
    lists = resources.files("pymispwarninglists") / "data" / "misp-warninglists" / "lists"
    benign = json.loads((lists / "tranco" / "list.json").read_bytes())["list"]
    for name, guard in (("without a guard", Guard()), ("with the guard", blocklist.guard([])[0])):
        made = [entry(each, guard) for each in bad]
        entries = [each for each in made if each]
        active = [each for each in entries if each.state == "ACTIVE"]
        listed, began = BlockList.of(active), time.process_time()
        wrong = [site for site in benign if _blocked(listed, site)]
        took = time.process_time() - began
        missed = sum(not _blocked(listed, each.value) for each in active)
        refused, waiting = len(bad) - len(entries), len(entries) - len(active)
        print(f"{name}: {len(bad):,} domains, {refused:,} refused, {waiting:,} wait for a person")
        print(f"  of {len(active):,} active ones {missed:,} are not found")
        print(f"  of {len(benign):,} well-known sites {len(wrong):,} are blocked, {took:.0f} s of processor")
        print(f"  such as {', '.join(sorted(wrong)[:8])}")


def _blocked(listed: BlockList, site: str) -> bool:
    try:
        return listed.strongest("DOMAIN", site) == "BLOCK"
    except ValueError:
        return False


if __name__ == "__main__":
    main()
