"""The command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.local import keys
from libs.client import local
from libs.client.cli import app
from libs.common.config import Config
from libs.common.tokens import Verifier
from tests.support.suite import SERVICES, Suite

run = CliRunner().invoke


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root of the local stack of this test's own, where nothing runs."""
    monkeypatch.setattr(local.where, "__defaults__", (tmp_path,))
    monkeypatch.setattr(local.token, "__defaults__", (tmp_path, ""))
    monkeypatch.delenv("ERIDU_NATS_URL", raising=False)
    return tmp_path


async def test_a_printed_token_is_good_for_the_services(root: Path):
    keys.ensure_keys(root / "keys", SERVICES)
    said = run(app, ["token", "--user", "ada@example.org"])
    assert said.exit_code == 0
    config = Config(database_url="", jwks_url=(root / "keys" / "issuer.jwks.json").as_uri())
    claims = await Verifier(config).verify(said.stdout.strip())
    assert (claims.subject, claims.service) == ("ada@example.org", False)


def test_a_token_before_the_first_start_is_refused_in_words(root: Path):
    said = run(app, ["token", "--user", "ada@example.org"])
    assert (said.exit_code, said.stdout) == (1, "")
    assert "make up" in said.stderr


def test_where_names_every_service_and_the_broker(root: Path):
    facts = {
        "running": True,
        "addresses": {name: f"127.0.0.1:{port}" for port, name in enumerate(SERVICES, 1)},
        "ports": {"nats": 9},
    }
    (root / "stack.json").write_text(json.dumps(facts))
    (root / "secrets.json").write_text(json.dumps({"nats": "secret"}))
    assert run(app, ["where", "scheduling"]).stdout == "127.0.0.1:2\n"
    assert run(app, ["where", "nats"]).stdout == "nats://eridu:secret@127.0.0.1:9\n"
    assert len(run(app, ["where"]).stdout.splitlines()) == 5
    assert run(app, ["where", "nowhere"]).exit_code == 2


def test_where_says_when_nothing_runs(root: Path):
    said = run(app, ["where"])
    assert said.exit_code == 1
    assert "nothing runs here" in said.stderr


def test_migrate_wants_to_know_the_database(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ERIDU_DATABASE_URL", raising=False)
    said = run(app, ["migrate"])
    assert said.exit_code == 1
    assert "ERIDU_DATABASE_URL" in said.stderr


def test_migrate_again_changes_nothing_and_a_broken_one_says_why(stopped_suite: Suite, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ERIDU_DATABASE_URL", stopped_suite.admin_url)
    said = run(app, ["migrate"])
    assert (said.exit_code, said.stdout) == (0, "all schemas are up to date\n")
    broken = [sys.executable, "-c", "raise SystemExit('no such luck')"]
    monkeypatch.setattr("deploy.local.migrate.service_command", lambda service: broken)
    said = run(app, ["migrate"])
    assert said.exit_code == 1
    assert "the migration failed:\nno such luck" in said.stderr


def test_a_token_does_not_wait_for_libraries_that_it_does_not_need():
    program = "import sys; from libs.client import cli, local; print({'grpc', 'sqlalchemy', 'nats'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"
