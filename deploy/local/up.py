"""`eridu up`: the suite in the foreground, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from deploy.local.processes import LocalError
from deploy.local.stack import DEFAULT_ROOT, SYSTEM_ADMIN, Stack

LOOK_EVERY = 0.5
LONGEST_PAUSE = 30.0


def up(root: Path = DEFAULT_ROOT) -> None:
    """Starts the stack, says where everything is and keeps it alive; drains when it is told to end."""
    with contextlib.suppress(KeyboardInterrupt), running(root) as stack:
        for service, address in stack.addresses.items():
            print(f"  {service:<12}{address}")
        print(
            f"a token:  eridu token --user {SYSTEM_ADMIN}     logs: {stack.root / 'log'}     stop: Ctrl-C",
            flush=True,
        )
        try:
            _keep_alive(stack)
        finally:
            _say("draining: services first, stores last")


@contextlib.contextmanager
def running(root: Path = DEFAULT_ROOT, say: Callable[[str], None] | None = None) -> Iterator[Stack]:
    """A started stack for the length of a `with` block; SIGTERM ends the block as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with Stack.running(root, say=say or _say) as stack:
            yield stack
    finally:
        signal.signal(signal.SIGTERM, before)


def _keep_alive(stack: Stack) -> None:
    """A service that ended by itself is started again, after a longer pause each time; a lost store ends it all."""
    pause = LOOK_EVERY
    while True:
        time.sleep(LOOK_EVERY)
        for name, log in stack.dead().items():
            if name not in stack.services:
                raise LocalError(f"{name} is gone:\n{log}")
            _say(f"{name} ended, starting it again in {pause:.1f} s\n{log}".rstrip())
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            try:
                stack.start_service(name)
            except LocalError as error:
                _say(str(error))


def _say(line: str) -> None:
    print(line, flush=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
