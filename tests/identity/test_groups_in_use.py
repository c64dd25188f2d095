"""A group in which something lives is not deleted: what lives there is learnt from the other services' events."""

from __future__ import annotations

from typing import Any

import pytest
from eridu.identity.v1 import studio_pb2
from eridu.identity.v1.audit_service_pb2 import ListAuditsRequest
from eridu.production.v1 import show_pb2
from eridu.production.v1 import show_service_pb2 as shows
from eridu.scheduling.v1.schedule_request_pb2 import (
    ArchiveScheduleRequest,
    CancelScheduleRequest,
    ReviseScheduleRequest,
)
from eridu.tasks.v1.template_service_pb2 import CreateTemplateRequest

from tests.identity.people import CLIENTS, PLATFORMS, REFUSED, STUDIOS, Kind, refusal_of
from tests.support.house import House, at, build_house, unique
from tests.support.suite import Suite, refused, until


@pytest.fixture
async def house(suite: Suite) -> House:
    """A house whose shows go on air without tasks."""
    return await build_house(suite, task_gate=studio_pb2.TASK_GATE_OFF)


async def a_show(house: House, *platform_uids: str) -> Any:
    """A draft."""
    return await house.manager(
        shows.CreateShowRequest(
            studio_uid=house.studio.uid,
            client_uid=house.client.uid,
            name=unique("show"),
            platform_uids=platform_uids,
            starts_at=at("2026-03-01T10:00"),
            ends_at=at("2026-03-01T11:00"),
        )
    )


def row(show: str, platform: Any) -> str:
    """A row of a sheet."""
    return f"{show},{unique('show')},,,{platform.name},,,2026-03-02T10:00,2026-03-02T11:00"


async def heard_of(house: House, *entities: Any) -> None:
    """Wait until identity knows of these as they are now."""
    for uid, etag in ((one.uid, one.etag) for one in entities):

        async def heard(uid: str = uid, etag: str = etag) -> bool:
            trail = (await house.root(ListAuditsRequest(entity_uid=uid))).audits
            return any(one.entity_version >= int(etag) for one in trail)

        await until(heard)


async def confirm(house: House, schedule: Any, *platforms: Any) -> None:
    """Plan and confirm a show on each of these platforms, and wait until identity knows of the shows."""
    await house.plan(schedule, *(row(str(number), one) for number, one in enumerate(platforms)))
    await house.confirm(schedule)
    await heard_of(house, schedule)

    async def there() -> list[Any]:
        query = shows.ListShowsRequest(studio_uid=house.studio.uid, statuses=[show_pb2.SHOW_STATUS_CONFIRMED])
        found = list((await house.manager(query)).shows)
        on = [one.platform_uid for show in found for one in show.platforms]
        return found if on == [platform.uid for platform in platforms] else []

    await heard_of(house, *await until(there))


async def is_held(house: House, kind: Kind, group: Any, **counts: int) -> None:
    """A group cannot be deleted, because just this lives in it, of which identity has heard."""
    refusal = await refused(house.root(kind.ask("Delete", uid=group.uid)))
    assert (refusal.code, refusal.reason) == (REFUSED, f"{kind.code}_IN_USE")
    assert refusal.facts == {"uid": group.uid, **{f"{noun}_count": str(count) for noun, count in counts.items()}}


async def goes(house: House, kind: Kind, group: Any) -> None:
    """Wait until a group can be deleted."""

    async def gone() -> bool:
        return await refusal_of(house.root(kind.ask("Delete", uid=group.uid))) is None

    await until(gone)


async def test_what_lives_in_a_group_keeps_it_and_is_counted(house: House):
    platform = await house.platform()
    rooms = [await house.room(name) for name in ("A", "B")]
    template = CreateTemplateRequest(studio_uid=house.studio.uid, client_uid=house.client.uid, name="T")
    show = await a_show(house, platform.uid)
    living = [*rooms, await house.mc("Ada"), await house.schedule(), await house.manager(template), show]
    await heard_of(house, *living)
    await is_held(house, STUDIOS, house.studio, room=2, mc=1, schedule=1, template=1, show=1)
    await is_held(house, CLIENTS, house.client, schedule=1, show=1)
    await is_held(house, PLATFORMS, platform, show=1)
    refusal = await refused(house.root(STUDIOS.ask("Delete", uid=house.studio.uid)))
    assert refusal.message.endswith("still has 1 × mc, 2 × room, 1 × schedule, 1 × show, 1 × template")
    for kind, group in ((STUDIOS, house.studio), (CLIENTS, house.client), (PLATFORMS, platform)):
        assert await house.root(kind.ask("Get", uid=group.uid)) == group


async def test_what_lives_in_one_group_keeps_no_other(suite: Suite, house: House):
    other = await build_house(suite)
    await heard_of(house, await house.room("A"), await house.schedule(), await a_show(house))
    await goes(house, STUDIOS, other.studio)
    await goes(house, CLIENTS, other.client)


async def test_a_cancelled_schedule_keeps_its_groups_no_more(house: House):
    schedule = await house.schedule()
    await heard_of(house, schedule)
    for kind, group in ((STUDIOS, house.studio), (CLIENTS, house.client)):
        await is_held(house, kind, group, schedule=1)
    cancelled = await house.manager(CancelScheduleRequest(uid=schedule.uid, reason="no"))
    await heard_of(house, cancelled)
    for kind, group in ((STUDIOS, house.studio), (CLIENTS, house.client)):
        assert (await house.root(kind.ask("Delete", uid=group.uid))).HasField("deleted_at")


async def test_the_shows_of_a_schedule_keep_its_groups_until_they_are_cancelled_with_it(house: House):
    platform, schedule = await house.platform(), await house.schedule()
    await confirm(house, schedule, platform, platform)
    await is_held(house, CLIENTS, house.client, schedule=1, show=2)
    await is_held(house, STUDIOS, house.studio, schedule=1, show=2)
    await is_held(house, PLATFORMS, platform, show=2)
    await house.manager(CancelScheduleRequest(uid=schedule.uid, reason="no"))
    for kind, group in ((PLATFORMS, platform), (CLIENTS, house.client), (STUDIOS, house.studio)):
        await goes(house, kind, group)


async def test_the_shows_of_an_archived_schedule_keep_its_groups(house: House):
    platform, schedule = await house.platform(), await house.schedule()
    await confirm(house, schedule, platform)
    await is_held(house, CLIENTS, house.client, schedule=1, show=1)
    await heard_of(house, await house.manager(ArchiveScheduleRequest(uid=schedule.uid)))
    await is_held(house, CLIENTS, house.client, show=1)


async def test_a_show_keeps_the_platforms_that_it_has_now(house: House):
    old, new = await house.platform(), await house.platform()
    schedule = await house.schedule()
    await confirm(house, schedule, old)
    await is_held(house, PLATFORMS, old, show=1)
    await house.manager(ReviseScheduleRequest(uid=schedule.uid, reason="another one"))
    await confirm(house, schedule, new)
    await is_held(house, PLATFORMS, new, show=1)
    await goes(house, PLATFORMS, old)


@pytest.mark.parametrize("end", ["cancel", "complete"])
async def test_a_show_that_is_over_keeps_nothing(house: House, end: str):
    platform = await house.platform()
    show = await a_show(house, platform.uid)
    await heard_of(house, show)
    if end == "cancel":
        over = await house.manager(shows.CancelShowRequest(uid=show.uid, reason="rain"))
    else:
        for step in (shows.ConfirmShowRequest, shows.StartShowRequest):
            show = await house.manager(step(uid=show.uid))
            await heard_of(house, show)
            await is_held(house, PLATFORMS, platform, show=1)
        over = await house.manager(shows.CompleteShowRequest(uid=show.uid))
    await heard_of(house, over)
    for kind, group in ((PLATFORMS, platform), (CLIENTS, house.client), (STUDIOS, house.studio)):
        assert (await house.root(kind.ask("Delete", uid=group.uid))).HasField("deleted_at")


async def test_an_etag_that_is_not_the_last_is_stale_before_it_is_in_use(house: House):
    await heard_of(house, await house.room("A"))
    request = STUDIOS.ask("Delete", uid=house.studio.uid, etag="9")
    assert (await refused(house.root(request))).reason == "STALE"
