"""Production as the tasks service hears it: the real stream, and events that the tests say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from eridu.common.v1.change_pb2 import Change
from eridu.production.v1 import events_pb2, show_pb2
from eridu.tasks.v1 import template_pb2
from eridu.tasks.v1.task_service_pb2 import ListTasksRequest
from eridu.tasks.v1.template_service_pb2 import ActivateTemplateRequest, CreateTemplateRequest, NewTemplateItem
from google.protobuf.message import Message
from sqlalchemy import text

from libs.common import uids
from libs.common.bus import headers, stream_of
from tests.support.house import House, at, unique
from tests.support.suite import Suite, until

DRAFT, CONFIRMED, LIVE, COMPLETED, CANCELLED = (
    show_pb2.SHOW_STATUS_DRAFT,
    show_pb2.SHOW_STATUS_CONFIRMED,
    show_pb2.SHOW_STATUS_LIVE,
    show_pb2.SHOW_STATUS_COMPLETED,
    show_pb2.SHOW_STATUS_CANCELLED,
)

EVENTS: dict[str, type[Any]] = {
    "created": events_pb2.ShowCreated,
    "updated": events_pb2.ShowUpdated,
    "confirmed": events_pb2.ShowConfirmed,
    "moved": events_pb2.ShowMoved,
    "started": events_pb2.ShowStarted,
    "completed": events_pb2.ShowCompleted,
    "cancelled": events_pb2.ShowCancelled,
}


def a_show(house: House, mcs: int = 0, platforms: int = 0, **more: Any) -> show_pb2.Show:
    """A show of the house, confirmed for the first time unless `more` says otherwise."""
    given: dict[str, Any] = {
        "uid": uids.new("show"),
        "studio_uid": house.studio.uid,
        "client_uid": house.client.uid,
        "name": "Morning show",
        "starts_at": at("2026-03-01T10:00"),
        "ends_at": at("2026-03-01T12:00"),
        "status": CONFIRMED,
        "confirmation": 1,
        "mcs": [show_pb2.ShowMc(uid=uids.new("smc"), mc_uid=uids.new("mc")) for _ in range(mcs)],
        "platforms": [
            show_pb2.ShowPlatform(uid=uids.new("spl"), platform_uid=uids.new("plat")) for _ in range(platforms)
        ],
    }
    return show_pb2.Show(**given | more)


def later(show: show_pb2.Show, **changes: Any) -> show_pb2.Show:
    """The show after a change."""
    changed = show_pb2.Show()
    changed.CopyFrom(show)
    for name in changes:
        changed.ClearField(name)  # type: ignore[arg-type]
    changed.MergeFrom(show_pb2.Show(**changes))
    return changed


def event(verb: str, show: show_pb2.Show, version: int) -> Any:
    """One of production's events; a show's versions only grow."""
    show = later(show, etag=str(version))
    change = Change(
        event_uid=uids.new_uuid(),
        action=f"show.{verb}",
        actor="service:production",
        entity_uid=show.uid,
        entity_version=version,
        studio_uid=show.studio_uid,
        client_uid=show.client_uid,
    )
    change.occurred_at.FromDatetime(datetime.now(UTC))
    return EVENTS[verb](change=change, show=show)


class Production:
    """Says events on production's stream and knows when they were worked on."""

    def __init__(self, suite: Suite) -> None:
        self.process = suite.processes["tasks"]
        self.last = 0  # where on the stream the last event is

    async def publish(self, said: Any) -> None:
        """Put one event on the stream, also one that was there before."""
        await self.put(f"eridu.production.{said.change.action}", said.SerializeToString(), said)

    async def put(self, subject: str, payload: bytes, said: Any) -> None:
        """Put bytes on the stream."""
        kind = said.DESCRIPTOR.full_name
        about = headers(said.change.event_uid, kind, "eridu/production", datetime.now(UTC), said.show.uid, "")
        # A message id of its own: what the stream's dedupe window would drop comes again after it, too.
        about["Nats-Msg-Id"] = uids.new_uuid()
        self.last = (await self.process.bus.jetstream.publish(subject, payload, headers=about)).seq

    async def say(self, verb: str, show: show_pb2.Show, version: int) -> Any:
        """Say an event and wait until tasks has followed."""
        said = event(verb, show, version)
        await self.publish(said)
        await self.heard()
        return said

    async def repeat(self, *said: Message) -> None:
        """Say events again, in this order, and wait until tasks has heard them."""
        for one in said:
            await self.publish(one)
        await self.heard()

    async def heard(self) -> None:
        """Wait until all that was said is worked on."""

        async def worked_on() -> bool:
            info = await self.process.bus.jetstream.consumer_info(stream_of("production"), "tasks")
            return info.delivered is not None and info.delivered.stream_seq >= self.last and not info.num_ack_pending

        await until(worked_on)

    async def ask(self, sql: str, **parameters: Any) -> list[Any]:
        """Read from the service's own tables."""
        async with self.process.db.read() as reader:
            return list((await reader.execute(text(sql), parameters)).all())


def an_item(title: str = "Check lights", **more: Any) -> NewTemplateItem:
    """A template item: required before the show, due an hour before its start, unless `more` says otherwise."""
    given: dict[str, Any] = {
        "type": template_pb2.TASK_TYPE_PRE_PRODUCTION,
        "required": True,
        "due_anchor": template_pb2.DUE_ANCHOR_SHOW_START,
        "due_offset_minutes": -60,
    }
    return NewTemplateItem(title=title, **given | more)


async def a_template(house: House, *items: NewTemplateItem, active: bool = True, **more: Any) -> template_pb2.Template:
    """A template of the house's studio, in use."""
    request = CreateTemplateRequest(
        studio_uid=house.studio.uid, name=unique("template"), items=items or [an_item()], **more
    )
    template: template_pb2.Template = await house.manager(request)
    if active:
        template = await house.manager(ActivateTemplateRequest(uid=template.uid))
    return template


async def tasks_of(house: House, show: show_pb2.Show, **more: Any) -> list[Any]:
    """A show's tasks as the studio's member sees them, by due date."""
    answer = await house.member(ListTasksRequest(show_uid=show.uid, page_size=500, **more))
    return list(answer.tasks)
