from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from deploy.local import keys
from libs.common import tokens
from libs.common.config import Config
from libs.common.errors import Unauthenticated, Unavailable
from libs.common.tokens import KeySet, ServiceToken, Verifier

TEXT: tuple[str, str, dict[str, str]] = ("UNAUTHENTICATED", "a valid bearer token is needed", {})


@pytest.fixture(scope="module")
def key_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    keys.ensure_keys(folder, ["production", "tasks"])
    return folder


@pytest.fixture(scope="module")
def config(key_folder: Path) -> Config:
    return Config(
        database_url="",
        jwks_url=(key_folder / "issuer.jwks.json").as_uri(),
        services_jwks_url=(key_folder / "services.jwks.json").as_uri(),
        service_key=str(key_folder / "production.pem"),
    )


@pytest.fixture
def verifier(config: Config) -> Verifier:
    return Verifier(config)


class Issuer:
    """Signs whatever a test wants signed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kid = str(json.loads((folder / "issuer.jwks.json").read_text())["keys"][0]["kid"])

    def key(self, name: str) -> Any:
        return load_pem_private_key((self.folder / f"{name}.pem").read_bytes(), password=None)

    def sign(self, claims: dict[str, Any], kid: Any = None, key: Any = None, **header: Any) -> str:
        return jwt.encode(claims, key or self.key("issuer"), "EdDSA", headers={"kid": kid or self.kid, **header})

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Sound claims but for what is changed; None leaves one out."""
        now = int(time.time())
        sound = {"iss": keys.ISSUER, "aud": keys.AUDIENCE, "sub": "ann", "iat": now, "exp": now + 600}
        return {name: value for name, value in {**sound, **changed}.items() if value is not None}

    def service_claims(self, name: str, **changed: Any) -> dict[str, Any]:
        return self.claims(**{"iss": f"eridu:service:{name}", "sub": f"service:{name}", **changed})


@pytest.fixture(scope="module")
def issuer(key_folder: Path) -> Issuer:
    return Issuer(key_folder)


async def refusal(verifier: Verifier, token: str) -> tuple[str, str, dict[str, str]]:
    with pytest.raises(Unauthenticated) as refused:
        await verifier.verify(token)
    return refused.value.reason, refused.value.message, refused.value.facts


def by_hand(header: Any, claims: Any, signature: bytes = b"x" * 64) -> str:
    """A token put together without a library that would refuse to."""

    def part(value: Any) -> str:
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    return ".".join(part(value) for value in (header, claims, signature))


async def test_a_users_token_names_its_subject(verifier: Verifier, key_folder: Path):
    claims = await verifier.verify(keys.user_token(key_folder, "ann"))
    assert (claims.subject, claims.service) == ("ann", False)


async def test_a_services_token_names_the_service(verifier: Verifier, config: Config):
    claims = await verifier.verify(ServiceToken(config, "production").current())
    assert (claims.subject, claims.service) == ("production", True)


BAD_CLAIMS: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://elsewhere"},
    "another audience": {"aud": "elsewhere"},
    "an audience that is no text": {"aud": 5},
    "expired": {"exp": int(time.time()) - 60, "iat": int(time.time()) - 120},
    "from the future": {"iat": int(time.time()) + 300},
    "not yet good": {"nbf": int(time.time()) + 300},
    "without expiry": {"exp": None},
    "expiry that is no number": {"exp": "soon"},
    "expiry beyond all numbers": {"exp": float("inf")},
    "without issuer": {"iss": None},
    "without audience": {"aud": None},
    "without subject": {"sub": None},
    "without time of issue": {"iat": None},
    "an empty subject": {"sub": ""},
    "a subject that is no text": {"sub": 7},
    "a subject that is too long": {"sub": "x" * 129},
}


@pytest.mark.parametrize("changed", BAD_CLAIMS.values(), ids=BAD_CLAIMS)
async def test_bad_claims_are_refused_with_the_one_text(verifier: Verifier, issuer: Issuer, changed: dict[str, Any]):
    assert await refusal(verifier, issuer.sign(issuer.claims(**changed))) == TEXT


@pytest.mark.parametrize("kid", ["nobody", "../../etc/passwd", "' OR 1=1 --", "service:nobody", "x" * 4000])
async def test_an_unknown_key_id_is_refused(verifier: Verifier, issuer: Issuer, kid: str):
    assert await refusal(verifier, issuer.sign(issuer.claims(), kid=kid)) == TEXT


async def test_a_token_of_a_key_that_only_calls_itself_known_is_refused(verifier: Verifier, issuer: Issuer):
    stranger = Ed25519PrivateKey.generate()
    assert await refusal(verifier, issuer.sign(issuer.claims(), key=stranger)) == TEXT
    lures = {"jku": "https://elsewhere/keys", "jwk": {"kty": "OKP"}, "x5u": "https://elsewhere/cert"}
    assert await refusal(verifier, issuer.sign(issuer.claims(), key=stranger, **lures)) == TEXT


async def test_an_unsigned_token_is_refused(verifier: Verifier, issuer: Issuer):
    for name in ("none", "None", "NONE", "", None, ["EdDSA"]):
        header = {"alg": name, "kid": issuer.kid, "typ": "JWT"}
        assert await refusal(verifier, by_hand(header, issuer.claims(), b"")) == TEXT


async def test_the_public_key_is_no_password(verifier: Verifier, issuer: Issuer):
    public = issuer.key("issuer").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    unsigned = by_hand({"alg": "HS256", "kid": issuer.kid, "typ": "JWT"}, issuer.claims()).rpartition(".")[0]
    signature = hmac.new(public, unsigned.encode(), hashlib.sha256).digest()
    token = f"{unsigned}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    assert await refusal(verifier, token) == TEXT


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "x" * 1_000_000,
        "ä.ö.ü",
        "\0",
        by_hand(b"[" * 5000, {}),
        by_hand([], {}),
        by_hand({"alg": "EdDSA", "kid": {"a": 1}}, {}),
        by_hand({"alg": "EdDSA", "kid": 5}, b"\xff"),
    ],
    ids=str.__len__,
)
async def test_what_is_no_token_is_refused(verifier: Verifier, token: str):
    assert await refusal(verifier, token) == TEXT


async def test_a_changed_token_is_refused(verifier: Verifier, issuer: Issuer):
    head, _, tail = issuer.sign(issuer.claims()).split(".")
    other = base64.urlsafe_b64encode(json.dumps(issuer.claims(sub="root")).encode()).rstrip(b"=").decode()
    assert await refusal(verifier, f"{head}.{other}.{tail}") == TEXT


async def test_a_service_can_only_speak_for_itself(verifier: Verifier, issuer: Issuer):
    key = issuer.key("production")
    for kid, claims in (
        ("service:production", issuer.service_claims("production", sub="service:tasks")),
        ("service:production", issuer.service_claims("production", sub="production")),
        ("service:production", issuer.service_claims("tasks")),
        ("service:tasks", issuer.service_claims("tasks")),
        ("service:production", issuer.claims()),
        (issuer.kid, issuer.claims()),
    ):
        assert await refusal(verifier, issuer.sign(claims, kid=kid, key=key)) == TEXT


async def test_the_issuer_of_users_cannot_make_services(verifier: Verifier, issuer: Issuer):
    token = issuer.sign(issuer.service_claims("production"), kid="service:production")
    assert await refusal(verifier, token) == TEXT
    dressed = await verifier.verify(issuer.sign(issuer.claims(sub="service:production")))
    assert (dressed.subject, dressed.service) == ("service:production", False)


async def test_a_token_that_was_good_ends_all_the_same(
    verifier: Verifier, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
):
    token = issuer.sign(issuer.claims())
    await verifier.verify(token)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 600 + tokens.LEEWAY + 1)
    assert await refusal(verifier, token) == TEXT
    assert token not in verifier.verified


async def test_a_service_token_is_renewed_before_it_ends(config: Config, monkeypatch: pytest.MonkeyPatch):
    token = ServiceToken(config, "production")
    first = token.current()
    assert token.current() == first
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + tokens.SERVICE_TTL * 0.6)
    assert token.current() != first


class Counted(KeySet):
    """A key set that counts how often it is fetched."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.fetches = 0

    def fetch(self) -> str:
        self.fetches += 1
        return super().fetch()


async def test_many_first_calls_share_one_fetch(config: Config, issuer: Issuer):
    known = Counted(config.jwks_url)
    found = await asyncio.gather(*(known.key(issuer.kid) for _ in range(50)))
    assert all(found)
    assert known.fetches == 1


@pytest.mark.parametrize("broken", [None, "", "no json", "[]", '{"keys": []}', '{"keys": [{"kty": "odd"}]}'])
async def test_known_keys_stay_when_the_key_set_is_away_and_nobody_can_hammer_it(
    config: Config, issuer: Issuer, tmp_path: Path, broken: str | None, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "keys.json"
    path.write_text((issuer.folder / "issuer.jwks.json").read_text())
    known = Counted(path.as_uri())
    assert await known.key(issuer.kid)
    path.unlink() if broken is None else path.write_text(broken)
    known.next_fetch = 0.0  # the interval is over
    for _ in range(20):
        assert await known.key("nobody") is None
    assert known.fetches == 2
    assert await known.key(issuer.kid)


async def test_without_any_key_nobody_is_judged(tmp_path: Path, issuer: Issuer):
    path = tmp_path / "keys.json"
    known = Counted(path.as_uri())
    for _ in range(20):
        with pytest.raises(Unavailable) as refused:
            await known.key(issuer.kid)
        assert refused.value.reason == "KEYS_UNAVAILABLE"
    assert known.fetches == 1
    path.write_text((issuer.folder / "issuer.jwks.json").read_text())
    known.next_fetch = 0.0
    assert await known.key(issuer.kid)


async def test_a_new_key_is_found_without_a_restart(tmp_path: Path, issuer: Issuer):
    path = tmp_path / "keys.json"
    path.write_text((issuer.folder / "services.jwks.json").read_text())
    known = Counted(path.as_uri())
    assert await known.key(issuer.kid) is None
    path.write_text((issuer.folder / "issuer.jwks.json").read_text())
    known.next_fetch = 0.0
    assert await known.key(issuer.kid)


async def test_a_key_that_was_withdrawn_is_gone_with_time_and_so_is_what_it_signed(
    config: Config, issuer: Issuer, tmp_path: Path
):
    path = tmp_path / "keys.json"
    path.write_text((issuer.folder / "issuer.jwks.json").read_text())
    verifier = Verifier(config.model_copy(update={"jwks_url": path.as_uri()}))
    token = issuer.sign(issuer.claims())
    assert (await verifier.verify(token)).subject == "ann"
    path.write_text(json.dumps({"keys": [public_jwk(rsa.generate_private_key(65537, 2048), "RS256", "next")]}))
    assert (await verifier.verify(token)).subject == "ann"
    verifier.users.old_at = 0.0  # some minutes later
    await verifier.verify(token)
    assert verifier.users.renewing is not None
    await verifier.users.renewing
    assert await refusal(verifier, token) == TEXT


def public_jwk(key: Any, algorithm: str, kid: str) -> dict[str, Any]:
    kind: Any = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm}[algorithm]
    return {**kind.to_jwk(key.public_key(), as_dict=True), "kid": kid, "alg": algorithm}


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_other_issuers_sign_with_rsa_or_elliptic_curves(
    config: Config, issuer: Issuer, tmp_path: Path, algorithm: str
):
    key: Any = (
        rsa.generate_private_key(65537, 2048) if algorithm == "RS256" else ec.generate_private_key(ec.SECP256R1())
    )
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [public_jwk(key, algorithm, "theirs")]}))
    verifier = Verifier(config.model_copy(update={"jwks_url": path.as_uri()}))
    token = jwt.encode(issuer.claims(email="a@b.example", email_verified=True), key, algorithm, {"kid": "theirs"})
    claims = await verifier.verify(token)
    assert (claims.subject, claims.email, claims.email_verified) == ("ann", "a@b.example", True)
    foreign: Any = rsa.generate_private_key(65537, 2048)
    assert await refusal(verifier, jwt.encode(issuer.claims(), foreign, "RS256", {"kid": "theirs"})) == TEXT


@pytest.mark.parametrize("verified", ["true", 1, None, "yes"])
async def test_only_a_plain_true_verifies_an_address(verifier: Verifier, issuer: Issuer, verified: Any):
    claims = await verifier.verify(issuer.sign(issuer.claims(email="a@b.example", email_verified=verified)))
    assert not claims.email_verified


@pytest.mark.parametrize("url", ["http://127.0.0.1/keys", "ftp://127.0.0.1/keys", "data:,{}", "/etc/passwd"])
def test_keys_come_from_https_or_a_file_only(url: str):
    with pytest.raises(ValueError, match="https: or file:"):
        KeySet(url)
