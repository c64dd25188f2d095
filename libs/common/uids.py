"""Public ids: TypeIDs, a prefix and a UUIDv7 in base32 (`show_01jd…`). Sortable by age, safe in URLs."""

from __future__ import annotations

import uuid_utils
from typeid import TypeID


def new(prefix: str) -> str:
    """A fresh uid: `new("show")` is `show_01jd…`."""
    return str(TypeID(prefix=prefix))


def new_uuid() -> str:
    """A fresh UUIDv7 in its usual form: event uids."""
    return str(uuid_utils.uuid7())


def prefix(uid: str) -> str:
    """What stands before the last underscore: the kind of thing that the uid names."""
    return uid.rpartition("_")[0]
