"""The desk: a read model of the topics, and the actions of people as events on Kafka."""
