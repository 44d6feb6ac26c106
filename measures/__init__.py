"""What the law allows: orders, state machines, clocks, tracing, allocation."""
