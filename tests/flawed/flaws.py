"""One flaw each, as peers and mishaps make them. The findings are written first: exactly these, and no other."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs

from flawed.correct import FORBIDDEN_TOOL, ORIGIN, RESOURCE, TOKEN, Answer, Correct, Request, as_json

FLAWS: dict[type[Correct], set[str]] = {}


def finds(*ids: str) -> Any:
    def register(kind: type[Correct]) -> type[Correct]:
        FLAWS[kind] = {*ids}
        return kind

    return register


# -- who gets in


@finds("door.closed", "door.methods", "door.status", "origin.foreign", "http.redirect")
class NoDoor(Correct):
    """A sample's server, as it is found on the internet."""

    def answer(self, request: Request) -> Answer:
        if request.path == "/mcp/":
            return Answer(307, [("location", self.url)])
        return super().answer(request) if request.path == "/mcp" else Answer(404)

    def door(self, request: Request) -> Answer | None:
        return Answer(200) if request.method == "PUT" else None

    def origin_allowed(self, request: Request) -> bool:
        return True


@finds("door.closed")
class ListsToStrangers(Correct):
    """The door knows initialize, and what comes after it needs a session: 400 instead of 401."""

    def door(self, request: Request) -> Answer | None:
        if not request.all("authorization") and b'"tools/list"' in request.body and request.path == "/mcp":
            return as_json(400, {"jsonrpc": "2.0", "id": 1, "error": {"code": -32600, "message": "Missing session"}})
        return super().door(request)


@finds("door.methods")
class DeleteIsOpen(Correct):
    """Only POST is guarded."""

    def door(self, request: Request) -> Answer | None:
        return Answer(200) if request.method == "DELETE" else super().door(request)


@finds("door.closed")
class NotificationIsOpen(Correct):
    """What has no id is waved through."""

    def door(self, request: Request) -> Answer | None:
        return None if request.body and b'"id"' not in request.body else super().door(request)


@finds("door.closed")
class DiscoverIsOpen(Correct):
    """The new era came after the door."""

    def door(self, request: Request) -> Answer | None:
        return None if request.header("mcp-method") == "server/discover" else super().door(request)


@finds("door.paths")
class CaseOfPath(Correct):
    """The door compares with case, the router without."""

    def answer(self, request: Request) -> Answer:
        return self.served(request) if request.path == "/MCP" else super().answer(request)


@finds("door.paths")
class DoubleSlash(Correct):
    """The router merges slashes, the door does not."""

    def answer(self, request: Request) -> Answer:
        return self.served(request) if request.path == "//mcp" else super().answer(request)


@finds("door.paths")
class OlderTransportIsOpen(Correct):
    """/sse beside /mcp was forgotten."""

    def answer(self, request: Request) -> Answer:
        if request.path == "/sse":
            return Answer(200, [("content-type", "text/event-stream")], b"event: endpoint\ndata: /messages/?s=1\n\n")
        return super().answer(request)


@finds("door.headers")
class ExemptByHeader(Correct):
    """The door looks at the path that a proxy names."""

    def door(self, request: Request) -> Answer | None:
        return None if request.header("x-original-url") == "/healthz" else super().door(request)


@finds("door.headers")
class ExemptByAgent(Correct):
    def door(self, request: Request) -> Answer | None:
        return None if "HealthChecker" in request.header("user-agent") else super().door(request)


@finds("door.status", "door.get", "hostile.status")
class ForbiddenInPlaceOf401(Correct):
    def refusal(self, request: Request, status: int, error: str = "") -> Answer:
        return super().refusal(request, 403 if status == 401 else status, error)


@finds("door.status", "door.get", "hostile.status", "cors.exposed")
class LoginPage(Correct):
    """A web framework's middleware before the MCP app."""

    def refusal(self, request: Request, status: int, error: str = "") -> Answer:
        return Answer(302, [("location", "/login")]) if status == 401 else super().refusal(request, status, error)

    def with_cors(self, request: Request, answer: Answer) -> Answer:
        return answer if answer.status == 302 else super().with_cors(request, answer)


@finds("door.get")
class BareGet(Correct):
    """The method is judged before the token."""

    def door(self, request: Request) -> Answer | None:
        return self.other_method(request) if request.method == "GET" else super().door(request)


@finds("door.get")
class GetWithoutChallenge(Correct):
    def refusal(self, request: Request, status: int, error: str = "") -> Answer:
        answer = super().refusal(request, status, error)
        if request.method == "GET":
            answer.headers = [header for header in answer.headers if header[0] != "www-authenticate"]
        return answer


@finds("door.ends", "door.get")
class GetHangs(Correct):
    """A buffered function runs to its timeout."""

    def door(self, request: Request) -> Answer | None:
        return Answer(None) if request.method == "GET" and not request.all("authorization") else super().door(request)


@finds("door.methods", "door.ends", "door.get")
class GetStreamsToStrangers(Correct):
    def door(self, request: Request) -> Answer | None:
        if request.method == "GET" and not request.all("authorization"):
            return Answer(200, [("content-type", "text/event-stream")], b": ping\n\n", endless=True)
        return super().door(request)


# -- the challenge


@finds("challenge.present", "challenge.rejected", "holder.step-up")
class NoChallenge(Correct):
    def challenges(self, request: Request, error: str) -> list[str]:
        return []


@finds("challenge.metadata", "holder.step-up")
class NoResourceMetadata(Correct):
    def challenges(self, request: Request, error: str) -> list[str]:
        return [super().challenges(request, error)[0].partition(", resource_metadata")[0]]


@finds("challenge.name", "challenge.body", "metadata.path-form", "metadata.root-form", "metadata.found", "metadata.url")
class RenamedAndNothingElse(Correct):
    """AWS before a server that relies on the header, whose metadata is behind a stage."""

    def refusal(self, request: Request, status: int, error: str = "") -> Answer:
        answer = super().refusal(request, status, error)
        answer.headers = [(name.replace("www-a", "x-amzn-remapped-www-a"), value) for name, value in answer.headers]
        return answer

    def with_cors(self, request: Request, answer: Answer) -> Answer:
        answer.headers.append(("access-control-expose-headers", "x-amzn-remapped-www-authenticate"))
        return super().with_cors(request, answer)

    def metadata_answer(self, request: Request) -> Answer:
        return as_json(404, {"message": "Not Found"})


@finds("challenge.grammar", "holder.step-up")
class Unquoted(Correct):
    def challenges(self, request: Request, error: str) -> list[str]:
        return [super().challenges(request, error)[0].replace('"', "")]


@finds("challenge.grammar", "holder.step-up")
class TwiceInOne(Correct):
    """One parameter twice."""

    def challenges(self, request: Request, error: str) -> list[str]:
        return [super().challenges(request, error)[0] + ', scope="mcp:tools"']


@finds("challenge.once")
class DuplicateChallenge(Correct):
    """The server and its proxy both add one."""

    def challenges(self, request: Request, error: str) -> list[str]:
        return super().challenges(request, error) * 2


@finds("challenge.bearer", "challenge.rejected", "holder.step-up")
class BasicChallenge(Correct):
    def challenges(self, request: Request, error: str) -> list[str]:
        return ['Basic realm="mcp"']


@finds("challenge.values")
class DescriptionOutsideAscii(Correct):
    def challenges(self, request: Request, error: str) -> list[str]:
        return [super().challenges(request, error)[0] + ', error_description="\xfcber"']


@finds("challenge.no-error")
class ErrorWithoutCredentials(Correct):
    def challenges(self, request: Request, error: str) -> list[str]:
        return super().challenges(request, error or "invalid_token")


@finds("challenge.rejected")
class NoErrorForABadToken(Correct):
    def challenges(self, request: Request, error: str) -> list[str]:
        return super().challenges(request, "" if error == "invalid_token" else error)


@finds("challenge.offline", "metadata.offline")
class OfflineAccess(Correct):
    def scope(self, request: Request) -> str:
        return "mcp:tools offline_access"

    def metadata(self, request: Request) -> dict[str, Any]:
        return {**super().metadata(request), "scopes_supported": ["mcp:tools", "offline_access"]}


# -- the metadata


@finds("metadata.path-form", "metadata.root-form")
class MetadataElsewhere(Correct):
    """Only the challenge leads there."""

    def answer(self, request: Request) -> Answer:
        if request.path == "/metadata.json":
            return self.metadata_answer(request)
        return Answer(404) if request.path.startswith(RESOURCE) else super().answer(request)

    def metadata_url(self, request: Request) -> str:
        return self.base + "/metadata.json"

    def metadata_answer(self, request: Request) -> Answer:
        answer = super().metadata_answer(request)
        answer.headers += [("access-control-allow-origin", ORIGIN)]
        return answer


@finds("metadata.root-form")
class PathFormAlone(Correct):
    def metadata_answer(self, request: Request) -> Answer:
        return Answer(404) if request.path == RESOURCE else super().metadata_answer(request)


@finds("metadata.path-form")
class RootFormAlone(Correct):
    def metadata_url(self, request: Request) -> str:
        return self.base + RESOURCE

    def metadata_answer(self, request: Request) -> Answer:
        return super().metadata_answer(request) if request.path == RESOURCE else Answer(404)


@finds("metadata.url")
class WrongStage(Correct):
    """The challenge forgets a prefix."""

    def metadata_url(self, request: Request) -> str:
        return self.base + "/prod" + RESOURCE + "/mcp"


@finds("metadata.url", "metadata.host")
class PlainHttpUrl(Correct):
    def metadata_url(self, request: Request) -> str:
        return "http://mcp.example.com" + RESOURCE + "/mcp"


@finds("metadata.host")
class OtherHost(Correct):
    def metadata_url(self, request: Request) -> str:
        return f"http://localhost:{self.port}{RESOURCE}/mcp"


@finds("metadata.found", "metadata.path-form", "metadata.root-form", "metadata.direct", "metadata.url")
class MetadataBehindTheDoor(Correct):
    def metadata_answer(self, request: Request) -> Answer:
        return self.refusal(request, 401)


@finds("metadata.found", "metadata.path-form", "metadata.root-form", "metadata.direct", "metadata.url")
class MetadataRedirects(Correct):
    def metadata_answer(self, request: Request) -> Answer:
        return Answer(302, [("location", "https://login.example.com/metadata")])


@finds("metadata.type")
class HtmlMetadata(Correct):
    def metadata_answer(self, request: Request) -> Answer:
        return Answer(200, [("content-type", "text/html")], super().metadata_answer(request).body)


@finds("metadata.json")
class MemberTwice(Correct):
    def metadata_answer(self, request: Request) -> Answer:
        answer = super().metadata_answer(request)
        answer.body = answer.body.replace(b'{"resource":', b'{"resource": "https://a.example", "resource":', 1)
        return answer


@finds("metadata.resource")
class SlashAtTheEnd(Correct):
    def metadata(self, request: Request) -> dict[str, Any]:
        return {**super().metadata(request), "resource": self.url + "/"}


@finds("metadata.resource")
class ResourceWithoutPath(Correct):
    def metadata(self, request: Request) -> dict[str, Any]:
        return {**super().metadata(request), "resource": self.base}


@finds("metadata.resource", "metadata.secure")
class HttpResource(Correct):
    """Behind a proxy that ends TLS."""

    def metadata(self, request: Request) -> dict[str, Any]:
        return {**super().metadata(request), "resource": "http://mcp.example.com/mcp"}


@finds("metadata.spoofing")
class ReflectsHost(Correct):
    def metadata(self, request: Request) -> dict[str, Any]:
        return {**super().metadata(request), "resource": f"http://{request.header('host')}/mcp"}


@finds("metadata.spoofing")
class ReflectsForwardedHost(Correct):
    def metadata_url(self, request: Request) -> str:
        host = request.header("x-forwarded-host")
        return f"https://{host}{RESOURCE}" if host else super().metadata_url(request)


@finds("metadata.spoofing")
class ReflectsForwardedProto(Correct):
    def metadata(self, request: Request) -> dict[str, Any]:
        scheme = request.header("x-forwarded-proto") or "http"
        url = self.url if scheme == "http" and not request.header("forwarded") else self.url.replace("http", "https")
        return {**super().metadata(request), "resource": url}


@finds("metadata.servers")
class NoIssuer(Correct):
    def metadata(self, request: Request) -> dict[str, Any]:
        return {**super().metadata(request), "authorization_servers": []}


@finds("metadata.methods")
class TokensInTheQueryPromised(Correct):
    def metadata(self, request: Request) -> dict[str, Any]:
        return {**super().metadata(request), "bearer_methods_supported": ["header", "query"]}


@finds("metadata.scopes")
class ScopesAsText(Correct):
    def metadata(self, request: Request) -> dict[str, Any]:
        return {**super().metadata(request), "scopes_supported": "mcp:tools"}


@finds("metadata.same")
class TwoDocuments(Correct):
    def metadata(self, request: Request) -> dict[str, Any]:
        more = {"resource_name": "root"} if request.path == RESOURCE else {}
        return {**super().metadata(request), **more}


# -- the issuer


@finds("issuer.url")
class IssuerWithQuery(Correct):
    def metadata(self, request: Request) -> dict[str, Any]:
        return {**super().metadata(request), "authorization_servers": [self.base, "https://issuer.example.com/?a=1"]}


@finds("issuer.identical")
class IssuerWithSlash(Correct):
    def issuer_metadata(self) -> dict[str, Any]:
        return {**super().issuer_metadata(), "issuer": self.base + "/"}


@finds("issuer.metadata")
class IssuerWithoutMetadata(Correct):
    def answer(self, request: Request) -> Answer:
        return Answer(404) if request.path.endswith("authorization-server") else super().answer(request)


@finds("issuer.endpoints")
class IssuerByHttp(Correct):
    def issuer_metadata(self) -> dict[str, Any]:
        return {**super().issuer_metadata(), "token_endpoint": "http://issuer.example.com/token"}


@finds("issuer.registration")
class RegistrationByHttp(Correct):
    def issuer_metadata(self) -> dict[str, Any]:
        return {**super().issuer_metadata(), "registration_endpoint": "http://issuer.example.com/register"}


@finds("issuer.pkce")
class NoS256(Correct):
    def issuer_metadata(self) -> dict[str, Any]:
        return {**super().issuer_metadata(), "code_challenge_methods_supported": ["plain"]}


@finds("issuer.iss")
class NoIss(Correct):
    def issuer_metadata(self) -> dict[str, Any]:
        return {**super().issuer_metadata(), "authorization_response_iss_parameter_supported": False}


@finds("issuer.scopes")
class UnknownScope(Correct):
    """An INFO: seen by no standard, felt by every user."""

    def issuer_metadata(self) -> dict[str, Any]:
        return {**super().issuer_metadata(), "scopes_supported": ["openid"]}


@finds("issuer.scopes")
class BroaderScopeElsewhere(Correct):
    """What lies below a scope has a meaning with an issuer that names this resource, and with no other."""

    def issuer_metadata(self) -> dict[str, Any]:
        return {**super().issuer_metadata(), "scopes_supported": ["mcp"], "protected_resources": ["https://b.example"]}


# -- tokens that nobody issued


@finds("hostile.crash", "hostile.status", "leak.insides")
class FailsOnGarbage(Correct):
    """The verifier raises, and a debugging server shows it."""

    def is_good(self, token: str) -> bool:
        if token.count(".") != 2:
            raise ValueError(token)
        return super().is_good(token)

    def door(self, request: Request) -> Answer | None:
        try:
            return super().door(request)
        except ValueError:
            return Answer(500, [("content-type", "text/plain")], b"Traceback (most recent call last):\n  ...")


@finds("hostile.unsigned", "hostile.status")
class AlgNone(Correct):
    def is_good(self, token: str) -> bool:
        return super().is_good(token) or self._header(token).get("alg") == "none"

    @staticmethod
    def _header(token: str) -> dict[str, Any]:
        part = token.partition(".")[0]
        try:
            found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


@finds("hostile.refused", "hostile.status", "hostile.unsigned", "holder.tampered")
class AnyTokenWillDo(Correct):
    def is_good(self, token: str) -> bool:
        return True


@finds("hostile.elsewhere")
class AnyCookieWillDo(Correct):
    def door(self, request: Request) -> Answer | None:
        return None if "session=" in request.header("cookie") else super().door(request)


@finds("hostile.status")
class BadRequestForABadToken(Correct):
    def refusal(self, request: Request, status: int, error: str = "") -> Answer:
        return super().refusal(request, 400 if error == "invalid_token" else status, error)


# -- HTTP around it


@finds("http.redirect")
class SlashRedirects(Correct):
    def answer(self, request: Request) -> Answer:
        if request.path == "/mcp/":
            return Answer(307, [("location", self.url)])
        return super().answer(request)


@finds("http.redirect", "http.location")
class SlashRedirectsByHost(Correct):
    def answer(self, request: Request) -> Answer:
        if request.path == "/mcp/":
            return Answer(307, [("location", f"http://{request.header('host')}/mcp")])
        return super().answer(request)


@finds("http.cache")
class StoredRefusal(Correct):
    def refusal(self, request: Request, status: int, error: str = "") -> Answer:
        answer = super().refusal(request, status, error)
        answer.headers = [
            (name, "public, max-age=60" if name == "cache-control" else value) for name, value in answer.headers
        ]
        return answer


@finds("leak.token")
class EchoesTheToken(Correct):
    def refusal(self, request: Request, status: int, error: str = "") -> Answer:
        answer = super().refusal(request, status, error)
        if error == "invalid_token":
            answer.body = json.dumps({"message": f"unknown token {request.header('authorization')}"}).encode()
        return answer


# -- browsers


@finds("cors.foreign")
class ReflectsOrigin(Correct):
    def with_cors(self, request: Request, answer: Answer) -> Answer:
        answer = super().with_cors(request, answer)
        origin = request.header("origin")
        if origin and origin != ORIGIN:
            answer.headers += [
                ("access-control-allow-origin", origin),
                ("access-control-allow-credentials", "true"),
            ]
        return answer


@finds("holder.origin")
class OriginIsNotLookedAt(Correct):
    def origin_allowed(self, request: Request) -> bool:
        return True


@finds("cors.preflight")
class PreflightWantsAToken(Correct):
    def preflight(self, request: Request) -> Answer:
        return self.refusal(request, 401)


@finds("cors.preflight")
class PreflightForgetsAuthorization(Correct):
    """An asterisk does not stand for it."""

    def preflight(self, request: Request) -> Answer:
        return Answer(204, [("access-control-allow-methods", "POST"), ("access-control-allow-headers", "*")])


@finds("cors.exposed")
class HiddenChallenge(Correct):
    def with_cors(self, request: Request, answer: Answer) -> Answer:
        answer = super().with_cors(request, answer)
        answer.headers = [header for header in answer.headers if header[0] != "access-control-expose-headers"]
        return answer


@finds("cors.metadata")
class HiddenMetadata(Correct):
    def with_cors(self, request: Request, answer: Answer) -> Answer:
        return answer if request.path.startswith(RESOURCE) else super().with_cors(request, answer)


# -- the holder of a token


@finds("holder.accepted")
class GoodTokenRefused(Correct):
    """The audience that the server demands is another than the one it tells."""

    def is_good(self, token: str) -> bool:
        return False


@finds("holder.tools")
class SessionIsLost(Correct):
    def served(self, request: Request) -> Answer:
        if b'"tools/list"' in request.body and not request.header("mcp-method"):
            return as_json(404, {"message": "Session not found"})
        return super().served(request)


@finds("holder.scheme")
class CaseOfScheme(Correct):
    def is_one_credential(self, value: str) -> bool:
        return value.startswith("Bearer ") and super().is_one_credential(value)


@finds("holder.bare")
class AnyScheme(Correct):
    """What comes last in the header is the token."""

    def door(self, request: Request) -> Answer | None:
        given = request.all("authorization")
        bare = len(given) == 1 and given[0].removeprefix("Basic ") == TOKEN
        return None if bare else super().door(request)


@finds("holder.tampered")
class LastCharacterIsNotCompared(Correct):
    def is_good(self, token: str) -> bool:
        return token[:-1] == TOKEN[:-1]


@finds("holder.padded")
class PaddingIsStripped(Correct):
    def is_one_credential(self, value: str) -> bool:
        return super().is_one_credential(value.rstrip("="))

    def is_good(self, token: str) -> bool:
        return super().is_good(token.rstrip("="))


@finds("holder.tab")
class AnyBlank(Correct):
    def door(self, request: Request) -> Answer | None:
        headers = [(name, value.replace("\t", " ")) for name, value in request.headers]
        return super().door(Request(request.method, request.path, request.query, headers, request.body))


@finds("holder.twice")
class FirstHeaderWins(Correct):
    def door(self, request: Request) -> Answer | None:
        headers = [(name, value) for name, value in request.headers if name != "authorization"]
        headers += [("authorization", value) for value in request.all("authorization")[:1]]
        return super().door(Request(request.method, request.path, request.query, headers, request.body))


@finds("holder.joined")
class FirstOfTheJoinedWins(Correct):
    def door(self, request: Request) -> Answer | None:
        headers = [
            (name, value.partition(",")[0] if name == "authorization" else value) for name, value in request.headers
        ]
        return super().door(Request(request.method, request.path, request.query, headers, request.body))


@finds("holder.query")
class QueryToken(Correct):
    def door(self, request: Request) -> Answer | None:
        return None if parse_qs(request.query).get("access_token") == [TOKEN] else super().door(request)


@finds("holder.elsewhere")
class CookieToken(Correct):
    def door(self, request: Request) -> Answer | None:
        return None if request.header("cookie") == f"access_token={TOKEN}" else super().door(request)


@finds("holder.get")
class EndlessStream(Correct):
    """An SDK's own GET."""

    def other_method(self, request: Request) -> Answer:
        if request.method != "GET":
            return super().other_method(request)
        return Answer(200, [("content-type", "text/event-stream")], b": ping\n\n", endless=True)


@finds("holder.get")
class NothingIsAllowed(Correct):
    def other_method(self, request: Request) -> Answer:
        return Answer(405)


@finds("holder.agree")
class HeadersMayLie(Correct):
    def agrees(self, request: Request, message: dict[str, Any]) -> bool:
        return True


@finds("holder.private")
class PublicLists(Correct):
    def cache_scope(self) -> str:
        return "public"


@finds("holder.step-up")
class ScopeAsToolError(Correct):
    def result(self, request: Request, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        denied = {"content": [{"type": "text", "text": "insufficient scope"}], "isError": True}
        return denied if params.get("name") == FORBIDDEN_TOOL else super().result(request, method, params)


@finds("holder.step-up")
class BareForbidden(Correct):
    def step_up(self, request: Request) -> Answer:
        return as_json(403, {"message": "Forbidden"})


@finds("holder.modern")
class OlderEraAlone(Correct):
    """An INFO: older servers are not wrong."""

    def served(self, request: Request) -> Answer:
        if request.header("mcp-method"):
            error = {"code": -32022, "message": "Unsupported", "data": {"supported": ["2025-11-25"]}}
            return as_json(400, {"jsonrpc": "2.0", "id": 1, "error": error})
        return super().served(request)


class Static(Correct):
    """A door with a static token, and nothing of OAuth."""

    def challenges(self, request: Request, error: str) -> list[str]:
        return ['Bearer realm="mcp"' + (f', error="{error}"' if error else "")]

    def answer(self, request: Request) -> Answer:
        return Answer(404) if request.path.startswith("/.well-known/") else super().answer(request)

    def step_up(self, request: Request) -> Answer:
        return as_json(403, {}, ("www-authenticate", 'Bearer error="insufficient_scope", scope="mcp:tools:countdown"'))


@finds("static.quiet")
class StaticBesideMetadata(Static):
    def answer(self, request: Request) -> Answer:
        if request.path.endswith("oauth-authorization-server"):
            return as_json(200, self.issuer_metadata())
        return super().answer(request)
