"""Family `http`: where the token stands, how often, and what else a request says. The tokens in it are good ones."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from hostile.case import (
    ALLOWED_ORIGIN,
    MALFORMED,
    NO_REQUEST,
    NOT_FOUND,
    ORIGIN_REFUSED,
    STRANGER,
    Case,
    Expect,
    Request,
    Transport,
    World,
    invalid_token,
    plain,
)
from support import mcp

WRONG_METHOD = plain(405, "ok")  # inside, and told which method there is

SCHEMES = {
    # No bearer credential at all: RFC 6750 §3, a challenge without an error.
    **{
        f"{scheme} with the token": f"{scheme} {{}}"
        for scheme in (
            "Basic",
            "Digest",
            "DPoP",
            "Token",
            "JWT",
            "OAuth",
            "Negotiate",
            "NTLM",
            "HOBA",
            "Mutual",
            "PoP",
            "ApiKey",
            "AWS4-HMAC-SHA256",
            "MAC",
            "Bear",
            "Bearerx",
            "xBearer",
            "Bearer1",
            "Bearer-Token",
            "Bearer_",
            "access_token",
            "GNAP",
            "Signature",
            "PrivateToken",
        )
    },
    "quotes around scheme and token": '"Bearer {}"',
    "the token alone": "{}",
    "the token with a colon in front": ":{}",
    "the token as a parameter": "access_token={}",
    "empty": "",
    "a dash": "-",
}

CREDENTIALS = {
    "Bearer alone": "Bearer",
    "Bearer and a blank": "Bearer ",
    "two blanks": "Bearer  {}",
    "five blanks": "Bearer     {}",
    "a tab": "Bearer\t{}",
    "a blank and a tab": "Bearer \t{}",
    "a tab and a blank": "Bearer\t {}",
    "a colon": "Bearer: {}",
    "a colon without a blank": "Bearer:{}",
    "an equals sign": "Bearer={}",
    "a comma": "Bearer,{}",
    "a slash": "Bearer/{}",
    "quotes": 'Bearer "{}"',
    "a no-break space": "Bearer\u00a0{}",
    "an ideographic space": "Bearer\u3000{}",
    "a parameter": "Bearer token={} realm=x",
    "a named parameter": 'Bearer access_token="{}"',
    "two words": "Bearer {} x",
    "Bearer twice": "Bearer Bearer {}",
    "the token twice": "Bearer {} {}",
    "a realm in front": 'Bearer realm="mcp" {}',
    "a list of two": "Bearer {}, Bearer {}",
    "a list without a blank": "Bearer {},Bearer {}",
    "a list with a bad first": "Bearer x, Bearer {}",
    "a list with a bad second": "Bearer {}, Bearer x",
    "a list with Basic behind": "Bearer {}, Basic eDp5",
    "a list with Basic in front": "Basic eDp5, Bearer {}",
    "a list with Negotiate in front": "Negotiate, Bearer {}",
    "a list with DPoP in front": "DPoP {}, Bearer {}",
    "a comma behind": "Bearer {},",
    "a comma in front": ", Bearer {}",
    "a semicolon behind": "Bearer {};",
    "a comment": "Bearer {} (comment)",
    "the token and its scope": "Bearer {};scope=mcp:tools",
}

# (the values of several Authorization headers); a platform that calls with events joins them with a comma.
SEVERAL = {
    "good and good": ("Bearer {}", "Bearer {}"),
    "good and bad": ("Bearer {}", "Bearer bad"),
    "bad and good": ("Bearer bad", "Bearer {}"),
    "good and empty": ("Bearer {}", ""),
    "empty and good": ("", "Bearer {}"),
    "good and Basic": ("Bearer {}", "Basic eDp5"),
    "Basic and good": ("Basic eDp5", "Bearer {}"),
    "good and the scheme alone": ("Bearer {}", "Bearer"),
    "the scheme alone and good": ("Bearer", "Bearer {}"),
    "three good ones": ("Bearer {}", "Bearer {}", "Bearer {}"),
    "the token split over two": ("Bearer", "{}"),
    "good and DPoP": ("Bearer {}", "DPoP {}"),
}

# Where a token is no credential (RFC 6750 §2: this resource server takes the header alone).
OTHER_HEADERS = """
Proxy-Authorization X-Authorization X-Forwarded-Authorization X-Original-Authorization X-Amzn-Remapped-Authorization
X-Amzn-Oidc-Data X-Amzn-Oidc-Accesstoken X-Amzn-Oidc-Identity X-Amz-Security-Token X-Amz-Cf-Authorization
X-Fc-Authorization X-Fc-Security-Token X-Serverless-Authorization X-Goog-Iap-Jwt-Assertion
X-Goog-Authenticated-User-Email X-Ms-Token-Aad-Access-Token X-Ms-Token-Aad-Id-Token X-Ms-Client-Principal
Cf-Access-Jwt-Assertion X-Access-Token X-Auth-Token X-Auth X-Api-Key Api-Key Apikey X-Token Token Access-Token
Authentication Authorisation Auth X-Jwt X-Jwt-Assertion X-Jwt-Sub X-Id-Token Id-Token X-Bearer Bearer DPoP
X-Forwarded-Access-Token X-Forwarded-User X-Forwarded-Email X-Forwarded-Preferred-Username X-Forwarded-Client-Cert
X-Remote-User Remote-User X-User X-User-Id X-Webauth-User X-Authenticated-User X-Consumer-Username X-Userinfo
Sec-WebSocket-Protocol X-Csrf-Token X-Original-Token Grpc-Metadata-Authorization HTTP-Authorization
Authorization-Override X-Http-Authorization MCP-Session-Id Last-Event-ID Mcp-Param-Authorization WWW-Authenticate
Set-Cookie2 Client-Cert X-Ssl-Client-Verify X-Client-Verify
""".split()  # noqa: SIM905 - as a list it would take a line a word

PARAMETERS = """
access_token token authorization Authorization bearer bearer_token auth jwt id_token api_key apikey key code ticket
session assertion client_assertion X-Amz-Security-Token
""".split()  # noqa: SIM905 - as a list it would take a line a word
COOKIES = """
access_token Authorization authorization token jwt id_token session __Host-token AWSELBAuthSessionCookie-0
CF_Authorization Bearer mcp-session-id
""".split()  # noqa: SIM905 - as a list it would take a line a word

# What some proxy, framework or health check believes. None of it opens a door, or changes what a stranger hears.
BELIEVED = {
    "X-Original-URL": "/healthz",
    "X-Original-Uri": "/healthz",
    "X-Rewrite-URL": "/healthz",
    "X-Forwarded-Uri": "/healthz",
    "X-Forwarded-Path": "/healthz",
    "X-Forwarded-Prefix": "/healthz",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Server": "evil.example",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Port": "1",
    "X-Forwarded-For": "127.0.0.1",
    "X-Forwarded-Method": "OPTIONS",
    "Forwarded": 'for="[::1]";host=evil.example;proto=http',
    "Via": "1.1 evil.example",
    "X-Host": "evil.example",
    "X-HTTP-Host-Override": "evil.example",
    "X-Real-IP": "127.0.0.1",
    "X-Client-IP": "127.0.0.1",
    "True-Client-IP": "127.0.0.1",
    "Cluster-Client-IP": "127.0.0.1",
    "X-Originating-IP": "127.0.0.1",
    "X-HTTP-Method-Override": "OPTIONS",
    "X-HTTP-Method": "GET",
    "X-Method-Override": "HEAD",
    "X-Script-Name": "/healthz",
    "Script-Name": "/healthz",
    "X-Wsgi-Path-Info": "/healthz",
    "X-Envoy-Original-Path": "/healthz",
    "X-Envoy-Internal": "true",
    "X-Accel-Redirect": "/healthz",
    "X-Sendfile": "/healthz",
    "Referer": "https://mcp.example.com/healthz",
    "From": "admin@example.com",
    "X-Internal": "true",
    "X-Admin": "1",
    "X-Debug": "1",
    "X-Scopes": "mcp:tools",
    "X-Token-Validated": "true",
    "X-Amzn-Trace-Id": "Root=1-0-0;Self=admin",
    "X-Amzn-Requestid": "r",
    "X-Amz-Apigw-Id": "x",
    "X-Fc-Account-Id": "1",
    "X-Fc-Control-Path": "/initialize",
    "X-Fc-Function-Name": "x",
    "X-Fc-Access-Key-Id": "x",
    "X-Lambda-Authorizer": '{"tokenName": "admin"}',
    "Mcp-Method": "ping",
    "Mcp-Name": "touch",
    "Upgrade-Insecure-Requests": "1",
    "TE": "trailers",
    "Trailer": "Authorization",
    "Expect": "100-continue",
    "Range": "bytes=0-1",
    "If-None-Match": "*",
    "Cache-Control": "no-cache, no-auth",
    "Max-Forwards": "0",
    "Accept": "text/html",
    "Sec-Fetch-Site": "same-origin",
}
AGENTS = (
    "ELB-HealthChecker/2.0",
    "GoogleHC/1.0",
    "kube-probe/1.31",
    "Amazon-Route53-Health-Check-Service",
    "Consul Health Check",
    "AlwaysOn",
    "Aliyun-SLB-HealthCheck",
    "Mozilla/5.0",
    "",
    "() { :;}; /bin/id",
)
HOSTS = (
    "evil.example",
    "localhost",
    "127.0.0.1",
    "127.0.0.1:9000",
    "[::1]",
    "issuer.example.com",
    "mcp.example.com:1",
    "mcp.example.com@evil.example",
    "a b",
    "*",
)

FOREIGN_ORIGINS = {
    "of a stranger": "https://evil.example",
    "null": "null",
    "empty": "",
    "over http": "http://app.example.com",
    "with the port": "https://app.example.com:443",
    "with another port": "https://app.example.com:8443",
    "with a slash": ALLOWED_ORIGIN + "/",
    "with a path": ALLOWED_ORIGIN + "/mcp",
    "in upper case": ALLOWED_ORIGIN.upper(),
    "with an upper-case host": "https://APP.example.com",
    "a subdomain": "https://a.app.example.com",
    "a longer host": "https://app.example.com.evil.example",
    "a host that ends alike": "https://evilapp.example.com",
    "a prefix": "https://app.example.co",
    "with a user": "https://app.example.com@evil.example",
    "with a dot": "https://app.example.com.",
    "without a scheme": "app.example.com",
    "a file": "file://",
    "an extension": "chrome-extension://abcdefghijklmnop",
    "localhost": "http://localhost:6274",
    "loopback": "http://127.0.0.1",
    "the endpoint's own": "https://mcp.example.com",
    "two with a blank": f"{ALLOWED_ORIGIN} https://evil.example",
    "two with a comma": f"{ALLOWED_ORIGIN},https://evil.example",
    "a star": "*",
    "a regular expression": "https://.*",
    "a Cyrillic letter": "https://аpp.example.com",
    "a NUL in UTF-8": "https://app.example.com\u2400",
}

# Beside the endpoint there is nothing: no redirect, no door, no word (the SDK's router would redirect by Host).
PATHS = """
/ /mcp/ //mcp /mcp// /./mcp /x/../mcp /../mcp /mcp/. /mcp/.. /mcp/..;/ /mcp;x /mcp;/ /MCP /Mcp /mCP /mcp.json /mcp~
/mcp/x /mcp/mcp /mcp%20 /mcp%09 /mcp%0a /mcp%00 /mcp%2f /mcp%23 /%2fmcp /mcp%252f /mcp%e2%80%8b /mcp%ff /mc%D1%80
/prodd/mcp /v1/mcp /api/mcp /sse /sse/ /messages /messages/ /message /ws /websocket /healthz/ /healthz/mcp
/healthz/../mcp /healthz;/mcp /health /ping /sping /metrics /status /debug /admin /docs /openapi.json /favicon.ico
/robots.txt /.env /.git/config /invoke /initialize /2015-03-31/functions/function/invocations /authorize /token
/register /revoke /introspect /jwks.json /userinfo /login /.well-known/oauth-authorization-server
/.well-known/openid-configuration /.well-known/jwks.json /.well-known/oauth-protected-resource/
/.well-known/oauth-protected-resource/mcp/ /.well-known/oauth-protected-resource/../../mcp
/.well-known/oauth-protected-resource/x /.well-known//oauth-protected-resource /.well-known/OAUTH-protected-resource
/.well-known/..;/mcp /%2e%2e/mcp /%2e/mcp /mcp/%2e%2e/mcp /tools /tools/call /rpc /graphql /actuator/health
/server-status
""".split()  # noqa: SIM905 - as a list it would take a line a word

DECODED: dict[str, tuple[Transport, ...]] = {
    "/%6dcp": (),
    "/%6Dcp": (),
    "/%256dcp": ("asgi", "http", "function-url", "fc"),
    "/mcp%3f": ("asgi", "http", "function-url", "fc"),
    "/mcp%3fx=/healthz": ("asgi", "http", "function-url", "fc"),
}


def cases(world: World) -> Iterator[Case]:
    good = world.token()
    for name, value in SCHEMES.items():
        yield _one(f"scheme: {name}", "6750-1 6750-4", value.format(good), STRANGER)
    for name, value in CREDENTIALS.items():
        yield _one(f"credentials: {name}", "6750-2 6750-5", value.replace("{}", good), MALFORMED)
    for name, values in SEVERAL.items():
        headers = tuple(("Authorization", value.format(good)) for value in values)
        yield Case(f"http/several: {name}", "6750-2 section 5", Request(headers), MALFORMED)
    for header in OTHER_HEADERS:
        for name, value in (("a credential", f"Bearer {good}"), ("a token", good)):
            yield Case(f"http/{name} in {header}", "6750-2 9700-4.13", Request(((header, value),)), STRANGER)
    yield from _elsewhere(good)
    for header, value in BELIEVED.items():
        yield Case(
            f"http/believed: {header}",
            "9700-4.13 GHSA-7x63-xv5r-3p2x GHSA-5hvv-m4w4-gf6v",
            Request(((header, value),)),
            STRANGER,
        )
    sockets = (
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "eA=="),
    )
    known = (*sockets, ("Authorization", f"Bearer {good}"))
    yield Case("http/a WebSocket", "CVE-2026-59950", Request(sockets, method="GET"), STRANGER)
    yield Case("http/a WebSocket, with a token", "CVE-2026-59950", Request(known, method="GET"), WRONG_METHOD)
    yield Case("http/believed: all at once", "9700-4.13", Request(tuple(BELIEVED.items())), STRANGER)
    for agent in AGENTS:
        yield Case(
            f"http/User-Agent {agent or 'empty'}", "GHSA-5hvv-m4w4-gf6v", Request((("User-Agent", agent),)), STRANGER
        )
    for host in HOSTS:
        yield Case(f"http/Host {host}", "9700-4.13 CVE-2025-66416 CVE-2026-34742", Request((("Host", host),)), STRANGER)
    yield from _origins(good)
    yield from _paths(good)
    yield from _methods(good)


def _one(name: str, source: str, authorization: str, expect: Expect) -> Case:
    return Case(f"http/{name}", source, Request((("Authorization", authorization),)), expect)


def _elsewhere(good: str) -> Iterator[Case]:
    for name in PARAMETERS:
        for form, target in (("plain", f"/mcp?{name}={good}"), ("with its scheme", f"/mcp?{name}=Bearer%20{good}")):
            yield Case(f"http/query {name}, {form}", "6750-3", Request(target=target), STRANGER)
    yield Case("http/query that is the token", "6750-3", Request(target=f"/mcp?{good}"), STRANGER)
    yield Case(
        "http/query with another name first", "6750-3", Request(target=f"/mcp?a=b&access_token={good}"), STRANGER
    )
    both = Request((("Authorization", "Bearer x"),), target=f"/mcp?access_token={good}")
    yield Case("http/query beside a bad header", "6750-2", both, invalid_token("token_malformed"))
    for name in COOKIES:
        for form, value in (("plain", good), ("with its scheme", quote(f"Bearer {good}"))):
            yield Case(
                f"http/cookie {name}, {form}", "6750-2", Request((("Cookie", f"a=b; {name}={value}"),)), STRANGER
            )
    for name in ("access_token", "token", "authorization"):
        body = f"{name}={good}".encode()
        form_body = Request(body=body, content_type="application/x-www-form-urlencoded")
        yield Case(f"http/form {name}", "6750-2", form_body, STRANGER)
        params: dict[str, object] = {"name": "touch", name: good}
        yield Case(f"http/body {name}", "6750-2", Request(body=mcp.message("tools/call", params)), STRANGER)
    params = {"name": "touch", "_meta": {"authorization": f"Bearer {good}"}}
    yield Case("http/body _meta", "6750-2", Request(body=mcp.message("tools/call", params)), STRANGER)
    multipart = f'--b\r\ncontent-disposition: form-data; name="access_token"\r\n\r\n{good}\r\n--b--\r\n'.encode()
    yield Case(
        "http/multipart form",
        "6750-2",
        Request(body=multipart, content_type="multipart/form-data; boundary=b"),
        STRANGER,
    )


def _origins(good: str) -> Iterator[Case]:
    credentials = ("Authorization", f"Bearer {good}")
    for name, origin in FOREIGN_ORIGINS.items():
        source = "T2 CVE-2025-66416 CVE-2026-59950"
        yield Case(
            f"http/Origin {name}, with a token", source, Request((("Origin", origin), credentials)), ORIGIN_REFUSED
        )
        yield Case(f"http/Origin {name}, without", source, Request((("Origin", origin),)), ORIGIN_REFUSED)
    two = (("Origin", ALLOWED_ORIGIN), ("Origin", ALLOWED_ORIGIN), credentials)
    yield Case("http/Origin twice", "T2", Request(two), ORIGIN_REFUSED)
    mixed = (("Origin", ALLOWED_ORIGIN), ("Origin", "https://evil.example"), credentials)
    yield Case("http/Origin allowed and foreign", "T2", Request(mixed), ORIGIN_REFUSED)
    evil = Request((("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST")), method="OPTIONS")
    yield Case("http/preflight of a stranger", "T2", evil, plain(403))


def _paths(good: str) -> Iterator[Case]:
    for path in PATHS:
        # API Gateway and Lambda hand on the path as they decoded it, or not at all: what is said is the same.
        source = "trap 8, attacks section 7"
        named = Request((("Authorization", f"Bearer {good}"),), target=path)
        yield Case(f"http/path {path}, with a token", source, named, NOT_FOUND)
        yield Case(f"http/path {path}, without", source, Request(target=path), NOT_FOUND)
    for target in ("mcp", "*", "http://evil.example/mcp", "//evil.example/mcp", "/mcp#/healthz"):
        request = Request((("Authorization", f"Bearer {good}"),), target=target)
        yield Case(f"http/target {target}", "attacks section 7", request, NOT_FOUND)
    for method in ("POST", "PUT", "DELETE"):
        request = Request((("Authorization", f"Bearer {good}"),), method=method, target="/healthz")
        yield Case(f"http/{method} /healthz", "attacks section 10", request, NOT_FOUND)
        request = Request(method=method, target="/.well-known/oauth-protected-resource")
        yield Case(f"http/{method} metadata", "attacks section 10", request, NOT_FOUND)
    # What is decoded once or twice before it arrives is the endpoint itself, and as closed as ever.
    for target, elsewhere in DECODED.items():
        exceptions: dict[Transport, Expect | None] = dict.fromkeys(elsewhere, NOT_FOUND)
        yield Case(
            f"http/path {target}, decoded the endpoint",
            "attacks section 7",
            Request(target=target),
            STRANGER,
            exceptions,
        )


def _methods(good: str) -> Iterator[Case]:
    credentials = (("Authorization", f"Bearer {good}"),)
    for method in (
        "GET",
        "HEAD",
        "PUT",
        "DELETE",
        "PATCH",
        "TRACE",
        "CONNECT",
        "PROPFIND",
        "PURGE",
        "QUERY",
        "POSTX",
        "M-SEARCH",
    ):
        yield Case(f"http/{method} with a token", "T18 trap 3", Request(credentials, method=method), WRONG_METHOD)
        yield Case(f"http/{method} without", "T18 attacks section 10", Request(method=method), STRANGER)
        bad = Request((("Authorization", f"Bearer {good[:-9]}AAAAAAAAA"),), method=method)
        yield Case(f"http/{method} with a bad token", "T18", bad, invalid_token("signature_invalid"))
    for method in ("post", "Post", "pOST"):
        # RFC 9110 §9.1: methods are case-sensitive. How FC's events spell them is not proven, so there it is let pass.
        yield Case(
            f"http/{method} with a token", "T18", Request(credentials, method=method), WRONG_METHOD, {"fc": None}
        )
        yield Case(f"http/{method} without", "T18", Request(method=method), STRANGER)
    for method in ("PO ST", "POST\t", "PÖST"):
        lines = Request(credentials, method=method)
        yield Case(f"http/method {method!r}", "RFC 9110 §9.1", lines, WRONG_METHOD, {"http": NO_REQUEST})
