"""The options of the jobs: name, default and help; each has our own prefix, as Beam owns the plain names.

Beam, which takes seconds to load, is not needed to say them.
"""

from argparse import ArgumentParser


def add(parser: ArgumentParser) -> None:
    """Add every option of the main job to a parser."""
    parser.add_argument("--kafka_brokers", default="", help="host:port[,host:port]")
    parser.add_argument("--kafka_group", default="stopline", help="group that offsets are committed for")
    parser.add_argument(
        "--kafka_client",
        default="auto",
        choices=("auto", "confluent", "kafka-python"),
        help="library: auto takes confluent-kafka where it is installed",
    )
    parser.add_argument(
        "--kafka_security",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="librdkafka security key, e.g. sasl.mechanism=PLAIN, or KEY=@FILE, or @FILE with a line "
        "KEY=VALUE each; may be repeated",
    )
    parser.add_argument("--kafka_security_file", default="", help="the same as --kafka_security @FILE")
    parser.add_argument(
        "--seal_key",
        default="",
        metavar="FILE",
        help="file of the jobs' key (stopline tokens keygen FILE): what they write to measures and "
        "traces is sealed, and nothing else there is believed",
    )
    parser.add_argument(
        "--kafka_payments_topic",
        default="",
        metavar="TOPIC",
        help="topic that payments come on, by default payments; JSON or ISO 20022, whichever",
    )
    parser.add_argument(
        "--token_keys",
        default="",
        metavar="FILE",
        help="file of secrets (stopline tokens keygen FILE), your producer's: parties and accounts of "
        "ISO 20022 messages and numbers in clear of clues become tokens with it",
    )
    parser.add_argument(
        "--token_epoch", default="", help="epoch of the secret in --token_keys; the newest if not given"
    )
    parser.add_argument(
        "--clues_subscriptions",
        default="",
        metavar="FILE",
        help="file of the subscriptions to operators' notifications, a line each: whose it is, and until "
        "when; events of CAMARA name the subscription alone",
    )
    parser.add_argument(
        "--network_file",
        default="",
        metavar="FILE",
        help="file that names an operator's network API (docs/warnings.md), asked about payers in doubt; "
        "no payment waits longer than 150 ms for it",
    )
    parser.add_argument(
        "--kafka_start",
        default="",
        help="committed, earliest, latest or microseconds UTC; a group that never committed has to say "
        "where it begins on topics that hold something",
    )
    parser.add_argument(
        "--ledger_warmup_h",
        type=float,
        default=24.0,
        help="hours read again after a restart of the in-process runner, to refill its ledgers",
    )
    parser.add_argument(
        "--ledger_warmup_from",
        default="topics",
        help="payments that refill ledgers after such a restart: topics, those of the last hours, or "
        "log, all that the decision log holds, which then keeps every payment",
    )
    parser.add_argument(
        "--clock_past_days",
        type=int,
        default=None,
        help="how many days before it was received an event may have happened, instead of the policy's "
        "`clock`; for a history that is sent as of today",
    )
    parser.add_argument(
        "--model_bundle", default="", help="directory of a model bundle, or the URL of one in an object store"
    )
    parser.add_argument(
        "--model_registry", default="", help="folder of a registry whose live bundle is followed, instead"
    )
    parser.add_argument(
        "--model_registry_trust",
        default="",
        metavar="FILE",
        help="file with the registry's pinned key and newest pointers; by default beside the folder",
    )
    parser.add_argument(
        "--law_dir", "--law-dir", default="", help="folder of your own country files, beside the shipped"
    )
    parser.add_argument("--policy_file", default="", help="your own YAML policy")
    parser.add_argument(
        "--country", default="", help="act by the shipped policy of a country, such as uk; cn if neither"
    )
    parser.add_argument(
        "--language", default="", help="of reasons and warnings, not the policy's, such as en"
    )
    parser.add_argument(
        "--institution",
        default="",
        metavar="CODE[,CODE]",
        help="BICs or national codes of your own: alerts and warnings are about accounts it keeps, and "
        "name only what it may do; about all accounts if not given",
    )
    parser.add_argument(
        "--ledger_shards",
        type=int,
        default=1,
        help="shards per ledger, fixed for a job's life; with one the hot path is one stage, more are "
        "for several subtasks or workers on Flink",
    )
    parser.add_argument(
        "--lists_follow",
        action="store_true",
        help="look accounts, payers and numbers up in the registry: topics suspicions and listings, "
        "which the casework job keeps; what follows says the policy's `lists`",
    )
    parser.add_argument(
        "--lists_snapshot",
        default="",
        metavar="FILE",
        help="begin with a snapshot of the registry (stopline listings snapshot) and follow its topics from "
        "there",
    )
    parser.add_argument(
        "--lists_keys", default="", metavar="FILE", help="public keys of who signs the snapshot"
    )
    parser.add_argument(
        "--decision_log",
        default="",
        help="folder for the daily Parquet decision log, or the URL of one in an object store",
    )
    parser.add_argument(
        "--decision_log_share", type=float, default=0.1, help="share of unflagged accounts it keeps"
    )


def options_told(*starting: str) -> str:
    """Say every option of a job in a line each, or those whose names start so, for the help of commands."""
    parser = ArgumentParser(add_help=False)
    add(parser)
    told = [(each.option_strings[0], each.help or "") for each in parser._actions]
    return "\n\n".join(
        f"{name}: {said}."
        for name, said in told
        if name.startswith(tuple(f"--{word}" for word in starting or ("",)))
    )
