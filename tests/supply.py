"""`python -m tests.supply`: the bill of materials (CycloneDX) of what we run of others, and an audit."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

from pipelines.jars import noted

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
JARS = (ROOT / "deploy/flink/jars.sha256", ROOT / "pipelines/kafka/local/jars.sha256")
BILL = ROOT / "bench/sbom.cdx.json"

_PIN = re.compile(
    r"^([a-z0-9._-]+)(?:\[[^]]*\])?==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)", re.MULTILINE
)
_JAR = re.compile(r"(.+?)-(\d[^/]*)\.jar\Z")


def wheels() -> Mapping[str, tuple[str, list[str]]]:
    """Return name -> version and digests of every pin of the lock."""
    found = _PIN.findall(LOCK.read_text(encoding="utf-8"))
    return {name: (version, re.findall(r"[0-9a-f]{64}", digests)) for name, version, digests in found}


def jars() -> Mapping[str, str]:
    """Return the digest of every jar by its name."""
    return {name: digest for lock in JARS for name, digest in noted(lock).items()}


def bill() -> str:
    """Return the bill of materials as CycloneDX 1.6 JSON."""
    parts = [
        (f"pkg:pypi/{name}@{version}", name, version, digests)
        for name, (version, digests) in wheels().items()
    ]
    for file, digest in sorted(jars().items()):
        name, version = found.groups() if (found := _JAR.match(file)) else (file, "")
        parts.append((f"pkg:generic/{name}@{version}?file_name={file}", name, version, [digest]))
    components = [
        {
            "type": "library", "bom-ref": purl, "purl": purl, "name": name, "version": version,
            "hashes": [{"alg": "SHA-256", "content": each} for each in digests],
        }
        for purl, name, version, digests in parts
    ]  # fmt: skip
    own = {
        "type": "application",
        "name": "stopline",
        "version": tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"],
    }
    return json.dumps(
        {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "metadata": {"component": own},
         "components": components},
        indent=1,
    )  # fmt: skip


def audit() -> tuple[str, int]:
    """Ask for known vulnerabilities of the lock; return what to say, and 1 if there is one."""
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", "-r", str(LOCK), "--disable-pip", "--require-hashes",
         "--progress-spinner", "off", "--timeout", "15", "-f", "json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return judged(done.returncode, done.stdout, done.stderr)


def judged(code: int, found: str, words: str) -> tuple[str, int]:
    """Return what the words of pip-audit mean: what is known, or that nobody could be asked."""
    if not found.strip():
        last = (words.strip().splitlines() or ["no answer"])[-1][:200]
        return f"NOT AUDITED: the service of vulnerabilities could not be reached ({last}); run it online", 0
    dependencies = json.loads(found)["dependencies"]
    lines = [
        f"{each['name']} {each['version']}: {known['id']}, fixed in {known['fix_versions'] or 'none'}"
        for each in dependencies
        for known in each.get("vulns", ())
    ]
    if lines:
        return "VULNERABLE: " + "; ".join(lines), 1
    if skipped := [each for each in dependencies if "skip_reason" in each]:
        why = skipped[0]["skip_reason"][:200]
        return f"NOT AUDITED: {len(skipped)} of {len(dependencies)} packages ({why}); run it online", 0
    return f"audit: no known vulnerability of {len(dependencies)} packages", 0


def main() -> int:
    """Write the bill, audit, say what came of both."""
    BILL.parent.mkdir(exist_ok=True)
    BILL.write_text(bill(), encoding="utf-8")
    print(f"bill of materials: {len(wheels())} wheels and {len(jars())} jars in {BILL.relative_to(ROOT)}")
    said, code = audit()
    print(said)
    return code


if __name__ == "__main__":
    sys.exit(main())
