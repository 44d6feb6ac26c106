"""From a command to events and replies: intake, orders, clocks, answers."""
