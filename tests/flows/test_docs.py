"""What the documents say is so: links lead somewhere, examples run."""

from __future__ import annotations

import asyncio
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from eridu.identity.v1.client_service_pb2 import CreateClientRequest
from eridu.identity.v1.studio_service_pb2 import CreateStudioRequest
from eridu.production.v1.show_service_pb2 import ConfirmShowRequest, CreateShowRequest
from eridu.scheduling.v1.room_service_pb2 import CreateRoomRequest
from google.protobuf.timestamp_pb2 import Timestamp

from libs.client import local
from tests.support.suite import ADMIN, Suite, until

CLONE = Path(__file__).resolve().parents[2]
DOCUMENTS = [CLONE / "README.md", CLONE / "CONTRIBUTING.md", CLONE / "deploy" / "demo" / "README.md"]
EXAMPLES = re.findall(r"```python\n(.*?)```", (CLONE / "README.md").read_text(), re.DOTALL)


def main_of(example: str) -> Any:
    """The example's `main`, not run yet."""
    names: dict[str, Any] = {}
    exec(compile(example.replace("asyncio.run(main())", ""), "README.md", "exec"), names)
    return names["main"]


@pytest.fixture
def here(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """The suite under test in the place of the local one."""
    places = {name: f"127.0.0.1:{process.server.port}" for name, process in suite.processes.items()}
    monkeypatch.setattr(local, "where", lambda: {**places, "nats": suite.nats_url})
    monkeypatch.setattr(local, "token", suite.token)
    return suite


async def confirm_a_show(suite: Suite) -> str:
    """A confirmed show in a studio whose name comes first."""
    admin, run = suite.caller(ADMIN), uuid.uuid4()
    studio = await admin(CreateStudioRequest(name=f" {run}", time_zone="Europe/Brussels"))
    client = await admin(CreateClientRequest(name=f"client {run}"))
    room = await admin(CreateRoomRequest(studio_uid=studio.uid, name="one"))
    show = await admin(
        CreateShowRequest(
            studio_uid=studio.uid,
            client_uid=client.uid,
            name=f"show {run}",
            room_uid=room.uid,
            starts_at=Timestamp(seconds=1_700_000_000),
            ends_at=Timestamp(seconds=1_700_003_600),
        )
    )
    return str((await admin(ConfirmShowRequest(uid=show.uid))).name)


async def test_the_subscriber_of_the_readme_hears_of_a_confirmed_show(here: Suite, capsys: pytest.CaptureFixture[str]):
    said = ""
    name = await confirm_a_show(here)
    listening = asyncio.create_task(main_of(EXAMPLES[1])())

    async def heard() -> bool:
        nonlocal said
        said += capsys.readouterr().out
        return f"{name} is confirmed for 2023-11-14T22:13:20Z" in said or listening.done()

    await until(heard)
    assert not listening.done(), "it listens on"
    listening.cancel()
    await asyncio.wait({listening})


async def test_the_client_of_the_readme_lists_shows_and_meets_a_refusal_or_none(
    here: Suite, capsys: pytest.CaptureFixture[str]
):
    await confirm_a_show(here)
    await main_of(EXAMPLES[0])()
    assert "1 confirmed shows, the first is show " in capsys.readouterr().out


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(CLONE)))
def test_links_lead_somewhere(document: Path):
    links = re.findall(r"\]\(([^)#:]+)\)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_attribution_goes_where_the_data_goes():
    assert "Schedule data (c) FOSDEM VZW, CC BY" in (CLONE / "deploy" / "demo" / "README.md").read_text()
