"""Changes of single tasks: what their assignees and the studio's managers do."""

from __future__ import annotations

from eridu.common.v1.access_pb2 import ROLE_MANAGER
from eridu.tasks.v1 import events_pb2
from google.protobuf.message import Message

from libs.common import ledger
from libs.common.access import Caller
from libs.common.clock import Clock
from libs.common.db import Database, Tx
from libs.common.ledger import Entry, entry
from services.tasks import convert
from services.tasks.domain.task import TASK, Doer, Task, assignee_not_member
from services.tasks.neighbours import Identity
from services.tasks.store import tasks as store


async def assign_task(
    db: Database,
    identity: Identity,
    caller: Caller,
    clock: Clock,
    uid: str,
    assignee_uid: str,
    etag: str,
    reason: str,
) -> Task:
    """Give a task to a member of its studio."""
    async with db.read() as reader:
        task = await store.load_task(reader, uid)
    caller.require(TASK, uid, task.studio_uid)
    if not await identity.is_member(assignee_uid, task.studio_uid):
        raise assignee_not_member(assignee_uid)
    async with db.begin(caller) as tx:
        task = await load(tx, caller, uid, etag)
        assigned = await store.save_task(tx, task, task.assign(assignee_uid), clock())
        event = events_pb2.TaskAssigned(task=convert.task(assigned))
        await ledger.record(tx, of_task("assigned", event, task, assigned, reason))
    return assigned


async def start_task(db: Database, caller: Caller, clock: Clock, uid: str, etag: str, reason: str) -> Task:
    """The assignee begins."""
    async with db.begin(caller) as tx:
        task = await load(tx, caller, uid, etag)
        started = await store.save_task(tx, task, task.start(doer(caller, task)), clock())
        event = events_pb2.TaskStarted(task=convert.task(started))
        await ledger.record(tx, of_task("started", event, task, started, reason))
    return started


async def submit_task(db: Database, caller: Caller, clock: Clock, uid: str, etag: str, reason: str) -> Task:
    """The assignee is done and wants a look."""
    async with db.begin(caller) as tx:
        task = await load(tx, caller, uid, etag)
        submitted = await store.save_task(tx, task, task.submit(doer(caller, task)), clock())
        event = events_pb2.TaskSubmitted(task=convert.task(submitted))
        await ledger.record(tx, of_task("submitted", event, task, submitted, reason))
    return submitted


async def approve_task(db: Database, caller: Caller, clock: Clock, uid: str, etag: str, reason: str) -> Task:
    """A manager looked at it and is content."""
    now = clock()
    async with db.begin(caller) as tx:
        task = await load(tx, caller, uid, etag)
        approved = await store.save_task(tx, task, task.approve(doer(caller, task), now), now)
        event = events_pb2.TaskCompleted(task=convert.task(approved))
        await ledger.record(tx, of_task("completed", event, task, approved, reason))
    return approved


async def return_task(db: Database, caller: Caller, clock: Clock, uid: str, etag: str, reason: str) -> Task:
    """A manager looked at it and is not content."""
    async with db.begin(caller) as tx:
        task = await load(tx, caller, uid, etag)
        returned = await store.save_task(tx, task, task.send_back(), clock())
        event = events_pb2.TaskReturned(task=convert.task(returned))
        await ledger.record(tx, of_task("returned", event, task, returned, reason))
    return returned


async def complete_task(db: Database, caller: Caller, clock: Clock, uid: str, etag: str, reason: str) -> Task:
    """The assignee is done, and no look is needed."""
    now = clock()
    async with db.begin(caller) as tx:
        task = await load(tx, caller, uid, etag)
        completed = await store.save_task(tx, task, task.complete(doer(caller, task), now), now)
        event = events_pb2.TaskCompleted(task=convert.task(completed))
        await ledger.record(tx, of_task("completed", event, task, completed, reason))
    return completed


async def load(tx: Tx, caller: Caller, uid: str, etag: str) -> Task:
    """The task to change, locked: the caller may do this in its studio and has seen its last version."""
    task = await store.load_task(tx, uid, lock=True)
    caller.require(TASK, uid, task.studio_uid)
    task.expect(TASK, etag)
    return task


def doer(caller: Caller, task: Task) -> Doer:
    """The caller, at work on the task."""
    return Doer(user_uid=caller.user_uid, manager=caller.has_role(task.studio_uid, ROLE_MANAGER))


def of_task(verb: str, event: Message, before: Task, after: Task, reason: str) -> Entry:
    """The ledger entry of a task that somebody changed."""
    scope = {"studio_uid": after.studio_uid, "client_uid": after.client_uid}
    return entry(f"tasks.task.{verb}", event, before, after, reason=reason, **scope)
