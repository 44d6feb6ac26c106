"""Where a national platform would be connected.

No official interface is published (domain.md 1.10), so there is no implementation here: a platform's owner
supplies one. Codes, transport serials and seals of the platform stay on its side of this seam.
"""

from typing import Protocol

from measures.refusal import Refusal
from schemas.order import Order
from schemas.reply import Reply


class NationalPlatform(Protocol):
    """Translate between a national platform's messages and the neutral contracts."""

    def to_order(self, message: bytes) -> Order | Refusal:
        """Read one authenticated message of the platform."""
        ...

    def from_reply(self, reply: Reply) -> bytes:
        """Write one reply in the platform's form."""
        ...
