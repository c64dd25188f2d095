"""The suite that runs on this machine (`eridu up`): where it is, and tokens for it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from deploy.local import keys
from deploy.local.nats import USER
from deploy.local.processes import LocalError

ROOT = Path(__file__).resolve().parents[2] / ".local"


def where(root: Path = ROOT) -> dict[str, str]:
    """The address of each service, and under `nats` the broker's URL. Raises LocalError when nothing runs."""
    try:
        facts = json.loads((root / "stack.json").read_text())
        password = json.loads((root / "secrets.json").read_text())["nats"]
    except (OSError, ValueError, KeyError):
        facts = {}
    if not facts.get("running"):
        raise LocalError("nothing runs here: start it with `make up`")
    nats = os.environ.get("ERIDU_NATS_URL") or f"nats://{USER}:{password}@127.0.0.1:{facts['ports']['nats']}"
    return {**facts["addresses"], "nats": nats}


def token(ext_id: str, root: Path = ROOT, email: str = "") -> str:
    """A bearer token for a user, good for an hour, with a verified e-mail address."""
    if not (root / "keys" / "issuer.pem").exists():
        raise LocalError("there are no keys yet: start the suite once with `make up`")
    return keys.user_token(root / "keys", ext_id, email=email)
