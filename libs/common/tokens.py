"""Tokens: who a bearer token speaks for.

Users bring a JWT of the configured issuer. A service mints short tokens of its own with its private key; the others
know the public keys. Both are verified the same way, and there is no switch that turns it off.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

import jwt

from libs.common import uids
from libs.common.config import Config
from libs.common.errors import Unauthenticated, Unavailable

log = logging.getLogger(__name__)

ALGORITHMS = ["EdDSA", "ES256", "RS256"]
LEEWAY = 30  # seconds that clocks may differ
SERVICE_TTL = 60  # seconds
REFETCH = 30.0  # seconds between two fetches of a key set at the least
OLD = 300.0  # seconds after which known keys are fetched again: a key that was withdrawn is gone then
RETRY = 1.0  # seconds between them as long as no key is known
LARGEST_SET = 1024**2  # bytes
LONGEST = 8 * 1024  # bytes of a token
LONGEST_EMAIL = 254
REMEMBERED = 4096  # verified tokens kept until they expire


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says: the subject, and when it ends (seconds since 1970)."""

    subject: str
    expires: float
    service: bool = False
    email: str = ""
    email_verified: bool = False


class KeySet:
    """Public keys by id, fetched from a URL, kept while the URL is away, fetched again for an unknown id and with time.

    `changed` is called when the keys are others than before: what was verified with a key that is gone counts no more.
    """

    def __init__(self, url: str, changed: Callable[[], None] = lambda: None) -> None:
        if url and not url.startswith(("https:", "file:")):
            raise ValueError(f"keys are fetched from https: or file: only, not from {url!r}")
        self.url = url
        self.changed = changed
        self.document = ""
        self.keys: dict[str, jwt.PyJWK] = {}
        self.next_fetch = 0.0  # monotonic seconds
        self.old_at = math.inf  # monotonic seconds
        self.fetching = asyncio.Lock()
        self.renewing: asyncio.Task[None] | None = None

    async def key(self, kid: str) -> jwt.PyJWK | None:
        """The key of this id, or None; Unavailable while no key at all could be fetched."""
        if kid not in self.keys:
            async with self.fetching:  # those who come meanwhile wait for the one fetch
                if kid not in self.keys and time.monotonic() >= self.next_fetch:
                    await self.refresh()
            if not self.keys:
                raise Unavailable("KEYS_UNAVAILABLE", "the issuer's keys cannot be fetched")
        return self.keys.get(kid)

    def renew(self) -> None:
        """Begin to fetch keys again that are old; nobody waits for it, they are good still."""
        if time.monotonic() >= self.old_at and (self.renewing is None or self.renewing.done()):
            self.renewing = asyncio.create_task(self.refresh())

    async def refresh(self) -> None:
        """Fetch the keys; those that are known stay when it fails."""
        try:
            document = await asyncio.to_thread(self.fetch)
            self.keys = {key.key_id: key for key in jwt.PyJWKSet.from_json(document).keys if key.key_id}
            if document != self.document:
                self.document = document
                self.changed()
        except Exception as error:  # away, or whatever else than a key set stands there
            log.warning("no keys from %s: %s", self.url, type(error).__name__)
        self.next_fetch = time.monotonic() + (REFETCH if self.keys else RETRY)
        self.old_at = time.monotonic() + OLD

    def fetch(self) -> str:
        """Read the key set."""
        with urlopen(self.url, timeout=3) as answer:
            return str(answer.read(LARGEST_SET).decode())


class Verifier:
    """Verifies bearer tokens of users and of services."""

    def __init__(self, config: Config) -> None:
        self.audience = config.audience
        self.issuer = config.issuer
        self.verified: dict[str, Claims] = {}
        self.users = KeySet(config.jwks_url, self.verified.clear)
        self.services = KeySet(config.services_jwks_url, self.verified.clear)

    async def verify(self, token: str) -> Claims:
        """The token's claims; Unauthenticated, with one text for all causes, when anything about it is wrong."""
        self.users.renew()
        self.services.renew()
        claims = self.verified.get(token)
        if claims is None:
            claims = await self.check(token)
            if len(self.verified) >= REMEMBERED:
                self.verified.clear()
            self.verified[token] = claims
        if claims.expires + LEEWAY < time.time():
            del self.verified[token]
            raise unauthenticated()
        return claims

    async def check(self, token: str) -> Claims:
        """Verify signature and claims."""
        if len(token) > LONGEST:
            raise unauthenticated()
        try:
            header = jwt.get_unverified_header(token)
            kid = str(header.get("kid", ""))
            service = kid.startswith("service:")
            key = await (self.services if service else self.users).key(kid)
            if key is None or header.get("alg") != key.algorithm_name:
                raise unauthenticated()
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self.audience,
                issuer=f"eridu:{kid}" if service else self.issuer,
                leeway=LEEWAY,
                options={"require": ["exp", "iat", "sub", "aud", "iss"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise unauthenticated() from error
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= 128 or (service and subject != kid):
            raise unauthenticated()
        if service:
            return Claims(subject.removeprefix("service:"), float(claims["exp"]), service=True)
        email = claims.get("email")
        return Claims(
            subject,
            float(claims["exp"]),
            email=email if isinstance(email, str) and len(email) <= LONGEST_EMAIL else "",
            email_verified=claims.get("email_verified") is True,
        )


class ServiceToken:
    """The bearer token with which this service calls the others; renewed before it ends."""

    def __init__(self, config: Config, service: str) -> None:
        self.name = f"service:{service}"
        self.audience = config.audience
        with open(config.service_key, "rb") as file:
            self.key = file.read()
        self.token = ""
        self.expires = 0.0

    def current(self) -> str:
        """A token that is good for at least half a minute."""
        now = time.time()
        if self.expires - now < SERVICE_TTL / 2:
            self.expires = now + SERVICE_TTL
            claims = {
                "iss": f"eridu:{self.name}",
                "aud": self.audience,
                "sub": self.name,
                "iat": int(now),
                "exp": int(self.expires),
                "jti": uids.new_uuid(),
            }
            self.token = jwt.encode(claims, self.key, "EdDSA", headers={"kid": self.name})
        return self.token


def unauthenticated() -> Unauthenticated:
    """The one refusal for every token that is not good."""
    return Unauthenticated("UNAUTHENTICATED", "a valid bearer token is needed")
