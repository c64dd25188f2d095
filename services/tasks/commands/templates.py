"""Changes of templates."""

from __future__ import annotations

from typing import Any

from eridu.tasks.v1 import events_pb2

from libs.common import ledger, uids
from libs.common.access import Caller
from libs.common.clock import Clock
from libs.common.db import Database, Tx
from libs.common.ledger import entry
from services.tasks import convert
from services.tasks.domain.template import STUDIO, TEMPLATE, TEMPLATE_PREFIX, Template
from services.tasks.neighbours import Identity
from services.tasks.store import templates as store


async def create_template(db: Database, identity: Identity, caller: Caller, clock: Clock, **given: Any) -> Template:
    """Make an inactive template; TEMPLATE_NAME_TAKEN when a living one of the studio has the name."""
    now = clock()
    template = Template(uid=uids.new(TEMPLATE_PREFIX), created_at=now, updated_at=now, **given)
    caller.require(STUDIO, template.studio_uid, template.studio_uid)
    await identity.require_studio(template.studio_uid)
    if template.client_uid:
        await identity.require_client(template.client_uid)
    async with db.begin(caller) as tx:
        await store.insert_template(tx, template)
        event = events_pb2.TemplateCreated(template=convert.template(template))
        studio_uid = template.studio_uid
        await ledger.record(tx, entry("tasks.template.created", event, None, template, studio_uid=studio_uid))
    return template


async def activate_template(db: Database, caller: Caller, clock: Clock, uid: str, etag: str, reason: str) -> Template:
    """From now on shows that are confirmed get its tasks."""
    async with db.begin(caller) as tx:
        old = await load(tx, caller, uid, etag)
        new = await store.save_template(tx, old, old.activate(), clock())
        event = events_pb2.TemplateActivated(template=convert.template(new))
        scope = {"studio_uid": new.studio_uid, "reason": reason}
        await ledger.record(tx, entry("tasks.template.activated", event, old, new, **scope))
    return new


async def deactivate_template(db: Database, caller: Caller, clock: Clock, uid: str, etag: str, reason: str) -> Template:
    """From now on shows no longer get its tasks; those that are there stay."""
    async with db.begin(caller) as tx:
        old = await load(tx, caller, uid, etag)
        new = await store.save_template(tx, old, old.deactivate(), clock())
        event = events_pb2.TemplateDeactivated(template=convert.template(new))
        scope = {"studio_uid": new.studio_uid, "reason": reason}
        await ledger.record(tx, entry("tasks.template.deactivated", event, old, new, **scope))
    return new


async def load(tx: Tx, caller: Caller, uid: str, etag: str) -> Template:
    """The template to change, locked: the caller may do this in its studio and has seen its last version."""
    template = await store.load_template(tx, uid, lock=True)
    caller.require(TEMPLATE, uid, template.studio_uid)
    template.expect(TEMPLATE, etag)
    return template
