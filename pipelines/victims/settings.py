"""What the victims job needs to know."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from measures.law.country_file import SHIPPED, Laws
from measures.victims.climb import Rules
from pipelines.kafka.port import KafkaSettings
from pipelines.kafka.reading.bounds import Bound
from pipelines.policy import Policy
from pipelines.received import wall_clock_us
from pipelines.victims.journal import Parties, past
from schemas.errors import ConfigError


@dataclass(frozen=True)
class VictimsSettings:
    """What the job needs to know.

    Attributes:
        kafka: brokers and group.
        policy: law and language of clues, and the words.
        laws: country files, by value.
        sender: registered name that messages go out under.
        hold_out_percent: of parties that are told nothing at severity 1 and 2.
        journal: what topic `contacts` held when the job was built; empty to start afresh.
        clock: microseconds UTC; 0 to know only what the messages say.
        ticks: wake parties by messages instead of Beam's timers; for the in-process runner.
        in_flight: folder where the job's processes note what they work on; "" for nowhere.

    """

    kafka: KafkaSettings
    policy: Policy
    laws: Laws = SHIPPED
    sender: str = ""
    hold_out_percent: int = 5
    journal: tuple[Bound, ...] = ()
    clock: Callable[[], int] = wall_clock_us
    ticks: bool = False
    in_flight: str = ""

    def past(self) -> Parties:
        """Read what the journal says."""
        return past(self.kafka, self.journal)

    def rules(self, jurisdiction: str) -> Rules:
        """Return the rules of a country; of the policy's if it is "".

        Raises:
            ConfigError: there is no such country file.

        """
        own = self.policy.law
        law = own if jurisdiction in ("", own.id) else self.laws.of(jurisdiction)
        return Rules(law, self.policy.words.victims, self.sender, self.hold_out_percent)


def check_sender(policy: Policy, sender: str, at_us: int) -> None:
    """Compare the sender's name with the form that the country's register asks for.

    Raises:
        ConfigError: it has another form, or is missing where one is asked for.

    """
    form = policy.law.on(at_us).warning.sender
    if form and not re.fullmatch(form, sender):
        said = f"--sender {sender!r}" if sender else "--sender is missing: it"
        raise ConfigError(
            f"{said} has not the form {form} of {policy.law.id}'s registered sender names; give the name "
            "your messages are registered under"
        )
