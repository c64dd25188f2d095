"""The main job, told step by step. Exit code 0 only if everything adds up."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping

from eridu.production.v1 import show_pb2
from eridu.production.v1.show_pb2 import SHOW_STATUS_CONFIRMED, Show
from eridu.scheduling.v1.confirmation_pb2 import SHOW_OUTCOME_BOOKED, SHOW_OUTCOME_REFUSED

from deploy.demo import follow, house, onair, planning, sums
from deploy.demo.follow import Heard, State
from deploy.demo.house import House
from deploy.demo.report import Report
from deploy.demo.sheet import Plan
from deploy.demo.sums import Sum
from deploy.local.processes import LocalError
from deploy.local.stack import SYSTEM_ADMIN, is_serving, is_supervised
from deploy.local.up import running
from libs.client import local
from libs.client.connection import SERVICES, Eridu
from libs.client.subscribe import subscribe
from libs.common.errors import DomainError

CONFIRMED = "eridu.production.show.confirmed"


def main() -> int:
    """Tells the story on the suite that runs, or on one that it starts and stops."""
    report = Report()
    with suite(report) as places:
        try:
            return asyncio.run(tell(places, report))
        except DomainError as refusal:
            report.say(f"refused: {refusal.reason}: {refusal.message}")
            return 1


@contextlib.contextmanager
def suite(report: Report) -> Iterator[Mapping[str, str]]:
    """Where the services and the broker are."""
    with contextlib.suppress(LocalError):
        places = local.where()
        if is_supervised() and all(is_serving(places[service]) for service in SERVICES):
            report.say("using the suite that runs already")
            yield places
            return
    with running(say=report.say):
        yield local.where()


async def tell(places: Mapping[str, str], report: Report) -> int:
    """The whole story; 0 if everything adds up."""
    plan = Plan.read()
    async with contextlib.AsyncExitStack() as connections:

        def as_user(ext_id: str) -> Eridu:
            eridu = Eridu(places, lambda: local.token(ext_id))
            connections.push_async_callback(eridu.close)
            return eridu

        with report.step("house") as step:
            studio = await house.build(as_user(SYSTEM_ADMIN), as_user, plan)
            step.says(
                f"{house.STUDIO}: {len(plan.names('room'))} rooms, {len(plan.names('mcs'))} hosts, "
                f"{len(studio.clients)} clients, {len(studio.template.items)} items of work per show"
            )
        events = await connections.enter_async_context(subscribe(places["nats"], CONFIRMED))
        heard = Heard(studio.studio_uid)
        listening = asyncio.create_task(heard.listen(events))
        try:
            results = await plan_and_confirm(report, plan, studio, heard)
        finally:
            listening.cancel()
    return 0 if report.sums(results) else 1


async def plan_and_confirm(report: Report, plan: Plan, studio: House, heard: Heard) -> list[Sum]:
    """From the sheets to shows on air, with every sum on the way."""
    with report.step("import") as step:
        schedules, rows = await planning.import_plans(studio, plan)
        step.says(f"{len(schedules)} schedules; of {len(plan.rows)} rows {in_words(rows)}")
    with report.step("validate") as step:
        foreseen = await planning.validate(studio, schedules)
        step.says(f"{len(planning.clashes(foreseen))} clashes")
    report.problems(foreseen)
    with report.step("confirm") as step:
        await planning.propose(studio, schedules)
        results = await planning.confirm(studio, schedules)
        first, refused = planning.outcomes(results), planning.with_outcome(results, SHOW_OUTCOME_REFUSED)
        step.says(f"of {len(results)} shows {in_words(first)}")
    for result in refused:
        report.detail(f"refused: {'; '.join(problem.message for problem in result.problems)}")
    met = [problem for result in refused for problem in result.problems]
    with report.step("validate again") as step:
        known = {problem.show.show_uid for problem in await planning.validate(studio, schedules)}
        step.says(f"{len(known)} shows have a problem now that bookings are in force")

    before = await follow_up(report, plan, studio, heard, first)
    with report.step("confirm again") as step:
        second = planning.outcomes(await planning.confirm(studio, schedules))
        after = await follow.look(studio)
        step.says(f"of {second.total()} shows {in_words(second)}")
    booked = {result.show.show_uid for result in planning.with_outcome(results, SHOW_OUTCOME_BOOKED)}
    return [
        Sum("rows imported = rows in the sheets", len(plan.rows), rows.total() - rows["refused"] - rows["removed"]),
        *sums.of_clashes(plan, planning.clashes([*foreseen, *met])),
        Sum(
            "shows that one of validation and confirmation refuses", 0, len(known ^ {r.show.show_uid for r in refused})
        ),
        *sums.of_confirmation(plan, first, before),
        *sums.of_tasks(plan, studio.template, before.shows.values(), before.tasks.values()),
        *sums.of_events(heard, booked),
        *sums.of_repetition(first, second, before, after),
        *await day_of_the_show(report, plan, studio, after),
    ]


async def follow_up(report: Report, plan: Plan, studio: House, heard: Heard, outcomes: Counter[str]) -> State:
    """Nobody asks for them: shows follow bookings, tasks follow shows."""
    count = len(plan.rows) - outcomes["refused"]
    with report.step("shows follow") as step:
        shows = await follow.until(lambda: follow.shows(studio), lambda found: len(found) >= count)
        statuses = Counter(status(show).lower() for show in shows.values())
        step.says(f"of {len(shows)} shows {in_words(statuses)}")
    wanted = sums.per_show(plan, studio.template, shows.values()).total()
    with report.step("tasks follow") as step:
        tasks = await follow.until(lambda: follow.tasks(studio), lambda found: len(found) >= wanted)
        step.says(f"{len(tasks)} tasks")
    with report.step("events arrive") as step:
        told = await follow.until(heard.count, lambda found: found >= outcomes["booked"])
        step.says(f"{told} times {CONFIRMED}")
    return await follow.look(studio)


def in_words(counts: Counter[str]) -> str:
    """How many of what: `670 booked, 4 refused`."""
    return ", ".join(f"{count} {what}" for what, count in counts.most_common() if count) or "none"


async def day_of_the_show(report: Report, plan: Plan, studio: House, state: State) -> list[Sum]:
    """One show through its gate to its end, the next one cancelled; none that clashes, or its rival could be booked."""
    clashing = {external_id for clash in plan.clashes() for external_id in clash.shows}
    confirmed = state.with_status(SHOW_STATUS_CONFIRMED)
    free = [show for show in confirmed.values() if show.external_id not in clashing]
    if len(free) < 2:
        return [Sum("confirmed shows for the day of the show", "two or more", len(free))]
    first, other = free[:2]
    with report.step("on air") as step:
        held, todo, live = await onair.start(studio, first)
        held_again, todo_again, over = await onair.complete(studio, first)
        step.says(f"{first.name} went live and is completed")
    for refusal, tasks in ((held, todo), (held_again, todo_again)):
        if refusal:
            titles = ", ".join(task.title for task in tasks)
            report.detail(f"refused first: {refusal.reason} ({titles}); accepted when they were done")
    with report.step("cancel") as step:
        gone, booked, still_open = await onair.cancel(studio, other, "the speaker is ill")
        step.says(f"{other.name}: {booked} bookings and {still_open} open tasks are left")
    end = await follow.look(studio)
    return [
        Sum("moves held by their tasks", ["TASKS_OPEN"] * 2, [one.reason for one in (held, held_again) if one]),
        Sum("statuses of the show on air", ["LIVE", "COMPLETED"], [status(live), status(over)]),
        Sum("status of the cancelled show", "CANCELLED", status(gone)),
        Sum("bookings and open tasks of the cancelled show", (0, 0), (booked, still_open)),
        Sum("confirmed shows at the end = before − 2", len(confirmed) - 2, len(end.with_status(SHOW_STATUS_CONFIRMED))),
        Sum("room bookings at the end = before − 1", len(state.rooms) - 1, len(end.rooms)),
        Sum("tasks at the end = before", len(state.tasks), len(end.tasks)),
    ]


def status(show: Show) -> str:
    """A show's status, short."""
    return show_pb2.ShowStatus.Name(show.status).removeprefix("SHOW_STATUS_")
