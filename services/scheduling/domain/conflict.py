"""What-if: slots that nobody has planned yet, held against each other and against what is booked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from libs.common.errors import NotFound
from services.scheduling.domain.blackout import OPEN, Closed
from services.scheduling.domain.booking import Problem, Severity, ShowRef, Taken, Wanted, all_problems, need
from services.scheduling.domain.resource import Resource
from services.scheduling.domain.schedule import Planned, PlannedShow


@dataclass(frozen=True, slots=True)
class Conflicts:
    """The answer about some slots: all problems by start of the slot, and who has none that forbids it."""

    problems: Sequence[Problem]
    free_keys: Sequence[str]


def want_asked(
    asked: Iterable[PlannedShow],
    studio_uid: str,
    client_uid: str,
    resources: Mapping[str, Resource],
    closed: Closed = OPEN,
) -> list[Wanted]:
    """What slots that were asked about would take, as rows of a plan that does not exist."""
    return [
        need(
            row,
            ShowRef(row.show_uid, row.external_id, row.planned.name, "", studio_uid, client_uid),
            resources,
            closed=closed,
        )
        for row in asked
    ]


def conflicts(wanted: Sequence[Wanted], world: Taken, warnings: Sequence[Problem] = ()) -> Conflicts:
    """Everything that is in the way of the slots, by the rules of a confirmation, and what is only to be known."""
    places = {each.row.external_id: (each.row.planned.starts_at, each.row.external_id) for each in wanted}
    found = sorted([*all_problems(wanted, world), *warnings], key=lambda one: places[one.show.external_id])
    refused = {one.show.external_id for one in found if one.severity is Severity.ERROR}
    return Conflicts(found, [each.row.external_id for each in wanted if each.row.external_id not in refused])


def asked_row(key: str, show_uid: str, planned: Planned) -> PlannedShow:
    """A slot as a row of a plan: the same rules take it."""
    return PlannedShow(uid=key, show_uid=show_uid, schedule_uid="", planned=planned)


def require_known(asked: Iterable[Planned], resources: Mapping[str, Resource]) -> None:
    """NotFound for the first room or MC that the studio does not have."""
    for planned in asked:
        if planned.room_uid and planned.room_uid not in resources:
            raise NotFound.of("room", planned.room_uid)
        for uid in planned.mc_uids:
            if uid not in resources:
                raise NotFound.of("mc", uid)
