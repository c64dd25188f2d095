"""Many bookings at once, written by the database's owner: what a service would have after years."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, create_engine, make_url, text

from libs.common import uids

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
STEP, LENGTH = timedelta(hours=2), timedelta(hours=1)  # every resource is taken every other hour
TABLES = ("booking", "show_booking", "room", "mc")
CLIENTS = 20  # that share a studio's bookings

RESOURCES = """
    INSERT INTO scheduling.{table} ({columns} uid, studio_uid, name, metadata, created_at, updated_at, version)
    SELECT {values} :prefix || lpad(n::text, 6, '0'), :studio_uid, :word || ' ' || lpad(n::text, 6, '0'), '{{}}',
        :first, :first, 1
    FROM generate_series(1, :count) AS n
"""
ROOM = {
    "table": "room",
    "columns": "capacity, capabilities, turnaround_before, turnaround_after, active,",
    "values": "n % 50, '{}', 0, 0, true,",
}
MC = {"table": "mc", "columns": "alias, user_uid,", "values": "'', '',"}

# A show for each room and number, and its bookings of the room and of the MC that stands at the same place.
SHOWS = """
    INSERT INTO scheduling.show_booking (show_uid, confirmation, version, in_force, studio_uid, client_uid,
        schedule_uid, external_id, name, room_uid, mc_uids, platform_uids, type, standard, starts_at, ends_at)
    SELECT :prefix || 'show_' || room.id || '_' || n, 1, 1, true, :studio_uid,
        :client || lpad((n % :clients)::text, 6, '0'), '', '',
        'Show ' || n, room.uid, '{}', '{}', '', '', :first + n * :step, :first + n * :step + :length
    FROM scheduling.room CROSS JOIN generate_series(0, :each - 1) AS n
    WHERE room.studio_uid = :studio_uid
"""
BOOKINGS = """
    INSERT INTO scheduling.booking (uid, show_uid, confirmation, studio_uid, client_uid, kind, resource_id,
        resource_uid, period, created_at)
    SELECT :prefix || 'book_' || one.id || '_' || n, :prefix || 'show_' || one.room_id || '_' || n, 1, :studio_uid,
        :client || lpad((n % :clients)::text, 6, '0'), one.kind, one.id, one.uid,
        tstzrange(:first + n * :step, :first + n * :step + :length), :first
    FROM (
        SELECT 'room' AS kind, id, id AS room_id, uid FROM scheduling.room WHERE studio_uid = :studio_uid
        UNION ALL
        SELECT 'mc', mc.id, room.id, mc.uid
        FROM scheduling.mc JOIN scheduling.room
          ON room.studio_uid = mc.studio_uid AND substr(room.name, 6) = substr(mc.name, 4)
        WHERE mc.studio_uid = :studio_uid
    ) AS one CROSS JOIN generate_series(0, :each - 1) AS n
    ORDER BY one.id, n
"""


@dataclass(frozen=True)
class Filled:
    """A studio with rooms, MCs and their bookings; uids are made of a prefix and a number from 1."""

    studio_uid: str
    prefix: str
    pairs: int
    each: int

    def room_uid(self, number: int) -> str:
        """A room."""
        return f"room_{self.prefix}{number:06}"

    def mc_uid(self, number: int) -> str:
        """The MC who is always in the room of this number."""
        return f"mc_{self.prefix}{number:06}"

    def client_uid(self, number: int) -> str:
        """One of the clients, from 0."""
        return f"client_{self.prefix}{number:06}"


def fill(admin_url: str, pairs: int, each: int, studio_uid: str = "") -> Filled:
    """A studio with so many rooms and as many MCs, and so many bookings of each of them."""
    studio_uid = studio_uid or uids.new("studio")
    made = Filled(studio_uid, studio_uid.removeprefix("studio_")[:20], pairs, each)
    given = {
        "studio_uid": studio_uid,
        "prefix": made.prefix,
        "client": f"client_{made.prefix}",
        "clients": CLIENTS,
        "first": FIRST,
        "step": STEP,
        "length": LENGTH,
        "each": each,
        "count": pairs,
    }
    engine = create_engine(make_url(admin_url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        for kind in (ROOM, MC):
            table = kind["table"]
            sql = RESOURCES.format(**kind)
            connection.execute(text(sql), {**given, "prefix": f"{table}_{made.prefix}", "word": table})
        connection.execute(text(SHOWS), given)
        connection.execute(text(BOOKINGS), given)
    analyze(engine)
    return made


def empty(admin_url: str, *filled: Filled) -> None:
    """Take it all out again: other tests look at the whole table."""
    engine = create_engine(make_url(admin_url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        for name in TABLES:
            sql = f"DELETE FROM scheduling.{name} WHERE studio_uid = ANY(:uids)"
            connection.execute(text(sql), {"uids": [one.studio_uid for one in filled]})
    analyze(engine)


def analyze(engine: Engine) -> None:
    """Let the planner know."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for name in TABLES:
            connection.execute(text(f"VACUUM ANALYZE scheduling.{name}"))
    engine.dispose()
