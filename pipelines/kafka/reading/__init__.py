"""Kafka into Beam: positions, sources, bounded reading."""
