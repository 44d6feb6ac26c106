"""Actions: what a person may decide, what it would do, and how it becomes an event on Kafka."""
