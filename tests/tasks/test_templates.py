"""Templates as their callers see them."""

from __future__ import annotations

import grpc
from eridu.tasks.v1 import template_pb2
from eridu.tasks.v1.template_service_pb2 import (
    ActivateTemplateRequest,
    CreateTemplateRequest,
    DeactivateTemplateRequest,
    GetTemplateRequest,
    ListTemplatesRequest,
)

from libs.common import uids
from tests.support.house import House, build_house, unique
from tests.support.suite import Suite, refused
from tests.tasks.production import a_template, an_item

PRE_PRODUCTION, PRODUCTION = template_pb2.TASK_TYPE_PRE_PRODUCTION, template_pb2.TASK_TYPE_PRODUCTION
NOT_FOUND, DENIED, REFUSED, STALE = (
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ABORTED,
)


async def test_a_template_is_made_inactive_and_read_with_its_items(house: House):
    items = [an_item("Lights"), an_item("Sound", needs_review=True, due_anchor=0, due_offset_minutes=-5)]
    made = await a_template(house, *items, active=False, client_uid=house.client.uid, metadata={"color": "red"})
    assert not made.active
    assert [(item.title, item.due_anchor, item.due_offset_minutes) for item in made.items] == [
        ("Lights", template_pb2.DUE_ANCHOR_SHOW_START, -60),
        ("Sound", template_pb2.DUE_ANCHOR_SHOW_START, -5),
    ]
    assert await house.member(GetTemplateRequest(uid=made.uid)) == made


async def test_a_templates_name_is_taken_in_its_studio_only(suite: Suite, house: House):
    made = await a_template(house)
    again = CreateTemplateRequest(studio_uid=house.studio.uid, name=made.name)
    refusal = await refused(house.manager(again))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "TEMPLATE_NAME_TAKEN")
    other = await build_house(suite)
    assert await other.manager(CreateTemplateRequest(studio_uid=other.studio.uid, name=made.name))


async def test_a_template_needs_a_studio_and_a_client_that_are_there(house: House):
    nowhere = CreateTemplateRequest(studio_uid=uids.new("studio"), name="T")
    for who in (house.manager, house.root):
        refusal = await refused(who(nowhere))
        assert (refusal.code, refusal.reason) == (NOT_FOUND, "STUDIO_NOT_FOUND")
    nobody = CreateTemplateRequest(studio_uid=house.studio.uid, client_uid=uids.new("client"), name="T")
    refusal = await refused(house.manager(nobody))
    assert (refusal.code, refusal.reason, refusal.domain) == (NOT_FOUND, "CLIENT_NOT_FOUND", "identity.eridu")


async def test_the_fields_of_a_bad_template_are_named(house: House):
    bad = CreateTemplateRequest(
        studio_uid=house.studio.uid, name="", show_type="A B", items=[an_item(title="", type=0)]
    )
    refusal = await refused(house.manager(bad))
    assert refusal.reason == "REQUEST_INVALID"
    assert set(refusal.fields) == {"name", "show_type", "items[0].title", "items[0].type"}


async def test_templates_are_listed_by_name_in_pages(house: House):
    names = sorted([(await a_template(house, active=False)).name for _ in range(5)])
    seen, token = [], ""
    for _ in range(3):
        request = ListTemplatesRequest(studio_uid=house.studio.uid, page_size=2, page_token=token)
        page = await house.member(request)
        seen += [template.name for template in page.templates]
        assert all(len(template.items) == 1 for template in page.templates)
        token = page.next_page_token
    assert (seen, token) == (names, "")
    forged = ListTemplatesRequest(studio_uid=house.studio.uid, page_token="bm90aGluZw==")
    assert (await refused(house.member(forged))).reason == "PAGE_TOKEN_INVALID"


async def test_a_template_is_activated_and_deactivated_once(house: House):
    empty = await house.manager(CreateTemplateRequest(studio_uid=house.studio.uid, name=unique("empty")))
    assert (await refused(house.manager(ActivateTemplateRequest(uid=empty.uid)))).reason == "TEMPLATE_EMPTY"
    active = await a_template(house)
    assert active.active
    assert active.etag == "2"
    assert (await refused(house.manager(ActivateTemplateRequest(uid=active.uid)))).reason == "TEMPLATE_ACTIVE"
    stale = await refused(house.manager(DeactivateTemplateRequest(uid=active.uid, etag="1")))
    assert (stale.code, stale.reason) == (STALE, "STALE")
    inactive = await house.manager(DeactivateTemplateRequest(uid=active.uid, etag="2"))
    assert (inactive.active, len(inactive.items)) == (False, 1)
    refusal = await refused(house.manager(DeactivateTemplateRequest(uid=active.uid)))
    assert (refusal.code, refusal.reason) == (REFUSED, "TEMPLATE_INACTIVE")


async def test_templates_are_for_the_studios_people_and_changed_by_its_managers(house: House):
    template = await a_template(house)
    name = unique("template")
    for request in (
        CreateTemplateRequest(studio_uid=house.studio.uid, name=name),
        DeactivateTemplateRequest(uid=template.uid),
        ActivateTemplateRequest(uid=template.uid),
    ):
        refusal = await refused(house.member(request))
        assert (refusal.code, refusal.reason) == (DENIED, "ROLE_TOO_LOW")
    for hidden, missing, noun in (
        (GetTemplateRequest(uid=template.uid), GetTemplateRequest(uid=uids.new("tpl")), "TEMPLATE"),
        (
            ListTemplatesRequest(studio_uid=house.studio.uid),
            ListTemplatesRequest(studio_uid=uids.new("studio")),
            "STUDIO",
        ),
    ):
        await house.reads_as_missing(hidden, missing, f"{noun}_NOT_FOUND")
