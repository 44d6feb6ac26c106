"""`stopline flink`: a Flink cluster on this machine and the jobs on it."""
