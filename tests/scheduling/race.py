"""Writers who race: each calls one replica after the other, and remembers what it was told."""

from __future__ import annotations

import random
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import grpc
from eridu.scheduling.v1 import booking_pb2, confirmation_pb2, schedule_request_pb2
from eridu.scheduling.v1.booking_service_pb2 import BookShowRequest, ReleaseShowRequest
from eridu.scheduling.v1.hold_service_pb2 import CreateHoldRequest, ReleaseHoldRequest
from eridu.scheduling.v1.plan_pb2 import ImportPlanRequest
from google.protobuf.timestamp_pb2 import Timestamp

from libs.common import uids
from tests.scheduling.history import NOTHING, Taken, Told
from tests.scheduling.planning import production
from tests.support.house import HEADER, House, at, tomorrow
from tests.support.suite import Refusal, call

AGAIN = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.ABORTED}
TRIES = 10  # with one request_id, until it is known what became of the call
REPEATED = 0.1  # of the answered calls: sent once more, to another replica
QUARTERS = 44  # of an hour, on one day in March: where the shows lie, so close that many of them clash

KEPT = (
    confirmation_pb2.SHOW_OUTCOME_BOOKED,
    confirmation_pb2.SHOW_OUTCOME_MOVED,
    confirmation_pb2.SHOW_OUTCOME_UNCHANGED,
)
GONE = (confirmation_pb2.SHOW_OUTCOME_RELEASED, confirmation_pb2.SHOW_OUTCOME_CANCELLED)


@dataclass
class Race:
    """What the writers share: the shows and plans that they fight over, how much is left to do, what was answered."""

    house: House
    replicas: Sequence[grpc.aio.Channel]
    left: Iterator[int]
    shows: list[str] = field(default_factory=lambda: [uids.new("show") for _ in range(24)])
    schedules: list[Any] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)  # of each show's confirmation, as last heard
    holds: list[Any] = field(default_factory=list)  # that somebody has, or had
    planned_shows: set[str] = field(default_factory=set)
    plans: dict[tuple[str, int], Mapping[str, Taken]] = field(default_factory=dict)  # by schedule and version
    told: list[Told] = field(default_factory=list)
    confirmed: list[tuple[float, float, Any]] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)  # by RPC and reason
    faults: list[str] = field(default_factory=list)

    def history(self) -> list[Told]:
        """All that was told about single shows."""
        return [*self.told, *(one for confirmed in self.confirmed for one in self.told_by_confirmation(*confirmed))]

    def told_by_confirmation(self, began: float, ended: float, answer: Any) -> Iterator[Told]:
        """A confirmation tells what each show of the plan version has; refused ones are not spoken of."""
        if not answer.confirmed:
            return
        plan = self.plan_of(answer.schedule.uid, answer.schedule.confirmed_version)
        for result in answer.results:
            if result.outcome in KEPT:
                yield Told(result.show.show_uid, began, ended, plan[result.show.external_id])
            elif result.outcome in GONE:
                yield Told(result.show.show_uid, began, ended, NOTHING)

    def plan_of(self, schedule_uid: str, version: int) -> Mapping[str, Taken]:
        """What the last import up to a version planned: what becomes of shows makes versions too, and plans nothing."""
        return self.plans[max(key for key in self.plans if key[0] == schedule_uid and key[1] <= version)]

    def took(self, room_uid: str, mc_uids: Sequence[str], start: float, end: float) -> Taken:
        """What a show takes: its room with the turnaround, its MCs without."""
        room = next(one for one in self.house.rooms.values() if one.uid == room_uid)
        before, after = room.turnaround_before_minutes * 60, room.turnaround_after_minutes * 60
        return frozenset({(room_uid, start - before, end + after), *((uid, start, end) for uid in mc_uids)})


class Writer:
    """One of many who hold, book, move, release and confirm, as chance has it."""

    def __init__(self, race: Race, seed: str, planner: bool) -> None:
        self.race = race
        self.random = random.Random(seed)
        self.planner = planner
        self.replica = count(self.random.randrange(len(race.replicas)))

    async def run(self) -> None:
        """Do one thing after the other while there is something left to do."""
        for _ in self.race.left:
            if not self.planner:
                await self.random.choices([self.book, self.release, self.hold, self.let_go], [5, 1, 1, 1])[0]()
            elif self.race.planned_shows and self.random.random() < 0.2:
                await self.release_planned()
            else:
                await self.plan_and_confirm()

    def when(self) -> tuple[str, str]:
        """A time for a show: from a quarter of an hour to an hour."""
        start = self.random.randrange(QUARTERS)
        end = start + self.random.randint(1, 4)
        return tuple(f"2026-03-02T{8 + n // 4:02}:{n % 4 * 15:02}" for n in (start, end))  # type: ignore[return-value]

    def what(self) -> tuple[Any, list[Any]]:
        """A room and some MCs."""
        house = self.race.house
        return self.random.choice([*house.rooms.values()]), self.random.sample(
            [*house.mcs.values()], self.random.randint(0, 1)
        )

    async def book(self) -> None:
        """Book or move one of the shows that everybody books and moves."""
        (start, end), (room, mcs) = self.when(), self.what()
        await self.told(self.booking(at(start), at(end), room.uid, [one.uid for one in mcs]))

    def booking(self, start: Timestamp, end: Timestamp, room_uid: str, mc_uids: Sequence[str]) -> BookShowRequest:
        """What one of those shows asks for."""
        race, house = self.race, self.race.house
        show_uid = self.random.choice(race.shows)
        return BookShowRequest(
            show_uid=show_uid,
            confirmation=race.numbers.setdefault(show_uid, 1),
            studio_uid=house.studio.uid,
            client_uid=house.client.uid,
            name="Race",
            room_uid=room_uid,
            mc_uids=mc_uids,
            starts_at=start,
            ends_at=end,
        )

    async def hold(self) -> None:
        """Take an option on something."""
        house, (start, end), (room, mcs) = self.race.house, self.when(), self.what()
        asked = CreateHoldRequest(
            studio_uid=house.studio.uid,
            client_uid=house.client.uid,
            name="Race",
            room_uid=room.uid,
            mc_uids=[one.uid for one in mcs],
            starts_at=at(start),
            ends_at=at(end),
            expires_at=tomorrow(),
        )
        answer = await self.manager(asked)
        if not isinstance(answer, Refusal):
            self.race.holds.append(answer)

    async def let_go(self) -> None:
        """Give an option back, or book what it holds."""
        if not self.race.holds:
            return await self.hold()
        held = self.race.holds.pop(self.random.randrange(len(self.race.holds)))
        if self.random.random() < 0.5:
            await self.manager(ReleaseHoldRequest(uid=held.uid, reason="race"))
            return None
        asked = self.booking(held.starts_at, held.ends_at, held.room_uid, held.mc_uids)
        asked.hold_uid = held.uid
        await self.told(asked)
        return None

    async def release(self) -> None:
        """Give back one of those shows; who books it again has to bring the next number."""
        show_uid = self.random.choice(self.race.shows)
        number = self.race.numbers.get(show_uid, 1)
        if await self.told(ReleaseShowRequest(show_uid=show_uid, confirmation=number, reason="race")):
            self.race.numbers[show_uid] = max(self.race.numbers.get(show_uid, 1), number + 1)

    async def release_planned(self) -> None:
        """Give back a show of a plan, as production does when it is cancelled."""
        show_uid = self.random.choice(sorted(self.race.planned_shows))
        number = self.race.numbers.get(show_uid, 1)
        await self.told(ReleaseShowRequest(show_uid=show_uid, confirmation=number, reason="race"))

    async def told(self, asked: Any) -> bool:
        """Ask production's question about one show, and remember the answer."""
        began = time.monotonic()
        answer = await self.ask(production(self.race.house).metadata, asked)
        if isinstance(answer, Refusal):
            return False
        assert isinstance(answer, booking_pb2.ShowBooking)
        start, end = answer.starts_at.seconds, answer.ends_at.seconds
        taken = self.race.took(answer.room_uid, answer.mc_uids, start, end) if answer.in_force else NOTHING
        self.race.told.append(Told(answer.show_uid, began, time.monotonic(), taken, answer.version))
        self.race.numbers[answer.show_uid] = max(answer.confirmation, self.race.numbers.get(answer.show_uid, 1))
        return True

    async def plan_and_confirm(self) -> None:
        """Give a schedule another plan, and confirm it; or confirm it again as it is."""
        schedule = self.random.choice(self.race.schedules)
        if self.random.random() < 0.8:
            await self.manager(schedule_request_pb2.ReviseScheduleRequest(uid=schedule.uid))
            await self.plan(schedule)
            await self.manager(schedule_request_pb2.ProposeScheduleRequest(uid=schedule.uid))
        began = time.monotonic()
        mode = self.random.choices(confirmation_pb2.ConfirmMode.values()[1:], [1, 8, 1])[0]
        asked = confirmation_pb2.ConfirmScheduleRequest(uid=schedule.uid, mode=mode)
        answer = await self.manager(asked)
        if not isinstance(answer, Refusal):
            self.race.confirmed.append((began, time.monotonic(), answer))

    async def plan(self, schedule: Any) -> None:
        """Import a sheet in which half of the shows are, each somewhere."""
        rows, plan = [], {}
        for external_id in self.random.sample([f"{n}" for n in range(12)], 6):
            (start, end), (room, mcs) = self.when(), self.what()
            rows.append(f"{external_id},Show,{room.name},{';'.join(one.name for one in mcs)},,,,{start},{end}")
            times = at(start).seconds, at(end).seconds
            plan[external_id] = self.race.took(room.uid, [one.uid for one in mcs], *times)
        answer = await self.manager(ImportPlanRequest(uid=schedule.uid, csv="\n".join([HEADER, *rows])))
        if not isinstance(answer, Refusal) and answer.saved:
            self.race.plans[schedule.uid, answer.schedule.plan_version] = plan
            self.race.planned_shows |= {one.show_uid for one in answer.rows if one.show_uid}

    async def manager(self, asked: Any) -> Any:
        """Ask as the studio's manager."""
        return await self.ask(self.race.house.manager.metadata, asked)

    async def ask(self, metadata: list[tuple[str, str]], asked: Any) -> Any:
        """Ask until there is an answer or a refusal; sometimes ask again then: the answer must be the same."""
        asked.request_id = str(uuid.uuid4())
        answer = await self.try_to_ask(metadata, asked)
        reason = answer.reason if isinstance(answer, Refusal) else ""
        self.race.answers[f"{type(asked).__name__.removesuffix('Request')} {reason}".strip()] += 1
        if not reason and self.random.random() < REPEATED and await self.try_to_ask(metadata, asked) != answer:
            self.race.faults.append(f"{asked} was answered in two ways")
        return answer

    async def try_to_ask(self, metadata: list[tuple[str, str]], asked: Any) -> Any:
        """The answer or the refusal, from whichever replica; a lost answer is asked for again."""
        for _ in range(TRIES):
            channel = self.race.replicas[next(self.replica) % len(self.race.replicas)]
            try:
                return await call({"scheduling": channel}, asked, metadata)
            except grpc.aio.AioRpcError as error:
                refusal = Refusal(error)
            if refusal.code not in AGAIN:
                break
        if refusal.code is not grpc.StatusCode.FAILED_PRECONDITION and refusal.code not in AGAIN:
            self.race.faults.append(f"{type(asked).__name__}: {refusal.code} {refusal.reason} {refusal.message}")
        return refusal
