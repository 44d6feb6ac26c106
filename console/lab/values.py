"""Values as people write them: numbers, windows, times."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from math import inf

from models.learning.train import Windows
from schemas.errors import ConfigError


def numbers(
    text: str, option: str, wanted: str, count: int = 0, *, positive: int = 0, whole: bool = False
) -> list[float]:
    """Read numbers from 0 on with commas between: `count` of them unless 0, the first `positive` above 0.

    >>> numbers("10,5,0", "--windows", "train,test,delay in days, such as 10,5,1", 3, positive=2)
    [10.0, 5.0, 0.0]

    Raises:
        ConfigError: it is something else; the message says what is `wanted`.

    """
    with suppress(ValueError):
        found = [float(part) for part in text.split(",")]
        fits = count in (0, len(found)) and all(0 <= each < inf for each in found)
        if fits and all(found[:positive]) and not (whole and any(each % 1 for each in found)):
            return found
    raise ConfigError(f"{option} takes {wanted}, got {text!r}")


def windows_of(text: str, default: Windows) -> Windows:
    """Read the lengths of a time split, `train,validation,test,delay` in days; `default` if there is nothing.

    >>> windows_of("63,7,7,7", Windows())
    Windows(train=63.0, validation=7.0, test=7.0, delay=7.0)

    Raises:
        ConfigError: it is something else.

    """
    wanted = "train,validation,test,delay in days, such as 63,7,7,7"
    return Windows(*numbers(text, "--windows", wanted, 4, positive=3)) if text else default


def terminal_language(languages: Sequence[str], environment: Mapping[str, str] = os.environ) -> str:
    """Return which of `languages` (BCP 47) the terminal speaks; English, or the first, where it speaks none.

    >>> terminal_language(["zh-Hans", "en"], {"LANG": "zh_CN.UTF-8"})
    'zh-Hans'
    >>> terminal_language(["th", "en"], {"LC_ALL": "C", "LANG": "th_TH.UTF-8"})
    'en'
    """
    said = next(filter(None, map(environment.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    tag = said.partition(".")[0].partition("@")[0].replace("_", "-")
    tag = "zh-Hant" if tag in {"zh-TW", "zh-HK", "zh-MO"} else tag
    spoken = [each for each in languages if each == tag]
    spoken += [each for each in languages if each.partition("-")[0] == tag.partition("-")[0]]
    return next(iter(spoken or [each for each in languages if each == "en"] or languages))


def instant_us(text: str) -> int:
    """Read an ISO 8601 time as microseconds UTC; without a zone it is UTC.

    >>> instant_us("1970-01-02")
    86400000000

    Raises:
        ConfigError: it is something else.

    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is no time; write it as 2026-01-31 or 2026-01-31T08:00+08:00") from error
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return round(at.timestamp() * 1e6)
