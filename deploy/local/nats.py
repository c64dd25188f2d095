"""A private NATS server with JetStream on the loopback interface."""

from __future__ import annotations

import http.client
import json
import signal
import time
from pathlib import Path

from deploy.local.binaries import find_nats_server
from deploy.local.processes import LocalError, Process, write_private

USER = "eridu"
READY_WITHIN = 20.0

# By default the server acknowledges before it syncs (every two minutes) and a power cut takes the whole stream.
# JSON strings are valid strings of this format, whatever the path holds.
CONFIGURATION = """\
server_name: eridu_local
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitor}"
max_payload: 1MB
authorization {{ user: {user}, password: {password} }}
jetstream {{
  store_dir: {store}
  max_memory_store: 64MB
  max_file_store: 4GB
  sync_interval: always
}}
"""


class Nats:
    """The server of one stack; its streams live in `<root>/nats`."""

    def __init__(self, root: Path, password: str) -> None:
        self.process = Process(root, "nats")
        self.address = ""
        self.monitor = ""
        self.version = ""
        self._home = root / "nats"
        self._password = password

    @property
    def url(self) -> str:
        """The URL with user and password."""
        return f"nats://{USER}:{self._password}@{self.address}"

    def start(self, port: int, monitor_port: int) -> None:
        """Starts the server and returns when it and JetStream are healthy."""
        self.stop()  # a server left by a killed supervisor
        self._home.mkdir(parents=True, exist_ok=True)
        configuration = self._home / "nats.conf"
        values = {"user": USER, "password": self._password, "store": str(self._home / "store")}
        quoted = {key: json.dumps(value) for key, value in values.items()}
        write_private(configuration, CONFIGURATION.format(port=port, monitor=monitor_port, **quoted))
        self.process.start([str(find_nats_server()), "--config", str(configuration)])
        self.address, self.monitor = f"127.0.0.1:{port}", f"127.0.0.1:{monitor_port}"
        self._wait_ready()

    def stop(self) -> None:
        """SIGTERM: clients are told, stores are closed."""
        self.process.stop(signal.SIGTERM, grace=10.0)

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN
        # The full health check: with `js-enabled-only` it calls a server healthy whose streams are dead.
        while self._ask("/healthz") != {"status": "ok"}:
            if self.process.pid is None:
                raise LocalError(f"NATS ended at start:\n{self.process.tail()}")
            if time.monotonic() > deadline:
                self.stop()
                raise LocalError(f"NATS is not healthy after {READY_WITHIN:.0f} s:\n{self.process.tail()}")
            time.sleep(0.02)
        self.version = str(self._ask("/varz").get("version", ""))

    def _ask(self, path: str) -> dict[str, object]:
        # Not urllib: it would send a request for the loopback interface to a configured proxy.
        connection = http.client.HTTPConnection(self.monitor, timeout=2)
        try:
            connection.request("GET", path)
            answer = json.loads(connection.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException):
            return {}
        finally:
            connection.close()
        return answer if isinstance(answer, dict) else {}
