"""Rooms and MCs through the RPCs: who may change them, what a mask may name, what is deleted and comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from eridu.identity.v1.studio_service_pb2 import DeleteStudioRequest
from eridu.scheduling.v1 import at_risk_pb2, confirmation_pb2, events_pb2, mc_service_pb2, room_service_pb2
from eridu.scheduling.v1.schedule_service_pb2 import ReviseScheduleRequest
from google.protobuf.field_mask_pb2 import FieldMask

from libs.common import uids
from tests.scheduling.planning import (
    ABORTED,
    DENIED,
    FAILED,
    INVALID,
    NOT_FOUND,
    Asks,
    adhoc,
    in_force,
    production,
    row,
    rules,
)
from tests.support.house import House, build_house
from tests.support.suite import refused, request_id, until

THERE = grpc.StatusCode.ALREADY_EXISTS
USER = uids.new("user")


@dataclass(frozen=True)
class Kind:
    """Rooms or MCs: how requests about them are called, and what of them may be written."""

    noun: str
    Noun: str
    api: Any
    fields: dict[str, Any]
    empty: dict[str, Any]

    @property
    def code(self) -> str:
        return self.noun.upper()

    def ask(self, verb: str, many: bool = False, **given: Any) -> Any:
        """A request: `ask("Delete", uid=…)` is a DeleteRoomRequest."""
        return getattr(self.api, f"{verb}{self.Noun}{'s' if many else ''}Request")(**given)

    def update(self, uid: str, *mask: str, **given: Any) -> Any:
        """An update of the fields in a mask, or without one."""
        return self.ask("Update", uid=uid, update_mask=FieldMask(paths=mask) if mask else None, **given)

    def of(self, house: House) -> Any:
        """One that is there."""
        return house.rooms["A"] if self is ROOMS else house.mcs["Ada"]

    def other(self, house: House) -> Any:
        """Another one that is there."""
        return house.rooms["B"] if self is ROOMS else house.mcs["Bob"]

    def entity(self, answer: Any) -> Any:
        """The entity in the answer to an update."""
        return answer.room if self is ROOMS else answer

    def changes(self, uid: str) -> list[Any]:
        """Every change of one, each of which could be made."""
        bans = [] if self is ROOMS else [self.ask("Ban", uid=uid, reason="rude"), self.ask("Unban", uid=uid)]
        return [self.update(uid, name="Another"), *bans, self.ask("Delete", uid=uid), self.ask("Undelete", uid=uid)]

    def booking(self, house: House, start: str = "10:00", end: str = "11:00", **more: Any) -> Any:
        """An ad-hoc show that needs it and nothing else."""
        only = {"room_uid": self.of(house).uid} if self is ROOMS else {"room_uid": "", "mc_uids": [self.of(house).uid]}
        return adhoc(house, start, end, **only, **more)


ROOMS = Kind(
    "room",
    "Room",
    room_service_pb2,
    {
        "name": "Big one",
        "capacity": 7,
        "capabilities": ["audio", "green_screen"],
        "turnaround_before_minutes": 10,
        "turnaround_after_minutes": 20,
        "equipment": ["2 × Sony FX6", "ATEM Mini"],
        "metadata": {"colour": "red"},
    },
    {
        "capacity": 0,
        "capabilities": [],
        "turnaround_before_minutes": 0,
        "turnaround_after_minutes": 0,
        "equipment": [],
        "metadata": {},
    },
)
MCS = Kind(
    "mc",
    "Mc",
    mc_service_pb2,
    {
        "name": "Ada L.",
        "alias": "The Countess",
        "user_uid": USER,
        "profile": "Speaks of engines.",
        "metadata": {"colour": "red"},
    },
    {"alias": "", "user_uid": "", "profile": "", "metadata": {}},
)
of_each_kind = pytest.mark.parametrize("kind", [ROOMS, MCS], ids=["rooms", "mcs"])

NOT_WRITABLE = [
    *(
        "uid",
        "studio_uid",
        "version",
        "etag",
        "created_at",
        "deleted_at",
        "banned_at",
        "ban_reason",
        "turnaround_before",
    ),
    *("*", "metadata.x", "name.x", "update_mask", "reason", "request_id", ""),
]


def values(entity: Any, names: Sequence[str]) -> dict[str, Any]:
    """Fields of a message as plain values."""
    found = {}
    for name in names:
        value = getattr(entity, name)
        found[name] = dict(value) if name == "metadata" else list(value) if hasattr(value, "extend") else value
    return found


def named(risk: at_risk_pb2.AtRisk) -> list[tuple[str, str]]:
    """Bookings at risk in short: when, and which show."""
    return [(getattr(one, "from").ToJsonString()[:16], one.show.name) for one in risk.bookings]


async def get(house: House, kind: Kind) -> Any:
    return await house.member(kind.ask("Get", uid=kind.of(house).uid))


class TestUpdate:
    @of_each_kind
    async def test_everything_that_may_be_written_is_written_and_kept(self, house: House, ask: Asks, kind: Kind):
        before = kind.of(house)
        changed = kind.entity(await house.manager(kind.update(before.uid, **kind.fields, reason="better so")))
        assert values(changed, list(kind.fields)) == kind.fields
        assert (changed.etag, changed.studio_uid) == ("2", house.studio.uid)
        assert await get(house, kind) == changed
        (entry,) = await ask(
            "SELECT * FROM ledger WHERE entity_uid = :uid AND action = :action",
            uid=before.uid,
            action=f"{kind.noun}.updated",
        )
        assert (entry.reason, entry.entity_version, entry.old_values["name"]) == ("better so", 2, before.name)
        event = getattr(events_pb2, f"{kind.Noun}Updated").FromString(entry.payload)
        assert getattr(event, kind.noun) == changed

    @of_each_kind
    async def test_a_mask_says_what_is_written(self, house: House, kind: Kind):
        before = kind.of(house)
        await house.manager(kind.update(before.uid, **kind.fields))
        emptied = kind.entity(await house.manager(kind.update(before.uid, *kind.empty)))
        assert values(emptied, list(kind.empty)) == kind.empty
        assert emptied.name == kind.fields["name"]
        request = kind.update(before.uid, "metadata", **kind.fields)
        assert values(kind.entity(await house.manager(request)), list(kind.empty)) == {
            **kind.empty,
            "metadata": {"colour": "red"},
        }
        refusal = await refused(house.manager(kind.update(before.uid, "name")))
        assert (refusal.code, refusal.reason, list(refusal.fields)) == (INVALID, "REQUEST_INVALID", ["name"])

    @pytest.mark.parametrize("path", NOT_WRITABLE)
    @of_each_kind
    async def test_a_mask_names_nothing_but_what_may_be_written(self, house: House, kind: Kind, path: str):
        refusal = await refused(house.manager(kind.update(kind.of(house).uid, "name", path, name="Another")))
        assert (refusal.code, refusal.reason, list(refusal.fields)) == (INVALID, "MASK_INVALID", ["update_mask"])
        assert await get(house, kind) == kind.of(house)

    @of_each_kind
    async def test_an_update_that_changes_nothing_writes_nothing(self, house: House, ask: Asks, kind: Kind):
        before = kind.of(house)
        for request in (kind.update(before.uid), kind.update(before.uid, name=before.name)):
            assert kind.entity(await house.manager(request)) == before
        assert f"{kind.noun}.updated" not in await ask.ledger(house)

    @of_each_kind
    async def test_a_name_that_another_has_is_taken_and_one_with_a_semicolon_is_none(self, house: House, kind: Kind):
        refusal = await refused(house.manager(kind.update(kind.of(house).uid, name=kind.other(house).name)))
        assert (refusal.code, refusal.reason) == (THERE, f"{kind.code}_NAME_TAKEN")
        refusal = await refused(house.manager(kind.update(kind.of(house).uid, name="A;B")))
        assert (refusal.code, refusal.reason) == (INVALID, "REQUEST_INVALID")

    @of_each_kind
    async def test_a_change_with_a_request_id_happens_once(self, house: House, kind: Kind):
        request = kind.update(kind.of(house).uid, name="Another", request_id=request_id())
        first = await house.manager(request)
        assert await house.manager(request) == first
        assert (await get(house, kind)).etag == "2"

    async def test_another_turnaround_is_for_new_bookings(self, house: House):
        schedule = await house.schedule()
        await house.plan(schedule, row("1", "10:00", "11:00"), row("2", "11:00", "12:00"))
        await house.confirm(schedule)
        room = house.rooms["A"].uid
        answer = await house.manager(ROOMS.update(room, turnaround_before_minutes=15, turnaround_after_minutes=15))
        assert answer.at_risk == at_risk_pb2.AtRisk()
        again = await house.confirm(schedule, propose=False)
        assert [one.outcome for one in again.results] == [confirmation_pb2.SHOW_OUTCOME_UNCHANGED] * 2
        assert await in_force(house) == [("10:00-11:00", "A"), ("11:00-12:00", "A")]
        refusal = await refused(production(house)(adhoc(house, "12:00", "13:00")))
        assert (refusal.reason, refusal.facts["until"]) == ("SLOT_TAKEN", "2026-03-02T12:00:00Z")
        await production(house)(adhoc(house, "12:15", "13:00"))
        assert (await in_force(house))[-1] == ("12:00-13:15", "A")

    async def test_a_shorter_turnaround_gives_nothing_free_that_is_booked(self, house: House):
        room = (await house.room("T", turnaround_before_minutes=30, turnaround_after_minutes=30)).uid
        schedule = await house.schedule()
        await house.plan(schedule, row("1", "10:00", "11:00", "T"))
        await house.confirm(schedule)
        await house.manager(ROOMS.update(room, "turnaround_before_minutes", "turnaround_after_minutes"))
        other = await house.schedule()
        await house.plan(other, row("o", "11:00", "12:00", "T"))
        answer = await house.confirm(other)
        assert rules(answer.results[0].problems) == [("room_clash", "o", "1")]
        assert await in_force(house) == [("09:30-11:30", "T")]

    async def test_a_show_of_the_plan_that_wants_the_old_turnaround_is_refused_and_not_raced(self, house: House):
        room = (await house.room("T", turnaround_after_minutes=30)).uid
        schedule = await house.schedule()
        await house.plan(schedule, row("1", "10:00", "11:00", "T"))
        await house.confirm(schedule)
        await house.manager(ROOMS.update(room, "turnaround_after_minutes"))
        await house.manager(ReviseScheduleRequest(uid=schedule.uid))
        await house.plan(schedule, row("1", "10:00", "11:00", "T"), row("2", "11:00", "12:00", "T"))
        answer = await house.confirm(schedule)
        assert not answer.confirmed
        assert rules(answer.results[1].problems) == [("room_clash", "2", "1")]


class TestActive:
    async def test_a_closed_room_names_what_is_still_booked_and_touches_nothing(self, house: House):
        room = house.rooms["A"].uid
        book = production(house)
        for year in ("2024", "2091", "2090"):
            start, end = f"{year}-03-02T10:00:00Z", f"{year}-03-02T11:00:00Z"
            request = adhoc(house, name=f"In {year}")
            request.starts_at.FromJsonString(start)
            request.ends_at.FromJsonString(end)
            await book(request)
        answer = await house.manager(ROOMS.update(room, active=False))
        assert not answer.room.active
        assert named(answer.at_risk) == [("2090-03-02T10:00", "In 2090"), ("2091-03-02T10:00", "In 2091")]
        assert answer.at_risk.total == 2
        assert len(await in_force(house)) == 3
        again = await house.manager(ROOMS.update(room, capacity=3))  # still closed: still at risk
        assert again.at_risk == answer.at_risk
        refusal = await refused(book(adhoc(house, "12:00", "13:00")))
        assert (refusal.code, refusal.reason) == (FAILED, "ROOM_UNAVAILABLE")
        opened = await house.manager(ROOMS.update(room, active=True))
        assert (opened.room.active, opened.at_risk.total) == (True, 0)
        await book(adhoc(house, "12:00", "13:00"))

    async def test_a_plan_may_name_a_closed_room_and_is_told(self, house: House):
        await house.manager(ROOMS.update(house.rooms["A"].uid, active=False))
        schedule = await house.schedule()
        imported = await house.plan(schedule, row("1", "10:00", "11:00"))
        assert imported.saved
        answer = await house.confirm(schedule)
        assert rules(answer.results[0].problems) == [("room_unavailable", "1", "")]

    async def test_at_most_five_hundred_are_named_of_all_that_are_counted(self, house: House):
        rows = [
            row(f"{n:04}", f"{n // 60 % 24:02}:{n % 60:02}", f"{n // 60 % 24:02}:{n % 60:02}:30") for n in range(510)
        ]
        schedule = await house.schedule(start="2096-03-01T00:00", end="2096-04-01T00:00")
        await house.plan(schedule, *(one.replace("2026-", "2096-") for one in rows))
        assert (await house.confirm(schedule)).confirmed
        answer = await house.manager(ROOMS.update(house.rooms["A"].uid, active=False))
        assert (len(answer.at_risk.bookings), answer.at_risk.total) == (500, 510)
        assert [one.show.external_id for one in answer.at_risk.bookings][:2] == ["0000", "0001"]


class TestBan:
    async def test_a_banned_mc_names_what_is_still_booked_and_cannot_be_booked(self, house: House, ask: Asks):
        ada, book = house.mcs["Ada"].uid, production(house)
        later = MCS.booking(house, name="Later")
        later.starts_at.FromJsonString("2090-03-02T10:00:00Z")
        later.ends_at.FromJsonString("2090-03-02T11:00:00Z")
        await book(MCS.booking(house, name="Earlier"))
        await book(later)
        answer = await house.manager(MCS.ask("Ban", uid=ada, reason="rude"))
        assert (answer.mc.ban_reason, answer.mc.HasField("banned_at"), answer.mc.etag) == ("rude", True, "2")
        assert (named(answer.at_risk), answer.at_risk.total) == ([("2090-03-02T10:00", "Later")], 1)
        assert answer.at_risk.bookings[0].show.show_uid == later.show_uid
        assert len(await in_force(house)) == 2
        assert await get(house, MCS) == answer.mc
        refusal = await refused(book(MCS.booking(house, "12:00", "13:00")))
        assert (refusal.code, refusal.reason) == (FAILED, "MC_UNAVAILABLE")
        schedule = await house.schedule()
        await house.plan(schedule, row("1", "12:00", "13:00", mcs="Ada"))
        assert rules((await house.confirm(schedule)).results[0].problems) == [("mc_unavailable", "1", "")]
        again = await refused(house.manager(MCS.ask("Ban", uid=ada, reason="again")))
        assert (again.code, again.reason) == (FAILED, "MC_BANNED")
        free = await house.manager(MCS.ask("Unban", uid=ada, reason="forgiven"))
        assert (free.ban_reason, free.HasField("banned_at")) == ("", False)
        again = await refused(house.manager(MCS.ask("Unban", uid=ada)))
        assert (again.code, again.reason) == (FAILED, "MC_NOT_BANNED")
        assert (await house.confirm(schedule, propose=False)).confirmed
        entries = await ask("SELECT action, reason FROM ledger WHERE entity_uid = :uid ORDER BY id", uid=ada)
        assert [tuple(one) for one in entries] == [
            ("mc.created", ""),
            ("mc.banned", "rude"),
            ("mc.unbanned", "forgiven"),
        ]

    async def test_a_ban_needs_a_reason(self, house: House):
        refusal = await refused(house.manager(MCS.ask("Ban", uid=house.mcs["Ada"].uid)))
        assert (refusal.code, refusal.reason, list(refusal.fields)) == (INVALID, "REQUEST_INVALID", ["reason"])


class TestDelete:
    @of_each_kind
    async def test_what_is_deleted_is_gone_and_comes_back(self, house: House, ask: Asks, kind: Kind):
        before = kind.of(house)
        early = await refused(house.manager(kind.ask("Undelete", uid=before.uid)))
        assert (early.code, early.reason) == (FAILED, "NOT_DELETED")
        deleted = await house.manager(kind.ask("Delete", uid=before.uid, reason="sold"))
        assert (deleted.HasField("deleted_at"), deleted.etag) == (True, "2")
        for request in (
            kind.ask("Get", uid=before.uid),
            kind.update(before.uid, name="X"),
            kind.ask("Delete", uid=before.uid),
        ):
            refusal = await refused(house.manager(request))
            assert (refusal.code, refusal.reason) == (NOT_FOUND, f"{kind.code}_NOT_FOUND")
        refusal = await refused(production(house)(kind.booking(house)))
        assert (refusal.code, refusal.reason) == (FAILED, f"{kind.code}_UNAVAILABLE")
        back = await house.manager(kind.ask("Undelete", uid=before.uid, etag="2", reason="bought back"))
        assert (back.HasField("deleted_at"), back.etag, back.name) == (False, "3", before.name)
        await production(house)(kind.booking(house))
        entries = await ask("SELECT action, reason FROM ledger WHERE entity_uid = :uid ORDER BY id", uid=before.uid)
        assert [tuple(one) for one in entries] == [
            (f"{kind.noun}.created", ""),
            (f"{kind.noun}.deleted", "sold"),
            (f"{kind.noun}.undeleted", "bought back"),
        ]

    @of_each_kind
    async def test_what_has_bookings_still_to_come_is_in_use(self, house: House, kind: Kind):
        book = production(house)
        await book(kind.booking(house, "08:00", "09:00"))  # over: holds nothing
        for day in ("02", "03"):
            request = kind.booking(house)
            request.starts_at.FromJsonString(f"2090-03-{day}T10:00:00Z")
            request.ends_at.FromJsonString(f"2090-03-{day}T11:00:00Z")
            await book(request)
        refusal = await refused(house.manager(kind.ask("Delete", uid=kind.of(house).uid)))
        assert (refusal.code, refusal.reason) == (FAILED, f"{kind.code}_IN_USE")
        assert refusal.facts == {"uid": kind.of(house).uid, "booking_count": "2"}
        await house.manager(kind.ask("Delete", uid=kind.other(house).uid))

    @of_each_kind
    async def test_a_name_that_another_has_meanwhile_cannot_come_back(self, house: House, kind: Kind):
        before = kind.of(house)
        await house.manager(kind.ask("Delete", uid=before.uid))
        await (house.room if kind is ROOMS else house.mc)(before.name)
        refusal = await refused(house.manager(kind.ask("Undelete", uid=before.uid)))
        assert (refusal.code, refusal.reason) == (THERE, f"{kind.code}_NAME_TAKEN")

    async def test_a_studio_is_free_when_its_rooms_and_mcs_are_gone_and_none_comes_back_into_it(self, house: House):
        await house.manager(MCS.ask("Ban", uid=house.mcs["Bob"].uid, reason="rude"))
        refusal = await refused(house.root(DeleteStudioRequest(uid=house.studio.uid)))
        assert (refusal.reason, refusal.facts["room_count"], refusal.facts["mc_count"]) == ("STUDIO_IN_USE", "2", "2")
        for kind in (ROOMS, MCS):
            for one in (kind.of(house), kind.other(house)):
                await house.manager(kind.ask("Delete", uid=one.uid))

        async def free() -> bool:
            try:
                return bool(await house.root(DeleteStudioRequest(uid=house.studio.uid)))
            except grpc.aio.AioRpcError:
                return False

        await until(free)
        refusal = await refused(house.root(ROOMS.ask("Undelete", uid=house.rooms["A"].uid)))
        assert (refusal.code, refusal.reason) == (NOT_FOUND, "STUDIO_NOT_FOUND")


class TestRights:
    @of_each_kind
    async def test_managers_of_the_studio_change_it_and_nobody_else(self, house: House, kind: Kind):
        uid = kind.of(house).uid
        elsewhere = await build_house(house.suite)
        for request in kind.changes(uid):
            denied = await refused(house.member(request))
            assert (denied.code, denied.reason) == (DENIED, "ROLE_TOO_LOW")
            for caller in (house.client_member, house.stranger, elsewhere.manager):
                hidden = await refused(caller(request))
                assert (hidden.code, hidden.reason) == (NOT_FOUND, f"{kind.code}_NOT_FOUND")
            assert (await refused(production(house)(request))).reason == "SERVICE_DENIED"
            await house.manager(request)
        for request in kind.changes(uid):
            await house.root(request)
        for request in kind.changes(uids.new(kind.noun)):
            missing = await refused(house.manager(request))
            assert (missing.code, missing.reason) == (NOT_FOUND, f"{kind.code}_NOT_FOUND")

    @of_each_kind
    async def test_a_change_with_an_old_etag_is_stale(self, house: House, kind: Kind):
        uid = kind.of(house).uid
        await house.manager(kind.update(uid, name="New"))
        for request in kind.changes(uid)[:-1]:
            request.etag = "1"
            refusal = await refused(house.manager(request))
            assert (refusal.code, refusal.reason) == (ABORTED, "STALE")
        assert (await get(house, kind)).etag == "2"


class TestReads:
    @of_each_kind
    async def test_many_are_read_at_once_and_the_others_are_named(self, house: House, kind: Kind):
        elsewhere = await build_house(house.suite)
        await elsewhere.room("A")
        await elsewhere.mc("Ada")
        one, two, theirs, never = kind.of(house), kind.other(house), kind.of(elsewhere), uids.new(kind.noun)
        request = kind.ask("BatchGet", many=True, uids=[two.uid, never, one.uid, theirs.uid])

        async def read(caller: Any) -> tuple[list[Any], list[str]]:
            answer = await caller(request)
            return list(getattr(answer, f"{kind.noun}s")), list(answer.missing_uids)

        assert await read(house.member) == ([two, one], [never, theirs.uid])
        assert await read(production(house)) == ([two, one, theirs], [never])
        assert await read(house.client_member) == ([], list(request.uids))
        await house.manager(kind.ask("Delete", uid=one.uid))
        assert await read(house.manager) == ([two], [never, one.uid, theirs.uid])
        for bad in ([], ["x"], [one.uid] * 1001):
            refusal = await refused(house.member(kind.ask("BatchGet", many=True, uids=bad)))
            assert (refusal.code, refusal.reason) == (INVALID, "REQUEST_INVALID")
        assert len(getattr(await house.member(kind.ask("BatchGet", many=True, uids=[two.uid] * 1000)), f"{kind.noun}s"))

    async def test_rooms_are_found_by_what_they_are(self, house: House):
        await house.room("Big", capacity=50, capabilities=["audio", "green_screen"])
        await house.room("Middle", capacity=20, capabilities=["audio"])
        await house.room("100%", capacity=50, capabilities=["green_screen"])
        await house.manager(ROOMS.update(house.rooms["B"].uid, active=False))
        await house.manager(ROOMS.ask("Delete", uid=house.rooms["A"].uid))

        async def listed(**wanted: Any) -> list[str]:
            request = ROOMS.ask("List", many=True, studio_uid=house.studio.uid, **wanted)
            return [one.name for one in (await house.member(request)).rooms]

        assert await listed() == ["100%", "B", "Big", "Middle"]
        assert await listed(capabilities=["audio"]) == ["Big", "Middle"]
        assert await listed(capabilities=["green_screen", "audio"]) == ["Big"]
        assert await listed(least_capacity=20) == ["100%", "Big", "Middle"]
        assert await listed(least_capacity=21, capabilities=["audio"]) == ["Big"]
        assert await listed(active=False) == ["B"]
        assert await listed(active=True) == ["100%", "Big", "Middle"]
        assert await listed(name_part="b") == ["B", "Big"]
        assert await listed(name_part="%") == ["100%"]
        assert await listed(show_deleted=True) == ["100%", "A", "B", "Big", "Middle"]

    async def test_mcs_are_found_by_who_they_are(self, house: House):
        await house.mc("Cleo")
        await house.manager(MCS.update(house.mcs["Ada"].uid, user_uid=USER))
        await house.manager(MCS.ask("Ban", uid=house.mcs["Bob"].uid, reason="rude"))
        await house.manager(MCS.ask("Delete", uid=house.mcs["Cleo"].uid))

        async def listed(**wanted: Any) -> list[str]:
            request = MCS.ask("List", many=True, studio_uid=house.studio.uid, **wanted)
            return [one.name for one in (await house.member(request)).mcs]

        assert await listed() == ["Ada", "Bob"]
        assert await listed(banned=True) == ["Bob"]
        assert await listed(banned=False) == ["Ada"]
        assert await listed(user_uid=USER) == ["Ada"]
        assert await listed(name_part="CL", show_deleted=True) == ["Cleo"]
        assert await listed(show_deleted=True, banned=False) == ["Ada", "Cleo"]

    @of_each_kind
    async def test_a_page_token_is_of_its_filters(self, house: House, kind: Kind):
        page = await house.member(kind.ask("List", many=True, studio_uid=house.studio.uid, page_size=1))
        request = kind.ask(
            "List", many=True, studio_uid=house.studio.uid, show_deleted=True, page_token=page.next_page_token
        )
        refusal = await refused(house.member(request))
        assert (refusal.code, refusal.reason) == (INVALID, "PAGE_TOKEN_INVALID")
