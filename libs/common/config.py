"""Settings of one service process: environment variables that begin with `ERIDU_`."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Config(BaseSettings):
    """Everything a service process is told from outside. A missing value stops it with the variable's name."""

    # A refusal would show all that was given, passwords too.
    model_config = SettingsConfigDict(env_prefix="ERIDU_", frozen=True, hide_input_in_errors=True)

    database_url: str = Field(description="postgresql://…; `migrate` needs the owner's, the service its own role's")
    nats_url: str = Field(
        default="nats://127.0.0.1:4222", description="nats://user:password@host:port, several with commas"
    )
    listen: str = Field(default="127.0.0.1:0", description="host:port to serve gRPC on; port 0 takes a free one")

    issuer: str = Field(default="https://issuer.eridu.local", description="`iss` of user tokens")
    audience: str = Field(default="eridu", description="`aud` of user and service tokens")
    jwks_url: str = Field(default="", description="key set of the issuer (https: or file:)")
    services_jwks_url: str = Field(default="", description="public keys of the services (https: or file:)")
    service_key: str = Field(default="", description="path of this service's private key (Ed25519, PEM)")

    tls_cert: str = Field(
        default="",
        description="path of this process's certificate (PEM, with its chain): its URI SAN spiffe://eridu/<service> "
        "says who calls, its DNS or IP SANs which hosts it may answer for. With tls_key and tls_ca, all gRPC is mutual "
        "TLS; with none of the three, plaintext. The server takes new files without a restart, channels to neighbours "
        "show until a restart what they read at the start",
    )
    tls_key: str = Field(default="", description="path of the certificate's private key (PEM, not encrypted)")
    tls_ca: str = Field(default="", description="path of the authorities (PEM) that sign the certificates of all peers")

    identity_address: str = "127.0.0.1:0"
    scheduling_address: str = "127.0.0.1:0"
    production_address: str = "127.0.0.1:0"
    tasks_address: str = "127.0.0.1:0"

    secret_keys: SecretStr = Field(
        default=SecretStr(""),
        description="identity: key ring for secrets, `id:base64 of 32 bytes`, several with commas; the first one seals",
    )
    admin_ext_id: str = Field(default="", description="identity: this token subject is a system admin")
    reflection: bool = Field(default=False, description="serve gRPC reflection (not in production)")
    stream_replicas: int = Field(default=1, ge=1, le=5, description="copies of each JetStream stream")
    principal_ttl: float = Field(default=5.0, description="seconds that a caller's rights are cached at most")
    pool_size: int = Field(default=10, ge=1, description="connections for writing, and as many for reading")
    max_running: int = Field(default=64, ge=1, description="calls worked on at once")
    max_streams: int = Field(default=1000, ge=0, description="watches served at once; more are RESOURCE_EXHAUSTED")
    heartbeat: float = Field(default=15.0, gt=0, description="seconds after which a silent watch says that it lives")
    max_waiting: int = Field(default=512, ge=0, description="calls that may wait; more are RESOURCE_EXHAUSTED")
    log_format: str = Field(default="json", pattern="^(json|text)$")
    log_level: str = "INFO"

    @model_validator(mode="after")
    def require_all_of_tls(self) -> Self:
        """Refuse a half of TLS: it must not be taken for all of it, nor for plaintext."""
        files = {name: getattr(self, name) for name in ("tls_cert", "tls_key", "tls_ca")}
        missing = [f"ERIDU_{name.upper()}" for name, path in files.items() if not path]
        if 0 < len(missing) < len(files):
            raise ValueError(f"tls_cert, tls_key and tls_ca go together: {' and '.join(missing)} is missing")
        return self

    def address_of(self, service: str) -> str:
        """Where a neighbour listens."""
        return str(getattr(self, f"{service}_address"))
