"""The legal engine as a Beam job: from signed orders on Kafka to measures, replies and refunds."""
