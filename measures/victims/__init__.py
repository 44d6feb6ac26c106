"""When and how a probable victim may be spoken to."""
