"""Supervised processes: each has a log and a pid file, so that a later supervisor can stop what a killed one left.

A pid alone proves nothing, because the kernel gives it to somebody else after a while. The pid file therefore
holds the start time too, and a process whose start time differs is never touched.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

# Below the ranges from which Linux (32768) and macOS (49152) take the ports of outgoing connections:
# otherwise somebody's client could sit on the port of a service that is just being restarted.
PORTS = range(20_000, 32_000)
LOG_LIMIT = 10 * 1024 * 1024


class LocalError(Exception):
    """The local stack cannot do what was asked; the text is meant for the person at the terminal."""


class Process:
    """One named process under `root`, known by `run/<name>.pid`, whoever started it."""

    def __init__(self, root: Path, name: str) -> None:
        self.name = name
        self.log = root / "log" / f"{name}.log"
        self._pid_file = root / "run" / f"{name}.pid"
        self._child: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def start(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        uid: int | None = None,
    ) -> None:
        """Starts `command` in a session of its own: a Ctrl-C at the terminal must not reach the stores."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._pid_file.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._child = subprocess.Popen(
                command,
                env=env,
                cwd=cwd,
                user=uid,
                group=None if uid is None else pwd.getpwuid(uid).pw_gid,
                extra_groups=None if uid is None else [],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        pid = self._child.pid
        write_private(self._pid_file, json.dumps({"pid": pid, "started": start_time(pid)}))

    @property
    def pid(self) -> int | None:
        """The pid while the process lives; None once it has gone or its number belongs to another process."""
        if self._child is not None:
            self._child.poll()  # reaps it
        try:
            known = json.loads(self._pid_file.read_text())
            pid, started = int(known["pid"]), known["started"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return pid if started and start_time(pid) == started else None

    @property
    def exit_code(self) -> int | None:
        """How it ended, if this very object started it and it has ended."""
        return None if self._child is None else self._child.poll()

    def send(self, number: signal.Signals) -> None:
        """Sends a signal, if the process still is the one that was started."""
        pid = self.pid
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if sys.platform == "linux":
                # A pidfd stays with its process: after the second look the signal cannot hit a successor.
                handle = os.pidfd_open(pid)
                try:
                    if self.pid == pid:
                        signal.pidfd_send_signal(handle, number)
                finally:
                    os.close(handle)
            else:
                os.kill(pid, number)

    def wait(self, timeout: float) -> bool:
        """True as soon as the process is gone, False if it still lives after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while self.pid is not None:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        self._pid_file.unlink(missing_ok=True)
        return True

    def stop(self, *signals: signal.Signals, grace: float = 20.0) -> None:
        """Sends the signals in turn, each with its grace, and SIGKILL to what is still there after them."""
        for number in signals or (signal.SIGTERM,):
            self.send(number)
            if self.wait(grace):
                return
        self.kill()

    def kill(self) -> None:
        """SIGKILL, and waits until the kernel has taken the process away."""
        self.send(signal.SIGKILL)
        if not self.wait(10.0):
            raise LocalError(f"{self.name} (pid {self.pid}) does not die")

    def tail(self, lines: int = 20) -> str:
        """The end of what this start wrote to the log."""
        try:
            with self.log.open("rb") as log:
                log.seek(self._log_start)
                text = log.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


def start_time(pid: int) -> str | None:
    """When the process with this pid started, as an opaque text; None if there is none (a zombie is none)."""
    if not sys.platform.startswith("linux"):
        command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
        seen = subprocess.run(command, check=False, capture_output=True, text=True)
        state, _, started = seen.stdout.strip().partition(" ")
        return None if not state or state.startswith("Z") else started.strip()
    try:
        # The name (field 2) may hold spaces and brackets, so count from its last bracket: state is next.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{boot}/{fields[19]}"


def take_port(wanted: int | None = None, avoid: Collection[int] = ()) -> int:
    """The wanted port if it is free, else a free one on the loopback interface."""
    choices = random.SystemRandom().sample(PORTS, 200)
    for port in ([wanted] if wanted else []) + choices:
        if port in avoid:
            continue
        with socket.socket() as probe:
            # As the servers do: connections of the last run in TIME_WAIT do not make a port occupied.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise LocalError("no free TCP port on 127.0.0.1")


def write_private(path: Path, text: str) -> None:
    """Writes a file for its owner's eyes only, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    draft.replace(path)
