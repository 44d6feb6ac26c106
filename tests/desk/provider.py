"""A simulated OpenID provider: metadata, authorization code with PKCE, tokens signed with its key."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "stopline-desk", "s3cret"


@dataclass
class Provider:
    """What the provider says of the person who signs in; `forged` signs with a key that nobody knows."""

    issuer: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    wrong: dict[str, Any] = field(default_factory=dict)
    forged: bool = False
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k1"}))
    asked: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: int = 0

    def signed_in(self, location: str) -> str:
        """Sign the person in at the address the desk sent them to; returns where they are sent back to."""
        parts = urlsplit(location)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        code = f"code-{len(self.asked)}"
        self.asked[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, form: dict[str, str], head: str) -> tuple[int, dict[str, Any]]:
        """Give a token for a code, once, to the client it was given to."""
        known = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        asked = self.asked.pop(form.get("code", ""), None)
        if asked is None or head != f"Basic {known}":
            return 401, {"error": "invalid_client"}
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        self.tokens += 1
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "sub": "u-1", "iat": now, "exp": now + 60,
            "nonce": asked["nonce"], **self.claims, **self.wrong,
        }  # fmt: skip
        key = RSAKey.generate_key(2048, {"kid": "k1"}) if self.forged else self.key
        id_token = jwt.encode({"alg": "RS256", "kid": "k1"}, claims, key)
        return 200, {"access_token": "a", "token_type": "Bearer", "expires_in": 60, "id_token": id_token}


@contextmanager
def provided() -> Iterator[Provider]:
    """Run a provider while the block runs."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/jwks":
                self._say(200, {"keys": [provider.key.as_dict(private=False)]})
                return
            self._say(200, {
                "issuer": provider.issuer, "authorization_endpoint": f"{provider.issuer}/authorize",
                "token_endpoint": f"{provider.issuer}/token", "jwks_uri": f"{provider.issuer}/jwks",
                "id_token_signing_alg_values_supported": ["RS256"],
            })  # fmt: skip

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._say(*provider.token(form, self.headers.get("authorization", "")))

        def _say(self, status: int, record: dict[str, Any]) -> None:
            body = json.dumps(record).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
