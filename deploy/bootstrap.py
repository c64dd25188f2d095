"""Makes `.venv` beside this directory and installs what `requirements.lock` says into it, then Eridu itself.

Runs on a bare Python 3.11 or later: `python3 deploy/bootstrap.py`. Nothing is written outside the clone, and a
second run with nothing to do ends at once. uv installs if it can be had (seconds), pip otherwise.
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

CLONE = Path(__file__).resolve().parents[1]
VENV = CLONE / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = CLONE / "requirements.lock"
UV_LOCK = CLONE / "deploy" / "uv.lock.txt"
CACHE = CLONE / ".local" / "cache"

# Debian's Python comes without ensurepip and its own pip is barred from installing (PEP 668): so bring pip along.
PIP = CLONE / "deploy" / "third_party" / "pip-26.3-py3-none-any.whl"
PIP_SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"

DONE = VENV / "eridu.done"  # what was installed; written last
BUSY = VENV / "eridu.busy"  # there only while somebody installs, or after somebody was killed while installing

# pip's settings and the names uv has for the same; uv reads none of pip's configuration.
PIP_TO_UV = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", ""),
}


class Failed(Exception):
    """A step did not work; the text is for the person at the terminal."""


def main() -> int:
    """Brings `.venv` up to date; 0 if it is."""
    if sys.version_info < (3, 11):  # noqa: UP036 (the reader may run it with anything)
        print(f"Eridu needs Python 3.11 or later, this is {platform.python_version()}: make PYTHON=python3.x")
        return 1
    wanted = fingerprint()
    try:
        if not is_current(wanted):
            with only_one():
                if not is_current(wanted):  # somebody else may have done it while we waited
                    install(wanted)
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


def fingerprint() -> str:
    """All that the content of `.venv` depends on; the clone's place too, because scripts hold absolute paths."""
    digest = hashlib.sha256(f"{CLONE}\n{sys.version}\n{sys.base_prefix}\n{platform.machine()}\n".encode())
    for path in (LOCK, CLONE / "pyproject.toml"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_current(wanted: str) -> bool:
    """Whether a run that ended well installed exactly this."""
    return PYTHON.exists() and not BUSY.exists() and DONE.exists() and DONE.read_text() == wanted


def install(wanted: str) -> None:
    """The work, step by step."""
    if hashlib.sha256(PIP.read_bytes()).hexdigest() != PIP_SHA256:
        raise Failed(f"{PIP} is not the file that belongs here: check it out again")
    if VENV.exists() and (BUSY.exists() or not is_usable()):
        with step("remove the half-made or outdated .venv"):
            shutil.rmtree(VENV)
    VENV.mkdir(exist_ok=True)
    BUSY.touch()
    DONE.unlink(missing_ok=True)
    if not PYTHON.exists():
        with step(f"make .venv with Python {platform.python_version()}"):
            # Not sys.executable: that may be the .venv this replaces.
            base = getattr(sys, "_base_executable", None) or sys.executable
            run([base, "-m", "venv", "--without-pip", str(VENV)])
    try:
        install_with_uv()
    except Failed as failure:
        said = str(failure).splitlines()
        why = next((line for line in said[1:] if "error" in line.lower()), said[-1])
        print(f"  uv cannot do it, so pip does ({why.strip()})", flush=True)
        install_with_pip()
    DONE.write_text(wanted)
    BUSY.unlink()


def is_usable() -> bool:
    """Whether `.venv` was made by this very Python, here."""
    program = "import sys; print(sys.version, sys.prefix, sys.base_prefix, sep='\\n')"
    try:
        said = subprocess.run([PYTHON, "-c", program], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return False
    return said.strip() == "\n".join([sys.version, str(VENV), sys.base_prefix])


def install_with_uv() -> None:
    """The fast way. uv lives beside the cache and not in `.venv`, which holds what the lock says and nothing more."""
    home = CACHE / f"uv-{hashlib.sha256(UV_LOCK.read_bytes()).hexdigest()[:12]}"
    uv = home / "bin" / "uv"
    if not uv.exists():
        with step("fetch uv"):
            draft = home.with_suffix(".new")
            shutil.rmtree(draft, ignore_errors=True)
            pip("install", "--require-hashes", "--no-deps", "--target", str(draft), "-r", str(UV_LOCK))
            shutil.rmtree(home, ignore_errors=True)
            draft.rename(home)
    extra = uv_environment(pip_settings(pip("config", "list")), os.environ)
    with step("install requirements.lock with uv"):
        # Compiled now, as pip does: otherwise each of the first processes would compile all by itself.
        run([str(uv), "pip", "sync", "--quiet", "--compile-bytecode", "--require-hashes", str(LOCK)], extra)
    with step("install Eridu, editable"):
        project = ["--no-deps", "--no-build-isolation", "--editable", str(CLONE)]
        run([str(uv), "pip", "install", "--quiet", *project], extra)


def install_with_pip() -> None:
    """The way that needs nothing but what is in the clone and a package index."""
    with step("install requirements.lock with pip"):
        pip("install", "--require-hashes", "-r", str(LOCK))
    with step("install Eridu, editable"):
        pip("install", "--no-deps", "--no-build-isolation", "--editable", str(CLONE))


def pip_settings(listing: str) -> dict[str, list[str]]:
    """The settings in the output of `pip config list`; environment before the section `install` before `global`."""
    found: dict[str, list[str]] = {}
    for scope in ("global.", "install.", ":env:."):
        for line in listing.splitlines():
            key, _, value = line.partition("=")
            if key.startswith(scope):
                found[key.removeprefix(scope)] = str(ast.literal_eval(value)).split()
    return found


def uv_environment(settings: Mapping[str, Sequence[str]], environment: Mapping[str, str]) -> dict[str, str]:
    """What uv must be told so that it looks where pip looks; what the environment says to uv itself stays."""
    told = {"UV_PYTHON": str(PYTHON), "UV_PYTHON_DOWNLOADS": "never", "VIRTUAL_ENV": str(VENV)}
    if settings.get("extra-index-url"):
        # pip takes the best of all indexes, uv the first that knows the name. The hashes make both safe.
        told["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if settings.get("no-index", ["0"])[0].lower() in ("1", "true", "yes", "on"):
        told["UV_NO_INDEX"] = "1"
    for option, (variable, separator) in PIP_TO_UV.items():
        if settings.get(option) and not environment.get(variable):
            told[variable] = separator.join(settings[option])
    return told


def pip(*arguments: str) -> str:
    """Runs the vendored pip on `.venv`, straight out of its wheel."""
    return run([str(PYTHON), str(PIP / "pip"), *arguments])


def run(command: Sequence[str], extra: Mapping[str, str] | None = None) -> str:
    """Runs a command in the clone; its output is returned, or shown if it fails."""
    temporary = CACHE / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "PIP_CACHE_DIR": str(CACHE / "pip"),
        "UV_CACHE_DIR": str(CACHE / "uv"),
        "TMPDIR": str(temporary),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        **(extra or {}),
    }
    try:
        done = subprocess.run(command, check=False, cwd=CLONE, env=environment, capture_output=True, text=True)
    except OSError as error:
        raise Failed(f"{command[0]}: {error}") from None
    if done.returncode:
        raise Failed(f"failed: {' '.join(command)}\n{(done.stdout + done.stderr).strip()}")
    return done.stdout


@contextmanager
def only_one() -> Iterator[None]:
    """Two that install into one `.venv` would destroy it: the second one waits."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "bootstrap.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def step(what: str) -> Iterator[None]:
    """One line per step, with the seconds it took."""
    began = time.monotonic()
    yield
    print(f"  {what:<44}{time.monotonic() - began:>6.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
