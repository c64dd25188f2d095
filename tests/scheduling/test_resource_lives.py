"""The lives of rooms and MCs through the RPCs: closed, banned, deleted and back; what is booked is never touched."""

from __future__ import annotations

import grpc
import pytest
from eridu.identity.v1.audit_service_pb2 import ListAuditsRequest
from eridu.identity.v1.studio_service_pb2 import DeleteStudioRequest
from eridu.scheduling.v1 import at_risk_pb2, confirmation_pb2, events_pb2
from eridu.scheduling.v1.schedule_request_pb2 import ReviseScheduleRequest

from tests.scheduling.kinds import MCS, ROOMS, Kind, get, in_year, named, of_each_kind
from tests.scheduling.planning import (
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
from tests.support.house import House
from tests.support.suite import refused, until

THERE = grpc.StatusCode.ALREADY_EXISTS


class TestTurnaround:
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
        for year in (2024, 2091, 2090):
            await book(in_year(year, adhoc(house, name=f"In {year}")))
        answer = await house.manager(ROOMS.update(room, active=False))
        assert not answer.room.active
        assert named(answer.at_risk) == [
            ("2090-03-02T10:00", "11:00", "In 2090"),
            ("2091-03-02T10:00", "11:00", "In 2091"),
        ]
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

    async def test_no_more_than_the_first_are_named_of_all_that_are_counted(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("services.scheduling.store.risk.MOST_NAMED", 3)  # 500, as the proto says
        for hour in (14, 10, 12, 11, 13):
            request = ROOMS.booking(house, f"{hour}:00", f"{hour}:30", name=f"At {hour}")
            await production(house)(in_year(2090, request))
        answer = await house.manager(ROOMS.update(house.rooms["A"].uid, active=False))
        assert [name for _, _, name in named(answer.at_risk)] == ["At 10", "At 11", "At 12"]
        assert answer.at_risk.total == 5


class TestBan:
    async def test_a_banned_mc_names_what_is_still_booked_and_cannot_be_booked(self, house: House, ask: Asks):
        ada, book = house.mcs["Ada"].uid, production(house)
        later = in_year(2090, MCS.booking(house, name="Later"))
        await book(in_year(2024, MCS.booking(house, name="Earlier")))
        await book(later)
        answer = await house.manager(MCS.ask("Ban", uid=ada, reason="rude"))
        assert (answer.mc.ban_reason, answer.mc.HasField("banned_at"), answer.mc.etag) == ("rude", True, "2")
        assert (named(answer.at_risk), answer.at_risk.total) == ([("2090-03-02T10:00", "11:00", "Later")], 1)
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
        for year in (2024, 2090, 2091):  # the first is over, and holds nothing
            await book(in_year(year, kind.booking(house)))
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
        everything = {one.uid for one in (*house.rooms.values(), *house.mcs.values())}

        async def heard_of_all() -> bool:
            trail = await house.root(ListAuditsRequest(group_uid=house.studio.uid))
            return everything <= {one.entity_uid for one in trail.audits}

        await until(heard_of_all)
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


@of_each_kind
async def test_every_change_is_an_event_with_the_state_after_it(house: House, ask: Asks, kind: Kind):
    uid = kind.of(house).uid
    for request in kind.changes(uid):
        await house.manager(request)
    entries = await ask("SELECT * FROM ledger WHERE entity_uid = :uid ORDER BY id", uid=uid)
    verbs = ["created", "updated", *([] if kind is ROOMS else ["banned", "unbanned"]), "deleted", "undeleted"]
    assert [one.subject for one in entries] == [f"eridu.scheduling.{kind.noun}.{verb}" for verb in verbs]
    for version, (entry, verb) in enumerate(zip(entries, verbs, strict=True), 1):
        event = getattr(events_pb2, f"{kind.Noun}{verb.capitalize()}").FromString(entry.payload)
        state = getattr(event, kind.noun)
        assert entry.event_type == event.DESCRIPTOR.full_name
        assert (event.change.action, event.change.studio_uid) == (f"{kind.noun}.{verb}", house.studio.uid)
        assert (state.uid, state.etag, entry.entity_version) == (uid, str(version), version)
        assert state.HasField("deleted_at") == (verb == "deleted")
        assert kind is ROOMS or state.HasField("banned_at") == (verb == "banned")
    assert state == await get(house, kind)
