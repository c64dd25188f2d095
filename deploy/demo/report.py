"""What the person at the terminal sees: a line per step with its seconds, what was found, and the sums."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC

from eridu.scheduling.v1.schedule_pb2 import Problem
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.demo.sheet import ZONE
from deploy.demo.sums import Sum

PLAIN_WIDTH = 120  # columns of a log file


class Step:
    """One step while it runs: it says what it did."""

    def __init__(self) -> None:
        self.did = ""

    def says(self, what: str) -> None:
        """What stands behind the step's name."""
        self.did = what


class Report:
    """The terminal, or whatever takes its place: then without colours and moving parts."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        if not self.console.is_terminal:
            self.console.width = PLAIN_WIDTH
        self.began = time.monotonic()

    def say(self, line: str) -> None:
        """One line of plain text."""
        self.console.print(line, markup=False, soft_wrap=True)

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """One step of the story and its seconds."""
        step, began = Step(), time.monotonic()
        with self.console.status(name):
            yield step
        self.console.print(f"{name:<24}{time.monotonic() - began:>6.1f} s   {escape(step.did)}", soft_wrap=True)

    def detail(self, line: str) -> None:
        """Something that belongs to the step above it."""
        self.console.print(f"    {escape(line)}", style="cyan", soft_wrap=True)

    def problems(self, problems: Iterable[Problem]) -> None:
        """Clashes by name, each pair once."""
        seen: set[tuple[str, frozenset[str]]] = set()
        for problem in problems:
            pair = (problem.resource_name, frozenset((problem.show.name, problem.other.name)))
            if pair not in seen:
                seen.add(pair)
                self.detail(sentence(problem))

    def sums(self, sums: Iterable[Sum]) -> bool:
        """Every sum, and whether all are right."""
        table = Table(box=None, show_header=False, pad_edge=False)
        good = True
        for one in sums:
            good = good and one.right
            mark = "[green]✓[/green]" if one.right else "[bold red]✗[/bold red]"
            table.add_row(mark, escape(one.sentence), escape(one.said))
        self.console.print(table)
        seconds = time.monotonic() - self.began
        verdict = "everything adds up" if good else "this does not add up: see the lines marked ✗"
        self.console.print(f"{verdict}, after {seconds:.1f} s", style="bold green" if good else "bold red")
        return good


def sentence(problem: Problem) -> str:
    """A clash as people say it, in the studio's time."""
    # `from` is a word of Python's own.
    begin, end = (getattr(problem, name).ToDatetime(UTC).astimezone(ZONE) for name in ("from", "until"))
    when = f"{begin.day} {begin:%B %H:%M} to {end:%H:%M}"
    return f"{problem.resource_name}: {problem.show.name} and {problem.other.name}, {when}"
