"""Stopline on Apache Flink: a cluster of this machine (`cluster`), its Python workers and its jobs."""
