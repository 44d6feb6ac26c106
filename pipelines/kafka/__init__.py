"""Kafka in and out: one port, two clients, a native Beam source and sink, local brokers."""
