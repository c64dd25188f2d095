"""What services and front ends ask about callers, and who a token speaks for."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import grpc
import pytest
from eridu.common.v1 import access_pb2
from eridu.identity.v1 import access_service_pb2 as api
from eridu.identity.v1.access_service_pb2 import AccessQuestion, CheckAccessRequest, GetPrincipalRequest
from eridu.identity.v1.membership_service_pb2 import GrantMembershipRequest
from eridu.identity.v1.user_service_pb2 import BanUserRequest, CreateUserRequest, GetMeRequest
from sqlalchemy import event

from libs.common import uids
from tests.support.house import House
from tests.support.suite import As, Suite, refused

START_SHOW = "eridu.production.v1.ShowService/StartShow"
CREATE_ROOM = "eridu.scheduling.v1.RoomService/CreateRoom"
CREATE_USER = "eridu.identity.v1.UserService/CreateUser"


async def reasons(who: As, *questions: AccessQuestion) -> list[str]:
    answers = (await who(CheckAccessRequest(questions=questions))).answers
    for one in answers:
        assert one.allowed == (one.reason <= api.ACCESS_REASON_SIGNED_IN)
    return [api.AccessReason.Name(one.reason).removeprefix("ACCESS_REASON_") for one in answers]


async def test_each_question_is_answered_with_its_reason(house: House):
    studio, client = house.studio.uid, house.client.uid
    assert await reasons(
        house.member,
        AccessQuestion(method=CREATE_ROOM, group_uids=[studio]),
        AccessQuestion(method=CREATE_ROOM, group_uids=[uids.new("studio")]),
        AccessQuestion(method=CREATE_ROOM, group_uids=[client]),
        AccessQuestion(min_role=access_pb2.ROLE_MEMBER, group_uids=[client, studio]),
        AccessQuestion(method=CREATE_USER),
        AccessQuestion(method="eridu.identity.v1.UserService/GetMe"),
        AccessQuestion(method="eridu.identity.v1.AccessService/GetPrincipal"),
        AccessQuestion(method="eridu.identity.v1.UserService/Nothing"),
    ) == [
        "ROLE_TOO_LOW",
        "NO_ROLE",
        "NO_ROLE",
        "ROLE",
        "SYSTEM_ADMINS_ONLY",
        "SIGNED_IN",
        "SERVICES_ONLY",
        "METHOD_UNKNOWN",
    ]
    assert await reasons(house.manager, AccessQuestion(method=CREATE_ROOM, group_uids=[studio])) == ["ROLE"]
    assert await reasons(house.root, AccessQuestion(method=CREATE_ROOM, group_uids=[studio])) == ["SYSTEM_ADMIN"]


async def test_the_answer_is_what_the_call_comes_to(house: House):
    from eridu.scheduling.v1.room_service_pb2 import CreateRoomRequest

    for who, codes in (
        (house.manager, {None}),
        (house.member, {grpc.StatusCode.PERMISSION_DENIED}),
        (house.client_member, {grpc.StatusCode.NOT_FOUND}),
        (house.stranger, {grpc.StatusCode.NOT_FOUND}),
    ):
        [reason] = await reasons(who, AccessQuestion(method=CREATE_ROOM, group_uids=[house.studio.uid]))
        call = who(CreateRoomRequest(studio_uid=house.studio.uid, name=uuid.uuid4().hex))
        code = None if reason == "ROLE" else (await refused(call)).code
        if code is None:
            await call
        assert code in codes


async def test_users_ask_about_themselves_and_services_about_anybody(house: House, suite: Suite):
    about_other = AccessQuestion(user_uid=house.people["manager"].uid, method=START_SHOW, group_uids=[house.studio.uid])
    refusal = await refused(house.member(CheckAccessRequest(questions=[about_other])))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "SELF_ONLY")
    about_self = AccessQuestion(user_uid=house.people["member"].uid, method=START_SHOW, group_uids=[house.studio.uid])
    assert await reasons(house.member, about_self) == ["ROLE"]
    unknown = AccessQuestion(user_uid=uids.new("user"), method=START_SHOW)
    for who in (suite.service("tasks"), house.root):
        assert await reasons(who, about_other, unknown) == ["ROLE", "USER_UNKNOWN"]


async def test_a_banned_user_is_allowed_nothing(house: House):
    uid = house.people["member"].uid
    await house.root(BanUserRequest(uid=uid, reason="rude"))
    question = AccessQuestion(user_uid=uid, method="eridu.identity.v1.UserService/GetMe")
    assert await reasons(house.root, question) == ["USER_BANNED"]


@pytest.mark.parametrize(
    "question",
    [AccessQuestion(), AccessQuestion(method=START_SHOW, min_role=1), AccessQuestion(min_role=9)],  # type: ignore[arg-type]
)
async def test_a_question_is_about_a_method_or_a_role(house: House, question: AccessQuestion):
    assert (await refused(house.member(CheckAccessRequest(questions=[question])))).reason == "REQUEST_INVALID"


async def test_a_hundred_questions_are_two_statements_and_more_are_refused(house: House, suite: Suite):
    people = [person.uid for person in house.people.values()]
    questions = [
        AccessQuestion(user_uid=people[n % len(people)], method=START_SHOW, group_uids=[house.studio.uid])
        for n in range(100)
    ]
    statements: list[str] = []
    engine = suite.processes["identity"].db.reader.sync_engine

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        answers = await reasons(house.root, *questions)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert len(statements) in (2, 5)  # three more when the caller's own rights were not known
    assert answers == ["ROLE", "ROLE", "NO_ROLE", "NO_ROLE"] * 25
    assert (await refused(house.root(CheckAccessRequest(questions=[*questions, questions[0]])))).reason == (
        "REQUEST_INVALID"
    )


async def invite(house: House) -> tuple[str, Any]:
    """Somebody who is known by e-mail address only."""
    email = f"{uuid.uuid4().hex}@example.org"
    return email, await house.root(CreateUserRequest(email=email.upper(), name="Invited"))


def with_token(suite: Suite, ext_id: str, **claims: Any) -> As:
    return As(suite, [("authorization", f"Bearer {suite.token(ext_id, **claims)}")])


async def test_the_first_sign_in_of_an_invited_address_links_its_subject(house: House, suite: Suite):
    email, invited = await invite(house)
    await house.root(
        GrantMembershipRequest(user_uid=invited.uid, group_uid=house.studio.uid, role=access_pb2.ROLE_MANAGER)
    )
    subject = uuid.uuid4().hex
    me = await with_token(suite, subject, email=email.title())(GetMeRequest())
    assert (me.uid, me.ext_id) == (invited.uid, subject)
    assert (await with_token(suite, subject, email="moved@example.org")(GetMeRequest())).uid == invited.uid
    question = AccessQuestion(method=CREATE_ROOM, group_uids=[house.studio.uid])
    assert await reasons(with_token(suite, subject), question) == ["ROLE"]


async def test_an_address_that_is_not_verified_or_taken_links_nobody(house: House, suite: Suite):
    email, _ = await invite(house)
    stolen = await refused(with_token(suite, uuid.uuid4().hex, email=email, email_verified=False)(GetMeRequest()))
    assert (stolen.code, stolen.reason) == (grpc.StatusCode.PERMISSION_DENIED, "USER_UNKNOWN")
    await with_token(suite, uuid.uuid4().hex, email=email)(GetMeRequest())
    second = await refused(with_token(suite, uuid.uuid4().hex, email=email)(GetMeRequest()))
    assert second.reason == "USER_UNKNOWN"


async def test_of_many_first_sign_ins_at_once_one_subject_is_linked(house: House, suite: Suite):
    email, invited = await invite(house)
    service = suite.service("production")
    requests = [GetPrincipalRequest(ext_id=uuid.uuid4().hex, email=email, email_verified=True) for _ in range(8)]
    answers = await asyncio.gather(*(service(request) for request in requests), return_exceptions=True)
    found = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert [answer.user_uid for answer in found] == [invited.uid]


async def test_a_principal_is_for_services(house: House, suite: Suite):
    request = GetPrincipalRequest(ext_id=house.people["member"].ext_id)
    refusal = await refused(house.root(request))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "SERVICES_ONLY")
    principal = await suite.service("tasks")(request)
    assert [(role.group_uid, role.role) for role in principal.roles] == [(house.studio.uid, access_pb2.ROLE_MEMBER)]
    assert not principal.HasField("valid_until")


async def test_a_service_token_is_no_users(suite: Suite):
    refusal = await refused(suite.service("tasks")(GetMeRequest()))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "SERVICE_DENIED")
    [(_, token)] = suite.service("tasks").metadata
    as_user = As(suite, [*suite.service("tasks").metadata, ("eridu-user-authorization", token)])
    assert (await refused(as_user(GetPrincipalRequest(ext_id="x")))).code is grpc.StatusCode.UNAUTHENTICATED
