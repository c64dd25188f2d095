"""The bootstrap's decisions; a full installation is what `make` itself proves."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from deploy import bootstrap

# As `pip config list` prints it.
LISTING = r"""
:env:.find-links='/from/environment'
global.extra-index-url='\nfile:///one/simple\nfile:///two/simple'
global.find-links='/from/file'
install.index-url='file:///mirror/simple'
"""


def test_pip_in_the_clone_is_the_one_the_script_expects() -> None:
    assert hashlib.sha256(bootstrap.PIP.read_bytes()).hexdigest() == bootstrap.PIP_SHA256


def test_settings_of_the_environment_win_over_those_of_the_files() -> None:
    assert bootstrap.pip_settings(LISTING) == {
        "find-links": ["/from/environment"],
        "extra-index-url": ["file:///one/simple", "file:///two/simple"],
        "index-url": ["file:///mirror/simple"],
    }


def test_uv_is_told_where_pip_looks() -> None:
    settings = {
        "index-url": ["file:///mirror/simple"],
        "extra-index-url": ["file:///one/simple", "file:///two/simple"],
        "find-links": ["/wheels", "/more"],
        "cert": ["/ca.pem"],
    }
    told = bootstrap.uv_environment(settings, {"SSL_CERT_FILE": "/mine.pem"})
    assert told["UV_DEFAULT_INDEX"] == "file:///mirror/simple"
    assert told["UV_INDEX"] == "file:///one/simple file:///two/simple"
    assert told["UV_FIND_LINKS"] == "/wheels,/more"
    assert told["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert "SSL_CERT_FILE" not in told, "what the environment says stays"


def test_uv_is_told_nothing_when_pip_is_not_configured() -> None:
    told = bootstrap.uv_environment({}, {})
    assert not {"UV_DEFAULT_INDEX", "UV_INDEX", "UV_FIND_LINKS", "UV_INDEX_STRATEGY", "UV_NO_INDEX"} & set(told)


def test_only_a_finished_installation_of_the_same_lock_is_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, file in (("PYTHON", "python"), ("DONE", "done"), ("BUSY", "busy")):
        monkeypatch.setattr(bootstrap, name, tmp_path / file)
    assert not bootstrap.is_current("a")
    bootstrap.PYTHON.touch()
    bootstrap.DONE.write_text("a")
    assert bootstrap.is_current("a")
    assert not bootstrap.is_current("b"), "the lock has changed"
    bootstrap.BUSY.touch()
    assert not bootstrap.is_current("a"), "somebody was killed in the middle"
