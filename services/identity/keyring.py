"""The key ring: secrets are sealed in an envelope. Each secret has a key of its own, which a key of the ring wraps.

The keys of the ring come from configuration and are in no database. Rotation puts a new key in front of the ring and
wraps the secrets' keys again (`python -m services.identity rewrap`); the secrets themselves stay as they are.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from libs.common.errors import Unavailable

KEY = 32  # bytes: AES-256
NONCE = 12  # bytes, random, in front of each ciphertext


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret as the database has it: the ring's key by id, the secret's own key under it, the secret under that."""

    key_id: str
    wrapped_key: bytes
    ciphertext: bytes


class Keyring:
    """Seals and opens. The place that a secret belongs to is bound into its seal: moved elsewhere, it does not open."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self.keys = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self.current = next(iter(keys), "")

    @classmethod
    def of(cls, setting: str) -> Keyring:
        """From `id:base64,id:base64`: the first key seals, the others still open. ValueError for anything else."""
        keys: dict[str, bytes] = {}
        for part in filter(None, (part.strip() for part in setting.split(","))):
            key_id, _, encoded = part.partition(":")
            key = b""
            with suppress(ValueError):
                key = base64.b64decode(encoded, validate=True)
            if not key_id or len(key) != KEY or key_id in keys:
                raise ValueError(f"a key ring is `id:base64 of {KEY} bytes`, several with commas, each id once")
            keys[key_id] = key
        return cls(keys)

    def seal(self, secret: bytes, place: str) -> Sealed:
        """Seal a secret under a new key of its own."""
        key = AESGCM.generate_key(KEY * 8)
        return Sealed(
            self.current,
            encrypt(self.key(self.current), key, f"{self.current}|{place}"),
            encrypt(AESGCM(key), secret, place),
        )

    def open(self, sealed: Sealed, place: str) -> bytes:
        """The secret."""
        return decrypt(AESGCM(self.unwrap(sealed, place)), sealed.ciphertext, place)

    def rewrap(self, sealed: Sealed, place: str) -> Sealed:
        """The same secret under the current key of the ring."""
        key = self.unwrap(sealed, place)
        wrapped = encrypt(self.key(self.current), key, f"{self.current}|{place}")
        return Sealed(self.current, wrapped, sealed.ciphertext)

    def unwrap(self, sealed: Sealed, place: str) -> bytes:
        """The secret's own key."""
        return decrypt(self.key(sealed.key_id), sealed.wrapped_key, f"{sealed.key_id}|{place}")

    def key(self, key_id: str) -> AESGCM:
        """A key of the ring; Unavailable when the configuration does not have it."""
        if key_id not in self.keys:
            raise Unavailable("SECRET_KEY_MISSING", "the key for this secret is not configured", key_id=key_id)
        return self.keys[key_id]


def encrypt(cipher: AESGCM, plaintext: bytes, place: str) -> bytes:
    """Nonce and ciphertext."""
    nonce = os.urandom(NONCE)
    return nonce + cipher.encrypt(nonce, plaintext, place.encode())


def decrypt(cipher: AESGCM, blob: bytes, place: str) -> bytes:
    """The plaintext; Unavailable when the blob was not sealed for this place with this key."""
    try:
        return cipher.decrypt(blob[:NONCE], blob[NONCE:], place.encode())
    except InvalidTag as error:
        raise Unavailable(
            "SECRET_UNREADABLE", "this secret was sealed with another key, or for another place"
        ) from error
