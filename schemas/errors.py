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
