"""The ladder of warnings as a Beam job, and the channels that carry its tries out."""
