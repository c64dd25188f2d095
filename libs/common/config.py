"""Settings of one service process: environment variables that begin with `ERIDU_`."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Config(BaseSettings):
    """Everything a service process is told from outside. A missing value stops it with the variable's name."""

    model_config = SettingsConfigDict(env_prefix="ERIDU_", frozen=True)

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

    identity_address: str = "127.0.0.1:0"
    scheduling_address: str = "127.0.0.1:0"
    production_address: str = "127.0.0.1:0"
    tasks_address: str = "127.0.0.1:0"

    admin_ext_id: str = Field(default="", description="identity: this token subject is a system admin")
    reflection: bool = Field(default=False, description="serve gRPC reflection (not in production)")
    stream_replicas: int = Field(default=1, ge=1, le=5, description="copies of each JetStream stream")
    principal_ttl: float = Field(default=5.0, description="seconds that a caller's rights are cached at most")
    pool_size: int = Field(default=10, ge=1, description="connections for writing, and as many for reading")
    max_running: int = Field(default=64, ge=1, description="calls worked on at once")
    max_waiting: int = Field(default=512, ge=0, description="calls that may wait; more are RESOURCE_EXHAUSTED")
    log_format: str = Field(default="json", pattern="^(json|text)$")
    log_level: str = "INFO"

    def address_of(self, service: str) -> str:
        """Where a neighbour listens."""
        return str(getattr(self, f"{service}_address"))
