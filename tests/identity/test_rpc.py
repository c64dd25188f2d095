from __future__ import annotations

import grpc
from eridu.identity.v1.user_service_pb2 import CreateUserRequest, GetMeRequest

from tests.support.suite import Suite, refused, request_id


async def test_a_request_id_replays_its_answer(suite: Suite):
    me = await suite.caller()(GetMeRequest())
    assert me.system_admin
    rid = request_id()
    a = await suite.caller()(CreateUserRequest(ext_id="a", email="a@b.cd", name="A", request_id=rid))
    b = await suite.caller()(CreateUserRequest(ext_id="a", email="a@b.cd", name="A", request_id=rid))
    assert a == b
    c = await refused(suite.caller()(CreateUserRequest(ext_id="a", email="a@b.cd", name="A", request_id=request_id())))
    assert (c.code, c.reason) == (grpc.StatusCode.ALREADY_EXISTS, "EMAIL_TAKEN")
    d = await refused(suite.caller()(CreateUserRequest(ext_id="a", email="a", name="A\0")))
    assert (d.reason, list(d.fields)) == ("REQUEST_INVALID", ["name"])
