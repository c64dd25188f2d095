"""The neighbours: one channel to each service that this one asks, and one way to ask.

A question carries this service's token, the token of the user it is asked for, the trace and what is left of the
deadline; with TLS, its channel shows this service's certificate too. A refusal comes back as the refusal that the
neighbour raised.
"""

from __future__ import annotations

import json
from typing import TypeVar

import grpc
from google.protobuf.message import Message

from libs.common.config import Config
from libs.common.rpc import tls
from libs.common.rpc.call import current
from libs.common.rpc.status import from_error
from libs.common.tokens import ServiceToken

Request = TypeVar("Request", bound=Message)
Answer = TypeVar("Answer", bound=Message)

TIMEOUT = 5.0  # seconds for a question that no call waits for
MARGIN = 0.02  # seconds kept back at each hop, so that the asker can still say which question was too slow

SERVICE_CONFIG = json.dumps(
    {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [
            {
                "name": [{}],
                "waitForReady": False,
                "retryPolicy": {
                    "maxAttempts": 3,
                    "initialBackoff": "0.05s",
                    "maxBackoff": "0.5s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ],
        "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
    }
)

OPTIONS = [
    ("grpc.service_config", SERVICE_CONFIG),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_receive_message_length", 32 * 1024**2),
    ("grpc.max_send_message_length", 4 * 1024**2),
]


class Neighbours:
    """Channels to the other services, for the process's life."""

    def __init__(self, config: Config, service: str) -> None:
        self.config = config
        self.token = ServiceToken(config, service)
        self.channels: dict[str, grpc.aio.Channel] = {}

    def channel(self, service: str) -> grpc.aio.Channel:
        """The channel to a service."""
        if service not in self.channels:
            address = self.config.address_of(service)
            if self.config.tls_cert:
                credentials = tls.channel_credentials(self.config)
                self.channels[service] = grpc.aio.secure_channel(address, credentials, options=OPTIONS)
            else:
                self.channels[service] = grpc.aio.insecure_channel(address, options=OPTIONS)
        return self.channels[service]

    async def ask(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Answer],
        request: Request,
        own_name: bool = False,
    ) -> Answer:
        """Ask a neighbour; raises its refusal, or Unavailable when it does not answer.

        Inside a user's call it is asked for that user; elsewhere, or with `own_name`, for this service itself.
        """
        call = current.get(None)
        metadata = [("authorization", f"Bearer {self.token.current()}")]
        timeout = TIMEOUT
        if call is not None:
            timeout = max(call.remaining() - MARGIN, 0)
            if call.user_token and not own_name:
                metadata.append(("eridu-user-authorization", f"Bearer {call.user_token}"))
            metadata += [("traceparent", value) for value in call.metadata.get("traceparent", [])[:1]]
        try:
            return await method(request, metadata=metadata, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            raise from_error(error) from error

    async def close(self) -> None:
        """Close all channels."""
        for channel in self.channels.values():
            await channel.close()
