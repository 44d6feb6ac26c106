"""Errors a user or operator can meet.

    StoplineError
    ├── ConfigError        an option, policy or profile that cannot be used
    ├── SchemaError        a record that does not follow its contract
    ├── ModelError         a model bundle that must not be loaded
    ├── BrokerError        a broker that cannot be reached or used
    ├── StateError         stored state that is damaged, or of something else
    └── SinkError          a delivery that was not confirmed

Every message is one sentence: what was refused, the value, the rule, the next step.
Inside the stream refused records are values (`schemas.dead_letter`), never exceptions.
"""

import re

#: What a message quotes: from a quotation mark that begins a word to the last that ends one.
_NAMED = re.compile(r"(unknown field )`.*?`(?= - at `\$[^`]*`\Z|\Z)", re.DOTALL)
_QUOTED = re.compile(r"(?<!\w)'.*'(?!\w)", re.DOTALL)


class StoplineError(Exception):
    """Base of every error Stopline raises on purpose."""


class ConfigError(StoplineError):
    """An option, policy or profile that cannot be used."""


class SchemaError(StoplineError):
    """A record that does not follow its contract."""


class ModelError(StoplineError):
    """A model bundle that must not be loaded."""


class BrokerError(StoplineError):
    """A broker that cannot be reached or used."""


class StateError(StoplineError):
    """Stored state that cannot be used: damaged, or of another job, broker or release."""


class SinkError(StoplineError):
    """A delivery that was not confirmed; the bundle must be retried."""


def cause(error: Exception) -> str:
    """Return why a file cannot be used in one line, without the path: the caller names the file.

    >>> cause(FileNotFoundError(2, "No such file or directory", "a.yaml"))
    'No such file or directory'
    >>> import yaml
    >>> try:
    ...     yaml.safe_load("a: [")
    ... except yaml.YAMLError as error:
    ...     cause(error)
    "expected the node content, but found '<stream end>', line 1"
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return f"{error.problem}, line {mark.line + 1}"  # type: ignore[attr-defined]
    return " ".join(str(error).split())


def unquoted(said: str) -> str:
    """Take values, and names of fields that no contract has, out of what is said of a message.

    >>> unquoted("Invalid enum value 'it's a secret' - at `$.kind`")
    "Invalid enum value '...' - at `$.kind`"
    >>> unquoted("the payer's account isn't kept here")
    "the payer's account isn't kept here"
    >>> unquoted("Object contains unknown field `Zhang San` - at `$.facts`")
    'Object contains unknown field - at `$.facts`'
    """
    return _QUOTED.sub("'...'", _NAMED.sub(lambda found: found[1].rstrip(), said))
