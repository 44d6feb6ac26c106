"""How it flows: Kafka source and sink, decode, ledgers, score, decide, dissuade, jobs, replay."""
