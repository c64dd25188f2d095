"""Watching bookings: a snapshot, then every change, without a gap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from eridu.identity.v1.user_service_pb2 import BanUserRequest
from eridu.scheduling.v1.booking_service_pb2 import BookShowRequest, ReleaseShowRequest, WatchBookingsRequest
from google.protobuf.timestamp_pb2 import Timestamp

from libs.common import uids
from libs.common.process import Process
from services.scheduling.__main__ import compose
from tests.support.house import House, at, build_house
from tests.support.suite import As, Suite, refused, watch

ALL = Timestamp(seconds=1)


class Watcher:
    """Somebody who watches, and what is known from it."""

    def __init__(self, who: As, **wanted: Any) -> None:
        self.who = who
        self.wanted = {"ends_after": ALL, **wanted}
        self.known: dict[str, Any] = {}
        self.cursor = ""
        self.parts: list[Any] = []
        self.call: Any = None

    async def open(self, **more: Any) -> None:
        """Begin, or go on after the last cursor; until it is live."""
        self.call = self.who.watch(WatchBookingsRequest(**{**self.wanted, "cursor": self.cursor, **more}))
        await self.read(lambda: bool(self.parts) and self.parts[-1].live)

    async def read(self, enough: Any) -> None:
        """Read until there is enough."""
        async with asyncio.timeout(30):
            while not enough():
                part = await self.call.read()
                assert part is not grpc.aio.EOF, await self.call.code()
                self.parts.append(part)
                self.cursor = part.cursor or self.cursor
                for one in part.bookings:
                    known = self.known.get(one.show_uid)
                    if known is None or known.version < one.version:
                        self.known[one.show_uid] = one

    def in_force(self) -> set[str]:
        return {uid for uid, one in self.known.items() if one.in_force}


@pytest.fixture
async def watchers() -> AsyncIterator[list[Watcher]]:
    opened: list[Watcher] = []
    yield opened
    for one in opened:
        if one.call is not None:
            one.call.cancel()


def asking(house: House, hour: int, show_uid: str = "", **more: Any) -> BookShowRequest:
    return BookShowRequest(
        **{
            "show_uid": show_uid or uids.new("show"),
            "confirmation": 1,
            "studio_uid": house.studio.uid,
            "client_uid": house.client.uid,
            "name": f"show {hour}",
            "room_uid": house.rooms["A"].uid,
            "starts_at": at(f"2026-03-{1 + hour // 24:02}T{hour % 24:02}:00"),
            "ends_at": at(f"2026-03-{1 + hour // 24:02}T{hour % 24:02}:30"),
            **more,
        }
    )


async def test_a_snapshot_comes_first_then_changes(suite: Suite, house: House, watchers: list[Watcher]):
    production = suite.service("production")
    booked = [await production(asking(house, hour)) for hour in range(3)]
    watcher = Watcher(house.member, studio_uid=house.studio.uid)
    watchers.append(watcher)
    await watcher.open()
    assert watcher.parts[-1].snapshot
    assert {uid: one.version for uid, one in watcher.known.items()} == {one.show_uid: one.version for one in booked}
    moved = await production(asking(house, 5, booked[0].show_uid))
    await watcher.read(lambda: watcher.known[moved.show_uid].version == moved.version)
    assert watcher.known[moved.show_uid] == moved
    await production(ReleaseShowRequest(show_uid=moved.show_uid, confirmation=1, reason="ill"))
    await watcher.read(lambda: moved.show_uid not in watcher.in_force())
    new = await production(asking(house, 9))
    await watcher.read(lambda: new.show_uid in watcher.known)
    assert not any(part.snapshot for part in watcher.parts[1:])


async def test_nothing_is_missed_while_others_write(suite: Suite, house: House, watchers: list[Watcher]):
    production = suite.service("production")
    shows = [uids.new("show") for _ in range(40)]

    async def write() -> None:
        for hour, show_uid in enumerate(shows):
            await production(asking(house, hour, show_uid))
            if hour % 4 == 3:
                await production(ReleaseShowRequest(show_uid=show_uid, confirmation=1, reason="x"))

    writing = asyncio.create_task(write())
    for _ in range(4):
        watcher = Watcher(house.member, studio_uid=house.studio.uid)
        watchers.append(watcher)
        await watcher.open()
    await writing
    expected = {uid for number, uid in enumerate(shows) if number % 4 != 3}
    for watcher in watchers:
        await watcher.read(lambda watcher=watcher: watcher.in_force() == expected)


@pytest.mark.parametrize("memory", ["kept", "lost"])
async def test_a_watch_goes_on_after_its_cursor(suite: Suite, house: House, watchers: list[Watcher], memory: str):
    production = suite.service("production")
    first = await production(asking(house, 0))
    watcher = Watcher(house.member, studio_uid=house.studio.uid)
    watchers.append(watcher)
    await watcher.open()
    await watcher.read(lambda: first.show_uid in watcher.known and watcher.cursor)
    watcher.call.cancel()
    missed = [await production(asking(house, hour)) for hour in range(1, 6)]
    other = Watcher(house.member, studio_uid=house.studio.uid)
    watchers.append(other)
    await other.open()
    await other.read(lambda: len(other.known) == 6)
    feed = suite.processes["scheduling"].feed
    assert feed is not None
    if memory == "lost":  # as after a restart, or on another replica
        feed.recent.clear()
        feed.floor = feed.position
    before = len(watcher.parts)
    await watcher.open()
    await watcher.read(lambda: len(watcher.known) == 6)
    later = [one.show_uid for part in watcher.parts[before:] for one in part.bookings if one.show_uid != first.show_uid]
    assert sorted(later) == sorted(one.show_uid for one in missed)
    assert not any(part.snapshot for part in watcher.parts[before:])


async def test_a_client_watches_its_own_and_strangers_nothing(suite: Suite, house: House, watchers: list[Watcher]):
    other = await build_house(suite)
    production = suite.service("production")
    mine = await production(asking(house, 0))
    await production(asking(house, 1, client_uid=other.client.uid))
    watcher = Watcher(house.client_member, client_uid=house.client.uid)
    watchers.append(watcher)
    await watcher.open()
    await production(asking(house, 2, client_uid=other.client.uid))
    last = await production(asking(house, 3))
    await watcher.read(lambda: last.show_uid in watcher.known)
    assert set(watcher.known) == {mine.show_uid, last.show_uid}
    for who, wanted in (
        (house.client_member, {"studio_uid": house.studio.uid}),
        (house.manager, {"client_uid": house.client.uid}),
        (house.stranger, {"studio_uid": house.studio.uid}),
        (other.manager, {"studio_uid": house.studio.uid}),
    ):
        refusal = await refused(who.watch(WatchBookingsRequest(**wanted)).read())
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "GROUP_NOT_FOUND")


async def test_a_silent_watch_says_that_it_lives(house: House, watchers: list[Watcher]):
    watcher = Watcher(house.member, studio_uid=house.studio.uid)
    watchers.append(watcher)
    await watcher.open()
    await watcher.read(lambda: len(watcher.parts) > 3)
    assert all(part.live and part.cursor and not part.bookings for part in watcher.parts[1:])


async def test_who_is_banned_watches_no_longer(house: House, watchers: list[Watcher]):
    watcher = Watcher(house.member, studio_uid=house.studio.uid)
    watchers.append(watcher)
    await watcher.open()
    await house.root(BanUserRequest(uid=house.people["member"].uid, reason="rude"))
    async with asyncio.timeout(30):
        refusal = await refused(endless(watcher.call))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "USER_BANNED")


async def endless(call: Any) -> None:
    """Read until it ends."""
    while await call.read() is not grpc.aio.EOF:
        pass


@pytest.mark.parametrize(
    ("cursor", "code", "reason"),
    [
        ("nonsense", grpc.StatusCode.INVALID_ARGUMENT, "CURSOR_INVALID"),
        ("abc.-1", grpc.StatusCode.INVALID_ARGUMENT, "CURSOR_INVALID"),
        ("abc.²", grpc.StatusCode.INVALID_ARGUMENT, "CURSOR_INVALID"),
        ("abc.1", grpc.StatusCode.OUT_OF_RANGE, "CURSOR_TOO_OLD"),
    ],
)
async def test_a_cursor_of_another_stream_begins_nothing(house: House, cursor: str, code: grpc.StatusCode, reason: str):
    request = WatchBookingsRequest(studio_uid=house.studio.uid, cursor=cursor)
    refusal = await refused(house.member.watch(request).read())
    assert (refusal.code, refusal.reason) == (code, reason)


@pytest.fixture
async def replica(suite: Suite) -> AsyncIterator[tuple[Process, Any]]:
    """Another process of scheduling, for one watch at a time, and a channel to it."""
    process = compose(suite.config("scheduling", max_streams=1))
    await process.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{process.server.port}") as channel:
        yield process, channel
    await process.drain()


async def test_a_server_that_goes_says_so_and_another_one_continues(
    suite: Suite, house: House, replica: tuple[Process, Any], watchers: list[Watcher]
):
    process, channel = replica
    request = WatchBookingsRequest(studio_uid=house.studio.uid)
    call = watch({"scheduling": channel}, request, house.member.metadata)
    cursor = (await call.read()).cursor
    full = watch({"scheduling": channel}, request, house.member.metadata)
    refusal = await refused(endless(full))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_WATCHES")
    draining = asyncio.create_task(process.server.drain(5))
    refusal = await refused(endless(call))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
    await draining
    watcher = Watcher(house.member, studio_uid=house.studio.uid)
    watchers.append(watcher)
    watcher.cursor = cursor
    await watcher.open()
    booked = await suite.service("production")(asking(house, 1))
    await watcher.read(lambda: booked.show_uid in watcher.known)
