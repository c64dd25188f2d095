"""Which of a plan's shows can have what they want: the earlier start wins, then the lower external_id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.scheduling.domain.booking import Problem, Slot, Taken, Wanted, clashes_with


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which shows of a plan are booked, and why the others are not."""

    winners: tuple[Wanted, ...]
    refused: Mapping[str, Sequence[Problem]]  # by show uid


def decide(wanted: Sequence[Wanted], world: Sequence[Slot], held: Mapping[str, Sequence[Slot]]) -> Verdict:
    """Who wins: the earlier start, then the lower external_id; a show gets all its resources or none.

    A refused show blocks nobody, save that what it has *now* (`held`, by show uid) stays in force and may be in the
    way of others: then those are decided again with it. In the end some that were thought to stay may have moved away
    after all: then those that were refused have another chance.
    """
    in_order = sorted(wanted, key=lambda each: (each.row.planned.starts_at, each.row.external_id))
    stay: set[str] = set()
    verdict = sweep(in_order, Taken(world), Taken())
    while more := {show_uid for show_uid in verdict.refused if show_uid in held} - stay:
        stay |= who_stays(verdict.winners, more, held)
        verdict = sweep(in_order, Taken([*world, *kept(stay, held)]), Taken())
    another_chance = not stay <= verdict.refused.keys()
    while another_chance:
        refused = [each for each in in_order if each.row.show_uid in verdict.refused]
        taken = Taken(slot for each in verdict.winners for slot in each.slots)
        again = sweep(refused, Taken([*world, *kept(verdict.refused, held)]), taken)
        verdict = Verdict((*verdict.winners, *again.winners), again.refused)
        another_chance = bool(again.winners)
    return verdict


def kept(show_uids: Iterable[str], held: Mapping[str, Sequence[Slot]]) -> Iterator[Slot]:
    """What these shows have now."""
    return (slot for show_uid in show_uids for slot in held.get(show_uid, ()))


def who_stays(winners: Sequence[Wanted], stay: Iterable[str], held: Mapping[str, Sequence[Slot]]) -> set[str]:
    """These shows keep what they have; so do the booked ones whose new slots that takes away again, and so on."""
    won = Taken(slot for each in winners for slot in each.slots)
    found, waiting = set(stay), list(stay)
    while waiting:
        for slot in held[waiting.pop()]:
            pushed = {other.show.show_uid for other in won.in_the_way(slot) if other.show.show_uid in held} - found
            found |= pushed
            waiting += pushed
    return found


def sweep(in_order: Sequence[Wanted], world: Taken, plan: Taken) -> Verdict:
    """One pass: each show in its turn gets its slots if they are free of the world and of the shows before it."""
    winners, refused = [], {}
    for each in in_order:
        problems = [
            *each.problems,
            *(p for p in clashes_with(world, each.slots, False) if p.other and p.other.show_uid != each.row.show_uid),
            *clashes_with(plan, each.slots, True),
        ]
        if problems:
            refused[each.row.show_uid] = problems
        else:
            winners.append(each)
            plan.add(each.slots)
    return Verdict(tuple(winners), refused)
