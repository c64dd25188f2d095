"""The secrets of platforms: who may read them, and that they are nowhere else."""

from __future__ import annotations

import base64
import logging
import uuid
from collections.abc import AsyncIterator
from typing import Any

import grpc
import nats
import pytest
from eridu.common.v1 import access_pb2
from eridu.identity.v1.audit_service_pb2 import ListAuditsRequest
from eridu.identity.v1.membership_service_pb2 import GrantMembershipRequest
from eridu.identity.v1.platform_service_pb2 import (
    DeletePlatformRequest,
    GetPlatformRequest,
    ListPlatformsRequest,
    RevealApiConfigRequest,
    SetApiConfigRequest,
)
from google.protobuf.struct_pb2 import Struct
from sqlalchemy import text

from libs.common.bus import stream_of
from libs.common.db import Database
from services.identity.commands.secrets import rewrap_api_configs
from services.identity.keyring import Keyring
from tests.support.house import House
from tests.support.suite import SECRET_KEYS, Suite, refused, request_id, until


def config(**values: str) -> Struct:
    made = Struct()
    made.update(values)
    return made


@pytest.fixture
async def platform(house: House) -> Any:
    """A platform whose manager is the studio's manager too."""
    platform = await house.platform()
    uid = house.people["manager"].uid
    await house.root(GrantMembershipRequest(user_uid=uid, group_uid=platform.uid, role=access_pb2.ROLE_MANAGER))
    return platform


async def reveal(who: Any, platform: Any, reason: str = "to go on air") -> dict[str, Any]:
    return dict((await who(RevealApiConfigRequest(uid=platform.uid, reason=reason))).config)


async def test_a_manager_of_the_platform_sets_and_reveals_its_secrets(house: House, platform: Any):
    changed = await house.manager(SetApiConfigRequest(uid=platform.uid, config=config(token="one")))
    assert changed.HasField("api_config_set_at")
    assert await reveal(house.manager, platform) == {"token": "one"}
    await house.manager(SetApiConfigRequest(uid=platform.uid, config=config(token="two"), etag=changed.etag))
    assert await reveal(house.manager, platform) == {"token": "two"}
    stale = await refused(
        house.manager(SetApiConfigRequest(uid=platform.uid, config=config(token="three"), etag=changed.etag))
    )
    assert stale.reason == "STALE"
    removed = await house.manager(SetApiConfigRequest(uid=platform.uid))
    assert not removed.HasField("api_config_set_at")
    gone = await refused(house.manager(RevealApiConfigRequest(uid=platform.uid, reason="x")))
    assert (gone.code, gone.reason) == (grpc.StatusCode.NOT_FOUND, "API_CONFIG_NOT_FOUND")


async def test_nobody_else_reads_or_sets_them(house: House, platform: Any):
    await house.manager(SetApiConfigRequest(uid=platform.uid, config=config(token="one")))
    uid = house.people["member"].uid
    await house.root(GrantMembershipRequest(user_uid=uid, group_uid=platform.uid, role=access_pb2.ROLE_MEMBER))
    for request in (
        RevealApiConfigRequest(uid=platform.uid, reason="curious"),
        SetApiConfigRequest(uid=platform.uid, config=config(token="mine")),
    ):
        assert (await refused(house.member(request))).reason == "ROLE_TOO_LOW"
        assert (await refused(house.stranger(request))).reason == "PLATFORM_NOT_FOUND"
    assert await reveal(house.root, platform) == {"token": "one"}


async def test_a_reason_is_needed_and_in_the_trail(house: House, platform: Any):
    await house.manager(SetApiConfigRequest(uid=platform.uid, config=config(token="one"), reason="new contract"))
    nothing = await refused(house.manager(RevealApiConfigRequest(uid=platform.uid)))
    assert (nothing.reason, list(nothing.fields)) == ("REQUEST_INVALID", ["reason"])
    await reveal(house.manager, platform, "to go on air")

    async def told() -> Any:
        request = ListAuditsRequest(group_uid=platform.uid, entity_uid=platform.uid)
        audits = (await house.manager(request)).audits
        return len(audits) == 3 and audits

    revealed, was_set, _ = await until(told)
    assert (revealed.action, revealed.reason) == ("platform.api_config_revealed", "to go on air")
    assert (was_set.action, was_set.reason) == ("platform.api_config_set", "new contract")
    assert (was_set.old_values["api_config"], was_set.new_values["api_config"]) == (None, "•••")
    assert revealed.actor == was_set.actor == house.people["manager"].uid


@pytest.fixture
async def messages(suite: Suite) -> AsyncIterator[Any]:
    """Everything that identity's stream holds."""
    client = await nats.connect(suite.nats_url)

    async def read() -> bytes:
        info = await client.jetstream().stream_info(stream_of("identity"))
        found = []
        for sequence in range(info.state.first_seq, info.state.last_seq + 1):
            message = await client.jetstream().get_msg(stream_of("identity"), sequence)
            found.append((message.data or b"") + str(message.headers).encode())
        return b"".join(found)

    yield read
    await client.close()


async def test_the_secret_is_nowhere_in_plain_text(
    suite: Suite, house: House, platform: Any, messages: Any, caplog: pytest.LogCaptureFixture
):
    secret = f"secret-{uuid.uuid4().hex}"
    await until(nothing_waits(suite))
    with caplog.at_level(logging.DEBUG):
        request = SetApiConfigRequest(uid=platform.uid, config=config(token=secret), request_id=request_id())
        answer = await house.manager(request)
        assert await house.manager(request) == answer
        assert await reveal(house.manager, platform) == {"token": secret}
        await refused(house.stranger(request))
        await refused(house.manager(SetApiConfigRequest(uid=platform.uid, config=config(token=secret), etag="0")))
        read = [
            answer,
            await house.manager(GetPlatformRequest(uid=platform.uid)),
            await house.manager(ListPlatformsRequest(uids=[platform.uid])),
        ]
        await until(nothing_waits(suite))
    places = {
        "answers": str(read),
        "logs": caplog.text,
        "events": str(await messages()),
        "database": await dump(suite),
    }
    for encoded in (secret, base64.b64encode(secret.encode()).decode()[:-4], secret.encode().hex()):
        assert [place for place, content in places.items() if encoded in content] == []
    assert platform.uid in places["database"]
    assert platform.uid in places["events"]


def nothing_waits(suite: Suite) -> Any:
    """Whether all of identity's events are published and in the trail."""

    async def empty() -> bool:
        async with suite.processes["identity"].db.read() as reader:
            waiting = await reader.execute(text("SELECT (SELECT count(*) FROM outbox)"))
            missing = await reader.execute(
                text("SELECT count(*) FROM ledger WHERE event_uid NOT IN (SELECT event_uid FROM audit)")
            )
            return bool(waiting.scalar_one() == 0 and missing.scalar_one() == 0)

    return empty


async def dump(suite: Suite) -> str:
    """Every row of every table of identity, as text."""
    async with suite.processes["identity"].db.read() as reader:
        names = await reader.execute(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'identity'")
        )
        rows: list[str] = []
        for name in names.scalars().all():
            rows += (await reader.execute(text(f'SELECT CAST(t AS text) FROM identity."{name}" AS t'))).scalars().all()
    return "\n".join(rows)


async def test_rotation_wraps_every_secret_again_and_readers_notice_nothing(
    house: House, platform: Any, db: Database, suite: Suite
):
    await house.manager(SetApiConfigRequest(uid=platform.uid, config=config(token="one")))
    deleted = await house.platform()
    await house.root(SetApiConfigRequest(uid=deleted.uid, config=config(token="two")))
    await house.root(DeletePlatformRequest(uid=deleted.uid))
    new = f"next:{base64.b64encode(bytes([7]) * 32).decode()}"
    assert await rewrap_api_configs(db, Keyring.of(f"{new},{SECRET_KEYS}")) >= 2
    assert await rewrap_api_configs(db, Keyring.of(f"{new},{SECRET_KEYS}")) == 0
    lost = await refused(house.manager(RevealApiConfigRequest(uid=platform.uid, reason="x")))
    assert (lost.code, lost.reason) == (grpc.StatusCode.UNAVAILABLE, "SECRET_KEY_MISSING")
    assert await rewrap_api_configs(db, Keyring.of(f"{SECRET_KEYS},{new}")) >= 2
    assert await reveal(house.manager, platform) == {"token": "one"}

    async def told() -> Any:
        request = ListAuditsRequest(entity_uid=deleted.uid, action="platform.api_config_rewrapped")
        return len((await house.root(request)).audits) == 2

    assert await until(told)
