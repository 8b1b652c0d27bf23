"""The FC OpenAPI's stand-in, called by the official SDK."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from alibabacloud_fc20230330.client import Client
from alibabacloud_fc20230330.models import (
    AuthConfig,
    ListCustomDomainsRequest,
    ListTriggersRequest,
    UpdateCustomDomainInput,
    UpdateCustomDomainRequest,
    UpdateTriggerInput,
    UpdateTriggerRequest,
)
from alibabacloud_tea_openapi.exceptions import ClientException, ServerException
from alibabacloud_tea_openapi.utils_models import Config
from Tea.exceptions import TeaException

from edges.fc import FcEdge
from edges.fc_faults import FAULTS, Call, Fault
from edges.fc_state import Refused, Unproven
from edges.serving import running

FUNCTION = Path(__file__).with_name("fc_function")
OLD, NEW, THIRD = "old-" + "a" * 40, "new-" + "b" * 40, "third-" + "c" * 40


def document(*values: str, **extra: Any) -> dict[str, Any]:
    return {
        "tokens": [{"tokenName": f"t{n}", "enable": True, "tokenData": value} for n, value in enumerate(values)],
        **extra,
    }


def trigger(auth: Any, **more: Any) -> dict[str, Any]:
    return {"methods": ["GET", "POST"], "authType": "bearer", "authConfig": auth, "disableURLInternet": False, **more}


def domain(*values: str) -> dict[str, Any]:
    return {"authType": "bearer", "authInfo": json.dumps(document(*values))}


class Api:
    """The SDK, and what a test says to it."""

    def __init__(self, edge: FcEdge) -> None:
        self.edge = edge
        endpoint = f"127.0.0.1:{edge.api_port}"
        keys = {"access_key_id": "local", "access_key_secret": "local"}
        self.client: Any = Client(
            Config(
                endpoint=endpoint,
                protocol="http",
                region_id="local",
                connect_timeout=20_000,
                read_timeout=20_000,
                **keys,
            )
        )

    def get(self) -> Any:
        return self.client.get_trigger("mcp-server", "http").body

    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = json.loads(self.get().trigger_config)
        return config

    def put(self, config: Any) -> Any:
        text = config if isinstance(config, str) else json.dumps(config)
        body = UpdateTriggerInput(trigger_config=text)
        return self.client.update_trigger("mcp-server", "http", UpdateTriggerRequest(body=body)).body

    def put_domain(self, name: str, *values: str) -> Any:
        auth = AuthConfig(auth_type="bearer", auth_info=json.dumps(document(*values)))
        body = UpdateCustomDomainInput(auth_config=auth)
        return self.client.update_custom_domain(name, UpdateCustomDomainRequest(body=body)).body

    def gate(self, token: str) -> int:
        with httpx2.Client(trust_env=False, timeout=30) as client:
            return int(client.get(self.edge.url, headers={"Authorization": f"Bearer {token}"}).status_code)


@contextmanager
def serving(**settings: Any) -> Iterator[Api]:
    edge = FcEdge(**{"trigger": trigger(document(OLD)), "code": FUNCTION, "environment": {}, **settings})
    with running(edge):
        yield Api(edge)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK obeys HTTP_PROXY and not NO_PROXY, and prints every header when DEBUG=sdk."""
    for name in [*os.environ]:
        if name.lower() in ("http_proxy", "https_proxy", "all_proxy", "debug"):
            monkeypatch.delenv(name)


@pytest.fixture
def api() -> Iterator[Api]:
    with serving() as api:
        yield api


def refusal(call: Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises((ClientException, ServerException)) as caught:
        call()
    return caught.value.status_code, caught.value.code


# -- triggers


def test_get_trigger_has_every_field_of_the_model(api: Api) -> None:
    got = api.get()
    assert (got.trigger_name, got.trigger_type, got.qualifier) == ("http", "http", "LATEST")
    assert got.http_trigger.url_internet == api.edge.url.removesuffix("/mcp"), "where it really can be called"
    assert got.last_modified_time.endswith("Z")
    config = json.loads(got.trigger_config)
    assert json.loads(config["authConfig"]) == document(OLD)


def test_an_update_changes_the_door(api: Api) -> None:
    assert (api.gate(OLD), api.gate(NEW)) == (200, 403)
    answer = api.put({**api.config(), "authConfig": json.dumps(document(NEW))})
    assert json.loads(json.loads(answer.trigger_config)["authConfig"]) == document(NEW)
    assert (api.gate(OLD), api.gate(NEW)) == (403, 200)


def test_what_was_written_comes_back_byte_for_byte(api: Api) -> None:
    auth = json.dumps({"note": "é", **document(NEW)}, indent=1)
    api.put(trigger(auth, extra={"kept": [1, 2]}))
    assert api.config() == trigger(auth, extra={"kept": [1, 2]})
    assert [*api.config()] == ["methods", "authType", "authConfig", "disableURLInternet", "extra"]


def test_the_clock_is_the_services_own() -> None:
    now = [1_700_000_000.0]
    with serving(clock=lambda: now[0]) as api:
        first = api.client.get_trigger("mcp-server", "http")
        assert first.headers["date"] == "Tue, 14 Nov 2023 22:13:20 GMT"
        assert first.body.last_modified_time == first.body.created_time == "2023-11-14T22:13:20Z"
        now[0] += 60
        answer = api.put(trigger(json.dumps(document(NEW))))
        assert (answer.created_time, answer.last_modified_time) == ("2023-11-14T22:13:20Z", "2023-11-14T22:14:20Z")


def test_unknown_names_are_404(api: Api) -> None:
    assert refusal(lambda: api.client.get_trigger("mcp-server", "nope")) == (404, "TriggerNotFound")
    assert refusal(lambda: api.client.get_trigger("nope", "http")) == (404, "FunctionNotFound")
    assert refusal(lambda: api.client.get_trigger("a/b", "c%20d")) == (404, "FunctionNotFound")
    assert refusal(lambda: api.client.list_triggers("nope", ListTriggersRequest())) == (404, "FunctionNotFound")
    assert refusal(lambda: api.client.get_custom_domain("nope.example")) == (404, "DomainNameNotFound")
    assert refusal(lambda: api.put_domain("nope.example", NEW)) == (404, "DomainNameNotFound")
    body = UpdateTriggerRequest(body=UpdateTriggerInput(trigger_config="{}"))
    assert refusal(lambda: api.client.update_trigger("mcp-server", "nope", body)) == (404, "TriggerNotFound")


def test_lists_come_in_pages() -> None:
    names = [f"t{n}" for n in range(5)]
    with serving(
        trigger_name="t0", domains={f"{name}.example.com": {"authType": "anonymous"} for name in names}
    ) as api:
        for name in names[1:]:
            api.edge.account.put_trigger("mcp-server", name, {"methods": ["GET"], "authType": "anonymous"})
        seen, token, pages = [], None, 0
        while pages == 0 or token:
            page = api.client.list_triggers("mcp-server", ListTriggersRequest(limit=2, next_token=token)).body
            seen += [trigger.trigger_name for trigger in page.triggers]
            token, pages = page.next_token, pages + 1
        assert (seen, pages) == (names, 3)
        only = api.client.list_triggers("mcp-server", ListTriggersRequest(prefix="t3")).body
        assert [trigger.trigger_name for trigger in only.triggers] == ["t3"]
        domains = api.client.list_custom_domains(ListCustomDomainsRequest(limit=4)).body
        assert len(domains.custom_domains) == 4
        rest = api.client.list_custom_domains(ListCustomDomainsRequest(limit=4, next_token=domains.next_token)).body
        assert ([one.domain_name for one in rest.custom_domains], rest.next_token) == (["t4.example.com"], None)
        assert refusal(lambda: api.client.list_triggers("mcp-server", ListTriggersRequest(limit=0)))[0] == 400


TOKEN = {"tokenName": "t", "enable": True, "tokenData": NEW}


@pytest.mark.parametrize(
    "config",
    [
        "not json",
        "[]",
        {},
        trigger(json.dumps(document(NEW)), methods=["GET", "FETCH"]),
        trigger(json.dumps(document(NEW)), methods=[{}]),
        trigger(json.dumps(document(NEW)), authType="typo"),
        trigger("not json"),
        trigger(json.dumps({"tokens": []})),
        trigger(json.dumps({"tokens": [TOKEN] * 2})),
        trigger(json.dumps({"tokens": [{**TOKEN, "tokenName": "1st"}]})),
        trigger(json.dumps({"tokens": [{**TOKEN, "tokenName": "n" * 129}]})),
        trigger(json.dumps({"tokens": [{**TOKEN, "enable": "true"}]})),
        trigger(json.dumps({"tokens": [{**TOKEN, "tokenData": "s" * 31}]})),
        trigger(json.dumps({"tokens": [{**TOKEN, "tokenData": "s" * 129}]})),
        trigger(json.dumps({"tokens": [{**TOKEN, "tokenData": "under_score" * 4}]})),
        trigger(json.dumps({"tokens": [{**TOKEN, "tokenData": "s" * 40 + "****"}]})),
        trigger(json.dumps({"tokens": [{"tokenName": "t", "enable": True}]})),
        trigger(json.dumps({"tokens": [{**TOKEN, "tokenName": f"t{n}"} for n in range(21)]})),
        {"methods": ["GET"], "authType": "bearer"},
    ],
)
def test_a_write_over_the_documented_limits_changes_nothing(api: Api, config: Any) -> None:
    before = api.get().to_map()
    assert refusal(lambda: api.put(config)) == (400, "InvalidArgument")
    assert api.get().to_map() == before
    assert api.gate(OLD) == 200


# -- custom domains


def test_a_custom_domain_is_read_and_written() -> None:
    with serving(domains={"127.0.0.1": domain(OLD), "b.example.com": domain(NEW)}) as api:
        got = api.client.get_custom_domain("127.0.0.1").body
        assert (got.domain_name, got.auth_config.auth_type) == ("127.0.0.1", "bearer")
        assert json.loads(got.auth_config.auth_info) == document(OLD)
        answer = api.put_domain("127.0.0.1", THIRD)
        assert json.loads(answer.auth_config.auth_info) == document(THIRD)
        assert (api.gate(OLD), api.gate(THIRD)) == (403, 200)  # the gateway is called by that name
        assert refusal(lambda: api.put_domain("127.0.0.1", NEW))[0] == 400  # another domain has it
        assert refusal(lambda: api.put_domain("127.0.0.1", "1" * 40))[0] == 400
        assert refusal(lambda: api.put_domain("127.0.0.1", "-" * 40))[0] == 400


# -- callers that are not the SDK


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "MissingRequiredHeader"),
        ({"Authorization": "Bearer x"}, "MissingRequiredHeader"),
        ({"Authorization": "ACS3-HMAC-SHA256 Credential=x"}, "MissingRequiredHeader"),
        (
            {"Authorization": "ACS3-HMAC-SHA256 Credential=x", "x-acs-version": "2023-03-30", "Host": "evil.example"},
            "InvalidArgument",
        ),
        (
            {
                "Authorization": "ACS3-HMAC-SHA256 Credential=x",
                "x-acs-version": "2023-03-30",
                "Host": "http://127.0.0.1:1",
            },
            "InvalidArgument",
        ),
    ],
)
def test_a_caller_without_a_signature_is_refused(api: Api, headers: dict[str, str], code: str) -> None:
    path = "/2023-03-30/functions/mcp-server/triggers/http"
    with httpx2.Client(base_url=api.edge.api_url, trust_env=False) as client:
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.json()["Code"]) == (400, code)
        assert {*answer.json()} == {"Code", "RequestId", "Message"}
        signed = {"Authorization": "ACS3-HMAC-SHA256 Credential=x", "x-acs-version": "2023-03-30"}
        assert client.get(path, headers=signed).status_code == 200
        assert client.post(path, headers=signed).json()["Code"] == "PathNotSupported"
        assert client.put(path, headers=signed, content=b"[]").status_code == 400
        assert client.put(path, headers=signed, content=b"x" * 1_100_000).json()["Code"] == "EntityTooLarge"


# -- what nobody knows, both ways


@pytest.mark.parametrize("kind", ["string", "object"])
def test_auth_config_is_a_string_or_an_object(kind: Any) -> None:
    as_string, as_object = json.dumps(document(NEW)), document(NEW)
    good, bad = (as_string, as_object) if kind == "string" else (as_object, as_string)
    with serving(unproven=Unproven(auth_config=kind)) as api:
        assert isinstance(api.config()["authConfig"], str) is (kind == "string")
        assert refusal(lambda: api.put(trigger(bad)))[0] == 400
        api.put(trigger(good))
        assert api.config()["authConfig"] == good
        assert api.gate(NEW) == 200


def test_auth_config_of_either_type_is_kept_as_written() -> None:
    with serving(unproven=Unproven(auth_config="as written")) as api:
        for auth in (document(NEW), json.dumps(document(NEW))):
            api.put(trigger(auth))
            assert api.config()["authConfig"] == auth
            assert api.gate(NEW) == 200


@pytest.mark.parametrize("literal", ["bearer", "Bearer", "BEARER"])
def test_the_literal_for_bearer(literal: str) -> None:
    with serving(trigger=trigger(document(OLD), authType=literal), unproven=Unproven(bearer_literal=literal)) as api:
        assert api.config()["authType"] == literal
        assert api.gate(OLD) == 200
        assert refusal(lambda: api.put(trigger(json.dumps(document(NEW)), authType=literal.swapcase())))[0] == 400


@pytest.mark.parametrize("kept", [True, False])
def test_extra_keys_are_kept_or_dropped(kept: bool) -> None:
    extra = {"tokens": [{"tokenName": "t", "enable": True, "tokenData": NEW, "note": "n"}], "tokenType": "Opaque"}
    with serving(unproven=Unproven(extra_keys="kept" if kept else "dropped")) as api:
        api.put(trigger(json.dumps(extra)))
        stored = json.loads(api.config()["authConfig"])
    assert stored == (extra if kept else {"tokens": [TOKEN]})


def test_masked_reads_destroy_a_token_that_is_written_back() -> None:
    with serving(unproven=Unproven(masked_tokens=True), domains={"a.example.com": domain(NEW)}) as api:
        read = api.config()
        assert json.loads(read["authConfig"])["tokens"][0]["tokenData"] == OLD[:6] + "****"
        assert NEW not in str(api.client.get_custom_domain("a.example.com").body)
        assert api.gate(OLD) == 200
        api.put(read)
        assert api.gate(OLD) == 403


@pytest.mark.parametrize("behaviour", ["kept", "refused"])
def test_zero_enabled_tokens_and_one_value_twice(behaviour: Any) -> None:
    off = json.dumps({"tokens": [{**TOKEN, "enable": False}]})
    twice = json.dumps({"tokens": [TOKEN, {**TOKEN, "tokenName": "again"}]})
    with serving(unproven=Unproven(zero_enabled=behaviour, duplicate_values=behaviour)) as api:
        for auth in (off, twice):
            if behaviour == "refused":
                assert refusal(lambda auth=auth: api.put(trigger(auth)))[0] == 400  # type: ignore[misc]  # bound early
            else:
                api.put(trigger(auth))
                assert api.config()["authConfig"] == auth


@pytest.mark.parametrize("switch", [{"bearer_literal": "Bearer"}, {"duplicate_values": "refused"}])
def test_a_stand_in_that_would_refuse_its_own_trigger_is_not_made(switch: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        FcEdge(trigger=trigger(document(OLD, OLD)), code=FUNCTION, environment={}, unproven=Unproven(**switch))


# -- faults


def on(action: str, fault: Fault) -> Callable[[Call], Fault | None]:
    return lambda call: fault if call.action == action and call.number == 1 else None


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("throttled", 429, "Throttling"),
        ("500", 500, "InternalServerError"),
        ("503", 503, "ServiceUnavailable"),
        ("denied", 403, "AccessDenied"),
        ("expired", 403, "InvalidSecurityToken.Expired"),
        ("conflict", 409, "ConcurrentUpdateError"),
        ("500 after", 500, "InternalServerError"),
    ],
)
def test_an_error_comes_once_and_is_applied_or_not(api: Api, name: str, status: int, code: str) -> None:
    api.edge.faults = on("UpdateTrigger", FAULTS[name])
    new = trigger(json.dumps(document(NEW)))
    assert refusal(lambda: api.put(new)) == (status, code)
    assert api.gate(NEW) == (200 if name == "500 after" else 403)
    api.put(new)
    assert api.gate(NEW) == 200


@pytest.mark.parametrize(
    ("name", "applied"),
    [("reset before", False), ("reset after", True), ("truncated", True), ("malformed", True), ("not json", True)],
)
def test_a_lost_or_broken_answer(api: Api, name: str, applied: bool) -> None:
    api.edge.faults = on("UpdateTrigger", FAULTS[name])
    with pytest.raises(TeaException) as caught:
        api.put(trigger(json.dumps(document(NEW))))
    assert not isinstance(caught.value, (ClientException, ServerException))
    assert api.gate(NEW) == (200 if applied else 403)


@pytest.mark.parametrize(("name", "applied"), [("timeout before", False), ("timeout after", True)])
def test_a_timeout(api: Api, name: str, applied: bool) -> None:
    api.edge.faults = on("UpdateTrigger", FAULTS[name])
    api.client._read_timeout = 300  # the SDK's own ten seconds are long for a test
    with pytest.raises(TeaException):
        api.put(trigger(json.dumps(document(NEW))))
    assert api.gate(NEW) == (200 if applied else 403)


def test_a_stale_read_shows_what_was_before_the_last_write(api: Api) -> None:
    api.put(trigger(json.dumps(document(NEW))))
    api.edge.faults = on("GetTrigger", FAULTS["stale"])
    assert json.loads(api.config()["authConfig"]) == document(OLD)
    assert json.loads(api.config()["authConfig"]) == document(NEW)


def test_faults_see_every_call(api: Api) -> None:
    calls: list[Call] = []

    def remember(call: Call) -> None:
        calls.append(call)

    api.edge.faults = remember
    api.get()
    api.get()
    api.put(trigger(json.dumps(document(NEW))))
    assert [(call.action, call.name, call.number) for call in calls] == [
        ("GetTrigger", "http", 1),
        ("GetTrigger", "http", 2),
        ("UpdateTrigger", "http", 1),
    ]
    assert NEW in str(calls[2].body)
    assert NEW not in repr(calls)


def test_a_hanging_call_does_not_hold_up_the_end() -> None:
    with serving() as api:
        api.edge.faults = on("GetTrigger", FAULTS["timeout before"])
        api.client._read_timeout = 300
        with pytest.raises(TeaException):
            api.get()
        began = time.monotonic()
    assert time.monotonic() - began < 5
