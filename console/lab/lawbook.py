"""What is said of country files that are checked."""

from pathlib import Path

from measures.law.country_file import Laws, load, read_laws
from measures.law.horizon import calendar_cautions
from schemas.errors import ConfigError


def checked(file: Path | None, folder: Path | None, now_us: int) -> list[str]:
    """Return a line for each country of a file or a folder, and one where its calendar ends soon.

    Raises:
        ConfigError: a file is wrong, or not one of the two is given.

    """
    if (file is None) == (folder is None):
        raise ConfigError("give one country file, or a folder with --law-dir")
    laws = read_laws(folder) if file is None else Laws({"": load(file)})
    said = []
    for found in laws.own.values():
        rules = found.versions()
        versions = sum(len(each) for each in rules.values())
        said.append(f"{found.id} {found.name}: {len(rules)} rules in {versions} versions, in order")
    return said + calendar_cautions(laws.own.values(), now_us)
