from __future__ import annotations

import pytest
from eridu.common.v1 import access_pb2
from eridu.common.v1.access_pb2 import Access, Grant, GroupKind, Role

from libs.common.access import Caller, Principal, Visible
from libs.common.errors import Denied, NotFound

STUDIO, CLIENT, PLATFORM, OTHER = "studio_1", "client_1", "plat_1", "studio_2"
ROLES = [access_pb2.ROLE_MEMBER, access_pb2.ROLE_MANAGER, access_pb2.ROLE_ADMIN]
KIND = {
    STUDIO: access_pb2.GROUP_KIND_STUDIO,
    CLIENT: access_pb2.GROUP_KIND_CLIENT,
    PLATFORM: access_pb2.GROUP_KIND_PLATFORM,
}


def declared(*grants: tuple[GroupKind.ValueType, Role.ValueType]) -> Access:
    return Access(who=Access.WHO_MEMBER, any_of=[Grant(group=kind, min_role=role) for kind, role in grants])


def member(roles: dict[str, Role.ValueType], access: Access) -> Caller:
    return Caller(principal=Principal("user_1", roles=roles), access=access)


def verdict(caller: Caller, *groups: str) -> str:
    try:
        caller.require("room", "room_1", *groups)
    except NotFound:
        return "hidden"
    except Denied:
        return "denied"
    return "allowed"


@pytest.mark.parametrize("group", [STUDIO, CLIENT, PLATFORM])
@pytest.mark.parametrize("least", ROLES)
@pytest.mark.parametrize("role", ROLES)
def test_a_role_reaches_as_far_as_the_declaration_says(group: str, least: Role.ValueType, role: Role.ValueType):
    caller = member({group: role}, declared((KIND[group], least)))
    assert verdict(caller, group) == ("allowed" if role >= least else "denied")


@pytest.mark.parametrize("role", ROLES)
def test_a_role_in_one_group_is_nothing_in_another(role: Role.ValueType):
    access = declared((access_pb2.GROUP_KIND_STUDIO, access_pb2.ROLE_MEMBER))
    assert verdict(member({OTHER: role}, access), STUDIO) == "hidden"
    assert verdict(member({CLIENT: role}, access), STUDIO) == "hidden"
    assert verdict(member({}, access), STUDIO) == "hidden"


@pytest.mark.parametrize("role", ROLES)
def test_a_role_in_a_kind_of_group_that_is_not_declared_sees_but_may_not(role: Role.ValueType):
    access = declared((access_pb2.GROUP_KIND_STUDIO, access_pb2.ROLE_MEMBER))
    assert verdict(member({CLIENT: role}, access), STUDIO, CLIENT) == "denied"


def test_one_of_several_grants_is_enough():
    access = declared(
        (access_pb2.GROUP_KIND_STUDIO, access_pb2.ROLE_MANAGER), (access_pb2.GROUP_KIND_CLIENT, access_pb2.ROLE_MEMBER)
    )
    assert verdict(member({CLIENT: access_pb2.ROLE_MEMBER}, access), STUDIO, CLIENT) == "allowed"
    assert verdict(member({STUDIO: access_pb2.ROLE_MEMBER}, access), STUDIO, CLIENT) == "denied"


def test_an_entity_that_lies_in_no_group_is_nobodys():
    access = declared(
        (access_pb2.GROUP_KIND_STUDIO, access_pb2.ROLE_MEMBER),
        (access_pb2.GROUP_KIND_UNSPECIFIED, access_pb2.ROLE_UNSPECIFIED),
    )
    caller = member({STUDIO: access_pb2.ROLE_ADMIN}, access)
    assert verdict(caller) == verdict(caller, "") == verdict(caller, "nonsense") == "hidden"


def test_system_admins_and_services_in_their_own_name_may_and_see_everything():
    access = declared((access_pb2.GROUP_KIND_STUDIO, access_pb2.ROLE_ADMIN))
    for caller in (
        Caller(principal=Principal("user_1", system_admin=True), access=access),
        Caller(service="production", access=access),
    ):
        assert verdict(caller, STUDIO) == verdict(caller) == "allowed"
        assert caller.visible() == Visible(everything=True)


def test_a_service_that_acts_for_a_user_has_the_users_rights_only():
    access = declared((access_pb2.GROUP_KIND_STUDIO, access_pb2.ROLE_MEMBER))
    caller = Caller(service="production", principal=Principal("user_1"), access=access)
    assert verdict(caller, STUDIO) == "hidden"
    assert (caller.actor, caller.on_behalf_of) == ("service:production", "user_1")
    assert caller.visible() == Visible(everything=False)


def test_what_is_hidden_reads_like_what_is_missing():
    access = declared((access_pb2.GROUP_KIND_STUDIO, access_pb2.ROLE_MEMBER))
    with pytest.raises(NotFound) as hidden:
        member({}, access).require("room", "room_1", STUDIO)
    missing = NotFound.of("room", "room_1")
    assert vars(hidden.value) == vars(missing)


@pytest.mark.parametrize("least", ROLES)
def test_what_is_visible_follows_the_declaration(least: Role.ValueType):
    roles = {STUDIO: access_pb2.ROLE_MEMBER, OTHER: access_pb2.ROLE_MANAGER, CLIENT: access_pb2.ROLE_ADMIN}
    seen = member(roles, declared((access_pb2.GROUP_KIND_STUDIO, least))).visible()
    assert seen == Visible(
        everything=False,
        studios=tuple(studio for studio in (STUDIO, OTHER) if roles[studio] >= least),
    )


def test_a_method_for_everybody_lists_by_all_groups_of_the_caller():
    roles = {STUDIO: access_pb2.ROLE_MEMBER, CLIENT: access_pb2.ROLE_ADMIN, PLATFORM: access_pb2.ROLE_MANAGER}
    caller = member({**roles, "future_1": access_pb2.ROLE_ADMIN}, Access(who=Access.WHO_SIGNED_IN))
    assert caller.visible() == Visible(False, (STUDIO,), (CLIENT,), (PLATFORM,))


def test_a_call_that_never_asked_whose_things_it_touched_fails_at_its_end():
    access = declared((access_pb2.GROUP_KIND_STUDIO, access_pb2.ROLE_MEMBER))
    with pytest.raises(RuntimeError):
        member({}, access).require_checked()
    asked = member({}, access)
    asked.visible()
    asked.require_checked()
    member({}, Access(who=Access.WHO_SIGNED_IN)).require_checked()
    Caller.system("tasks").require_checked()
