"""Local keys: an issuer that signs users' tokens, and one key per service. The same verification path as anywhere.

The files are made once and stay: tokens that were handed out keep working after a restart.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from jwt.algorithms import OKPAlgorithm

from deploy.local.processes import write_private

ISSUER = "https://issuer.eridu.local"
AUDIENCE = "eridu"


def ensure_keys(directory: Path, services: Iterable[str]) -> None:
    """Makes what is missing of the issuer's key, the services' keys and the two files with their public halves."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    issuer = _load_or_make(directory / "issuer.pem")
    _publish(directory / "issuer.jwks.json", [_public_jwk(issuer, _issuer_kid(issuer))])
    keys = {name: _load_or_make(directory / f"{name}.pem") for name in sorted(services)}
    _publish(directory / "services.jwks.json", [_public_jwk(key, f"service:{name}") for name, key in keys.items()])


def user_token(
    keys_dir: Path, ext_id: str, name: str = "", email: str = "", email_verified: bool = True, ttl: int = 3600
) -> str:
    """A bearer token for a user, as the identity provider of a real house would sign it.

    Without a name and an e-mail address the user gets ones made from `ext_id`.
    """
    key = _load(keys_dir / "issuer.pem")
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": ext_id,
        "iat": now,
        "nbf": now,
        "exp": now + ttl,
        "email": email or (ext_id if "@" in ext_id else f"{ext_id}@eridu.local"),
        "email_verified": email_verified,
        "name": name or ext_id.partition("@")[0],
    }
    return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": _issuer_kid(key), "typ": "JWT"})


def _load_or_make(path: Path) -> Ed25519PrivateKey:
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        write_private(draft, pem.decode())
        # A link, not a rename: of two that make the key at once, the first one wins and both use its key.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return _load(path)


def _load(path: Path) -> Ed25519PrivateKey:
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"{path} is not an Ed25519 key")
    return key


def _public_jwk(key: Ed25519PrivateKey, kid: str) -> dict[str, Any]:
    return {**OKPAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "alg": "EdDSA", "use": "sig"}


def _issuer_kid(key: Ed25519PrivateKey) -> str:
    """From the key itself: a new key never hides behind the cached public half of an old one."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    return f"local-{digest.finalize().hex()[:16]}"


def _publish(path: Path, keys: list[dict[str, Any]]) -> None:
    text = json.dumps({"keys": keys}, indent=2) + "\n"
    if not path.exists() or path.read_text() != text:
        write_private(path, text)
