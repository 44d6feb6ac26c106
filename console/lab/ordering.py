"""An order as its authority sends it."""

import time
from pathlib import Path

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from measures.authority.signing import sign
from pipelines.kafka.port import KafkaSettings, open_producer
from pipelines.kafka.preflight import require_listener
from schemas import strict_json, topics
from schemas.errors import ConfigError
from schemas.order import Order


def send_order(kafka: KafkaSettings, order: Path, key: Path) -> str:
    """Sign an order and send it to topic `orders`; returns its number.

    Raises:
        ConfigError: order or key cannot be used.
        BrokerError: nobody listens.

    """
    try:
        signing = msgspec.json.decode(strict_json.read(key), type=dict[str, str])
        private = OKPKey.import_key({"kty": "OKP", **signing})
        given = msgspec.json.decode(strict_json.read(order), type=Order)
        message = sign(given, private, signing.get("kid", ""))
    except (msgspec.MsgspecError, JoseError, ValueError) as error:
        raise ConfigError(
            f"{order} cannot be signed with {key}: {error}; write the order as in "
            "schemas/json/order.v1.json, and make a key with: stopline lifecycle keygen"
        ) from error
    require_listener(kafka)
    producer = open_producer(kafka)
    target = given.target.account_token.encode()
    producer.send(topics.ORDERS, target, message, (), time.time_ns() // 1000)
    producer.flush()
    return given.order_no
