"""ISO 20022 messages as others write them: read once, safely, into what Stopline knows."""
