"""Identity's rules, without anything around them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from libs.common import uids
from libs.common.errors import DomainError, Invalid, Refused, Unavailable
from services.identity.domain.access import Declaration, Question, Reason, Rights, Who, answer
from services.identity.domain.group import Studio, require_unused
from services.identity.domain.membership import Role, require_admin_left, require_future
from services.identity.domain.nouns import CLIENT, STUDIO, USER, fresh
from services.identity.domain.trail import Audit, Dependant, dependant, newest
from services.identity.domain.user import User, address, require_another
from services.identity.keyring import Keyring

NOW = datetime(2026, 3, 1, tzinfo=UTC)
STUDIO_UID, OTHER_UID, CLIENT_UID = uids.new("studio"), uids.new("studio"), uids.new("client")


def asked(who: Who = Who.MEMBER, *groups: str, **least: Role) -> Question:
    return Question("user_1", Declaration(who, least), groups)


def may(role: Role | None = None, **more: Any) -> Rights:
    return Rights("user_1", roles={} if role is None else {STUDIO_UID: role}, **more)


@pytest.mark.parametrize(("role", "least"), list(product(Role, Role)))
def test_a_role_reaches_as_far_as_its_rank(role: Role, least: Role):
    ranks = list(Role)
    expected = Reason.ROLE if ranks.index(role) >= ranks.index(least) else Reason.ROLE_TOO_LOW
    assert answer(asked(Who.MEMBER, STUDIO_UID, studio=least), may(role)) is expected


@pytest.mark.parametrize(
    ("question", "rights", "reason"),
    [
        (Question("user_1", None), may(), Reason.METHOD_UNKNOWN),
        (asked(), None, Reason.USER_UNKNOWN),
        (asked(Who.SIGNED_IN), may(banned=True), Reason.USER_BANNED),
        (asked(Who.SYSTEM_ADMIN), may(banned=True, system_admin=True), Reason.USER_BANNED),
        (asked(Who.SERVICE), may(system_admin=True), Reason.SERVICES_ONLY),
        (asked(Who.SYSTEM_ADMIN), may(), Reason.SYSTEM_ADMINS_ONLY),
        (asked(Who.SYSTEM_ADMIN), may(system_admin=True), Reason.SYSTEM_ADMIN),
        (asked(Who.MEMBER, STUDIO_UID, studio=Role.ADMIN), may(system_admin=True), Reason.SYSTEM_ADMIN),
        (asked(Who.SIGNED_IN), may(), Reason.SIGNED_IN),
        (asked(Who.MEMBER, STUDIO_UID, studio=Role.MEMBER), may(), Reason.NO_ROLE),
        (asked(Who.MEMBER, OTHER_UID, studio=Role.MEMBER), may(Role.ADMIN), Reason.NO_ROLE),
        (asked(Who.MEMBER, CLIENT_UID, client=Role.MEMBER), may(Role.ADMIN), Reason.NO_ROLE),
        (asked(Who.MEMBER, STUDIO_UID, client=Role.MEMBER), may(Role.ADMIN), Reason.ROLE_TOO_LOW),
        (asked(Who.MEMBER, OTHER_UID, STUDIO_UID, studio=Role.MEMBER), may(Role.MEMBER), Reason.ROLE),
    ],
)
def test_every_answer_has_its_reason(question: Question, rights: Rights | None, reason: Reason):
    assert answer(question, rights) is reason


def test_three_reasons_allow():
    assert {reason for reason in Reason if reason.allows} == {Reason.ROLE, Reason.SYSTEM_ADMIN, Reason.SIGNED_IN}


def user() -> User:
    return User(**fresh(USER, NOW), ext_id="", email="a@b.example", name="Ann")


def refusal(error: type[DomainError], call: object) -> str:
    with pytest.raises(error) as refused:
        call()  # type: ignore[operator]
    return str(refused.value.reason)


def test_a_ban_has_a_time_and_a_reason_and_ends():
    banned = user().ban("rude", NOW)
    assert (banned.banned_at, banned.ban_reason) == (NOW, "rude")
    assert refusal(Refused, lambda: banned.ban("again", NOW)) == "USER_BANNED"
    admitted = banned.unban()
    assert (admitted.banned_at, admitted.ban_reason) == (None, "")
    assert refusal(Refused, admitted.unban) == "USER_NOT_BANNED"


def test_what_is_deleted_comes_back_once():
    gone = user().delete(NOW)
    assert gone.deleted_at == NOW
    back = gone.undelete(USER)
    assert back.deleted_at is None
    assert refusal(Refused, lambda: back.undelete(USER)) == "NOT_DELETED"


def test_nobody_locks_themselves_out():
    require_another("user_1", "user_2")
    assert refusal(Refused, lambda: require_another("user_1", "user_1")) == "SELF"


def test_an_address_has_no_case():
    assert address(" Ann@Example.ORG ") == "ann@example.org"


def test_a_group_keeps_an_admin():
    require_admin_left([])
    assert refusal(Refused, lambda: require_admin_left([STUDIO_UID])) == "LAST_ADMIN"


def test_a_membership_does_not_end_before_it_is_granted():
    later = NOW.replace(day=2)
    require_future(None, None, NOW)
    require_future(later, None, NOW)
    require_future(NOW, later, NOW)
    for starts_at, ends_at in ((None, NOW), (later, later)):
        assert refusal(Invalid, lambda: require_future(starts_at, ends_at, NOW)) == "PERIOD_INVALID"  # noqa: B023


def test_a_group_in_use_says_by_what():
    require_unused(STUDIO, STUDIO_UID, {})
    with pytest.raises(Refused) as refused:
        require_unused(CLIENT, CLIENT_UID, {"show": 3, "schedule": 1})
    assert refused.value.reason == "CLIENT_IN_USE"
    assert refused.value.facts == {"uid": CLIENT_UID, "show_count": "3", "schedule_count": "1"}


def test_a_studio_has_a_time_zone_that_is_known():
    assert refusal(Invalid, lambda: Studio(**fresh(STUDIO, NOW), name="x", time_zone="Mars/Olympus")) == (
        "TIME_ZONE_UNKNOWN"
    )


def audit(action: str, version: int = 1) -> Audit:
    return Audit(
        event_uid=uids.new_uuid(),
        occurred_at=NOW,
        service="scheduling",
        action=action,
        actor="user_1",
        on_behalf_of="",
        entity_uid="it_1",
        entity_version=version,
        studio_uid=STUDIO_UID,
        client_uid=CLIENT_UID,
        platform_uid="",
        reason="",
        request_id="",
        trace_id="",
        old_values={},
        new_values={},
    )


@pytest.mark.parametrize(
    ("action", "groups"),
    [
        ("room.created", {STUDIO_UID, CLIENT_UID}),
        ("schedule.confirmed", {STUDIO_UID, CLIENT_UID}),
        ("schedule.archived", set()),
        ("schedule.cancelled", set()),
        ("show.completed", set()),
        ("mc.deleted", set()),
        ("mc.undeleted", {STUDIO_UID, CLIENT_UID}),
    ],
)
def test_what_lives_in_a_group_holds_it_until_its_end(action: str, groups: set[str]):
    found = dependant(audit(action))
    assert found is not None
    assert found.groups == groups


def test_what_has_no_life_of_its_own_holds_no_group():
    assert [dependant(audit(action)) for action in ("booking.confirmed", "plan.changed", "task.assigned")] == [None] * 3


def test_a_show_holds_its_platforms_too():
    found = dependant(audit("show.confirmed"), ["plat_1"])
    assert found is not None
    assert found.groups == {STUDIO_UID, CLIENT_UID, "plat_1"}


def test_the_last_word_on_an_entity_counts():
    words = [Dependant("it_1", "room", version, frozenset({str(version)})) for version in (2, 3, 1)]
    assert newest(words) == [words[1]]


OLD, NEW = ((f"k{n}", base64.b64encode(bytes([n]) * 32).decode()) for n in (1, 2))
OLD_RING = Keyring.of(":".join(OLD))
NEW_RING = Keyring.of(f"{':'.join(NEW)}, {':'.join(OLD)}")
PLACE = "identity.api_config|plat_1"


def test_a_sealed_secret_opens_in_its_place_with_its_key_only():
    sealed = OLD_RING.seal(b"secret", PLACE)
    assert b"secret" not in sealed.ciphertext + sealed.wrapped_key
    assert OLD_RING.open(sealed, PLACE) == b"secret"
    assert NEW_RING.open(sealed, PLACE) == b"secret"
    assert refusal(Unavailable, lambda: OLD_RING.open(sealed, PLACE + "x")) == "SECRET_UNREADABLE"
    other = Keyring.of(f"k1:{NEW[1]}")
    assert refusal(Unavailable, lambda: other.open(sealed, PLACE)) == "SECRET_UNREADABLE"


def test_the_same_secret_is_never_sealed_alike():
    assert OLD_RING.seal(b"secret", PLACE) != OLD_RING.seal(b"secret", PLACE)


def test_a_secret_is_wrapped_again_without_being_sealed_again():
    sealed = OLD_RING.seal(b"secret", PLACE)
    moved = NEW_RING.rewrap(sealed, PLACE)
    assert (moved.key_id, moved.ciphertext) == ("k2", sealed.ciphertext)
    assert NEW_RING.open(moved, PLACE) == b"secret"
    assert refusal(Unavailable, lambda: OLD_RING.open(moved, PLACE)) == "SECRET_KEY_MISSING"


def test_without_a_key_nothing_is_sealed():
    assert refusal(Unavailable, lambda: Keyring.of("").seal(b"secret", PLACE)) == "SECRET_KEY_MISSING"


@pytest.mark.parametrize("setting", ["k1", "k1:", "k1:YQ==", f":{OLD[1]}", f"k1:{OLD[1]},k1:{NEW[1]}", "k1:§"])
def test_a_key_ring_that_is_none_stops_the_start(setting: str):
    with pytest.raises(ValueError, match="key ring"):
        Keyring.of(setting)


def test_in_free_json_one_is_not_true():
    one = Studio(**fresh(STUDIO, NOW), name="x", time_zone="UTC", metadata={"live": 1})
    assert one.same_as(one.but({"metadata": {"live": 1}}))
    assert not one.same_as(one.but({"metadata": {"live": True}}))
