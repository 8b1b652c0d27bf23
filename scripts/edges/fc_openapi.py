"""The part of the FC OpenAPI (version 2023-03-30) that token documents need, as the official SDK calls it.

Knows requests and answers. The rules of a write are `fc_state`, the ways to fail `fc_faults`. Signatures are not
checked, only that there is one: the stand-in has no accounts.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qs, unquote

from edges.fc_faults import Call, Fault, Faults
from edges.fc_state import Account, Refused, Resource, invalid
from edges.listener import Answer, HangUp, Request

API = "/2023-03-30"
API_BODY_LIMIT_BYTES = 1024 * 1024
DEFAULT_PAGE = 20
LARGEST_PAGE = 100


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class OpenApi:
    """Answers calls on one account. `faults` decides per call; `calls` remembers the actions in order."""

    def __init__(self, account: Account, *, region: str, account_id: str) -> None:
        self.account = account
        self.faults: Faults = lambda call: None
        self.session: tuple[str, str] | None = None
        """Id and STS token of the only credentials that are taken; None: any."""
        self.public_url = ""
        """Where the trigger can be called; empty: the name that the service would give it."""
        self.counts: Counter[str] = Counter()
        self._region = region
        self._account_id = account_id

    async def handle(self, request: Request) -> Answer | HangUp:
        try:
            self._check_caller(request)
            action, key = self._route(request)
            body = self._body(request)
        except Refused as refusal:
            return self._error(refusal.status, refusal.code, str(refusal))
        self.counts[action] += 1
        call = Call(action, key[-1] if key else "", self.counts[action], body)
        fault = self.faults(call) or Fault()
        await asyncio.sleep(fault.wait_before_seconds)
        try:
            if action.startswith("Update"):
                for _ in range(fault.applied):
                    self._write(action, key, body)
            result = self._read(action, key, request, stale=fault.stale)
        except Refused as refusal:
            return self._error(refusal.status, refusal.code, str(refusal))
        await asyncio.sleep(fault.wait_after_seconds)
        return self._faulty(fault, result)

    def _faulty(self, fault: Fault, result: dict[str, Any]) -> Answer | HangUp:
        if fault.ending == "reset":
            return HangUp()
        if fault.status is not None:
            return self._error(fault.status, fault.code, fault.message)
        answer = fault.body if fault.body is not None else json.dumps(result, separators=(",", ":")).encode()
        return self._answer(200, answer, cut=len(answer) // 2 if fault.ending == "truncate" else None)

    def _check_caller(self, request: Request) -> None:
        """What the service refuses before it looks at the call. A page in a browser fails all three."""
        host = (request.header("host") or "").rpartition(":")[0] or request.header("host")
        if host not in ("127.0.0.1", "localhost"):
            raise invalid(f"Host is invalid: {request.header('host')}")
        if not (request.header("authorization") or "").startswith("ACS3-HMAC-SHA256 Credential="):
            raise Refused(400, "MissingRequiredHeader", "required HTTP header Authorization was not specified")
        if request.header("x-acs-version") != API.strip("/"):
            raise Refused(400, "MissingRequiredHeader", "required HTTP header x-acs-version was not specified")
        if self.session and self.session != (
            request.header("x-acs-accesskey-id"),
            request.header("x-acs-security-token"),
        ):
            raise Refused(403, "InvalidSecurityToken.Expired", "the specified security token has expired")

    def _route(self, request: Request) -> tuple[str, tuple[str, ...]]:
        """The action that method and path mean, and the names in the path."""
        parts = [unquote(part) for part in request.path.removeprefix(API).strip("/").split("/")]
        match request.method, parts:
            case "GET", ["functions", function, "triggers"]:
                return "ListTriggers", (function, "")
            case "GET", ["functions", function, "triggers", name]:
                return "GetTrigger", (function, name)
            case "PUT", ["functions", function, "triggers", name]:
                return "UpdateTrigger", (function, name)
            case "GET", ["custom-domains"]:
                return "ListCustomDomains", ()
            case "GET", ["custom-domains", name]:
                return "GetCustomDomain", (name,)
            case "PUT", ["custom-domains", name]:
                return "UpdateCustomDomain", (name,)
        raise Refused(400, "PathNotSupported", f"'{request.path}' against '{request.method}' is not supported")

    def _body(self, request: Request) -> Any:
        if request.too_large:
            raise Refused(
                400, "EntityTooLarge", f"payload size exceeds maximum allowed size ({API_BODY_LIMIT_BYTES} bytes)"
            )
        if request.method != "PUT":
            return None
        try:
            body = json.loads(request.body)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise invalid("the request body is not a JSON object")
        return body

    def _write(self, action: str, key: tuple[str, ...], body: dict[str, Any]) -> None:
        if action == "UpdateTrigger":
            function, name = key
            self._trigger(function, name)
            if "triggerConfig" in body:  # the description alone may be written, too
                try:
                    config = json.loads(body["triggerConfig"])
                except (TypeError, ValueError):
                    raise invalid("triggerConfig must be a JSON string") from None
                self.account.put_trigger(function, name, config)
        else:
            self._domain(key[0])
            if "authConfig" in body:
                self.account.put_domain(key[0], body["authConfig"])

    def _read(self, action: str, key: tuple[str, ...], request: Request, *, stale: bool) -> dict[str, Any]:
        def seen(resource: Resource) -> Resource:
            return resource.before_last_write() if stale else resource

        match action:
            case "GetTrigger" | "UpdateTrigger":
                return self._trigger_answer(key[0], seen(self._trigger(*key)))
            case "GetCustomDomain" | "UpdateCustomDomain":
                return self._domain_answer(seen(self._domain(key[0])))
            case "ListTriggers":
                mine = [seen(trigger) for (function, _), trigger in self.account.triggers.items() if function == key[0]]
                if not mine:
                    raise Refused(404, "FunctionNotFound", f"function '{key[0]}' does not exist")
                page, more = self._page(mine, request)
                return {"triggers": [self._trigger_answer(key[0], trigger) for trigger in page], **more}
            case _:
                page, more = self._page([seen(domain) for domain in self.account.domains.values()], request)
                return {"customDomains": [self._domain_answer(domain) for domain in page], **more}

    def _trigger(self, function: str, name: str) -> Resource:
        if not any(function == known for known, _ in self.account.triggers):
            raise Refused(404, "FunctionNotFound", f"function '{function}' does not exist")
        if (function, name) not in self.account.triggers:
            raise Refused(404, "TriggerNotFound", f"trigger '{name}' does not exist in function '{function}'")
        return self.account.triggers[function, name]

    def _domain(self, name: str) -> Resource:
        if name not in self.account.domains:
            raise Refused(404, "DomainNameNotFound", f"domain name '{name}' does not exist")
        return self.account.domains[name]

    @staticmethod
    def _page(found: list[Resource], request: Request) -> tuple[list[Resource], dict[str, str]]:
        """One page in order of names; `nextToken` is the first name of the next page."""
        query = {key: values[-1] for key, values in parse_qs(request.query).items()}
        try:
            limit = int(query.get("limit", DEFAULT_PAGE))
        except ValueError:
            limit = 0
        if not 1 <= limit <= LARGEST_PAGE:
            raise invalid(f"limit must be between 1 and {LARGEST_PAGE}")
        ordered = sorted(
            (
                one
                for one in found
                if one.name.startswith(query.get("prefix", "")) and one.name >= query.get("nextToken", "")
            ),
            key=lambda one: one.name,
        )
        return ordered[:limit], {"nextToken": ordered[limit].name} if len(ordered) > limit else {}

    def _trigger_answer(self, function: str, trigger: Resource) -> dict[str, Any]:
        config = self.account.shown(trigger.current, "authConfig")
        return {
            "createdTime": iso(trigger.created),
            "description": "",
            "httpTrigger": {
                "urlInternet": self.public_url or f"https://{function}-local.{self._region}.fcapp.run",
                "urlIntranet": f"https://{function}-local.{self._region}-vpc.fcapp.run",
            },
            "invocationRole": "",
            "lastModifiedTime": iso(trigger.modified),
            "qualifier": "LATEST",
            "sourceArn": "",
            "status": "",
            "targetArn": f"acs:fc:{self._region}:{self._account_id}:functions/{function}",
            "triggerConfig": json.dumps(config, separators=(",", ":")),
            "triggerId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{function}/{trigger.name}")),
            "triggerName": trigger.name,
            "triggerType": "http",
        }

    def _domain_answer(self, domain: Resource) -> dict[str, Any]:
        return {
            "accountId": self._account_id,
            "apiVersion": API.strip("/"),
            "authConfig": self.account.shown(domain.current, "authInfo"),
            "createdTime": iso(domain.created),
            "domainName": domain.name,
            "lastModifiedTime": iso(domain.modified),
            "protocol": "HTTP,HTTPS",
        }

    def _error(self, status: int, code: str, message: str) -> Answer:
        body = {"Code": code, "RequestId": str(uuid.uuid4()).upper(), "Message": message}
        return self._answer(status, json.dumps(body).encode())

    @staticmethod
    def _answer(status: int, body: bytes, *, cut: int | None = None) -> Answer:
        headers = (("content-type", "application/json"), ("x-fc-request-id", str(uuid.uuid4())))
        return Answer(status, headers, body, cut)
