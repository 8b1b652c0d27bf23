"""The routes: which step answers which request, with which headers. No rule of the protocol is here."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from flask import Flask, Response, g, json, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from authorization_server import audit, metadata
from authorization_server.authorization_requests import PageError, ReturnError
from authorization_server.browser import Cookie, common_headers, is_same_origin, outnumbered, page_headers
from authorization_server.flow import CALLBACK_PATH, Flow, LoginForm, Onward
from authorization_server.key_source import KeysUnavailable
from authorization_server.logins.local import LOGIN_PATH
from authorization_server.pages import Pages, Trouble, language_of
from authorization_server.protocol import Answer, FormRequest, Protocol, Story
from authorization_server.redirects import Target, read
from authorization_server.registration import RegistrationRefused
from authorization_server.services import Services
from authorization_server.settings import Settings
from authorization_server.signing_keys import KEY_SET_MAX_AGE_SECONDS
from authorization_server.storage import RETRY_AFTER_SECONDS, StorageUnavailable
from mcp_faas import logs, strict_json

BODY_MAX_BYTES = 64 * 1024
METADATA_MAX_AGE_SECONDS = 300
PREFLIGHT_SECONDS = 600
_ASCII = "".join(map(chr, range(0x80)))
_REQUEST_ID = re.compile(r"[0-9A-Za-z-]{1,128}")
_FORM_TYPE = "application/x-www-form-urlencoded"
_CORS_PATHS = frozenset(
    {
        metadata.WELL_KNOWN_OAUTH,
        metadata.WELL_KNOWN_OPENID,
        metadata.KEYS,
        metadata.TOKEN,
        metadata.REGISTER,
        metadata.REVOKE,
    }
)
_DECIDING = frozenset(
    {metadata.AUTHORIZE, LOGIN_PATH, CALLBACK_PATH}
    | {metadata.TOKEN, metadata.REGISTER, metadata.REVOKE, metadata.INTROSPECT}
)
logger = logging.getLogger(__name__)


def create_app(settings: Settings, services: Services) -> Flask:
    """The WSGI application."""
    app = Flask(__name__, static_folder=None, template_folder=None)
    app.config.update(
        MAX_CONTENT_LENGTH=BODY_MAX_BYTES, MAX_FORM_MEMORY_SIZE=BODY_MAX_BYTES, PROPAGATE_EXCEPTIONS=False
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's default provider has it
    # Werkzeug would redirect to another spelling of a path, on the host that the caller names.
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False
    protocol = Protocol(settings, services.storage, services.keys, services.clients, services.clock)
    flow = Flow(settings, services.storage, services.clients, services.login, services.clock)
    _documents(app, settings, services)
    _forms(app, settings, services, protocol)
    pages = Pages(settings)
    _browser(app, settings, flow, pages)
    _errors(app, settings, pages)
    _around(app, settings, services)
    app.wsgi_app = _fixed_host(app.wsgi_app, settings.issuer)  # type: ignore[method-assign]  # as Flask documents it
    return app


def _documents(app: Flask, settings: Settings, services: Services) -> None:
    """What anybody may read."""
    plain, openid = metadata.document(settings), metadata.openid_document(settings)

    @_route(app, metadata.WELL_KNOWN_OAUTH, "GET")
    def oauth_metadata() -> Response:
        return _json(200, plain, cache=METADATA_MAX_AGE_SECONDS)

    @_route(app, metadata.WELL_KNOWN_OPENID, "GET")
    def openid_metadata() -> Response:
        return _json(200, openid, cache=METADATA_MAX_AGE_SECONDS)

    @_route(app, metadata.KEYS, "GET")
    def key_set() -> Response:
        return _json(200, services.keys.key_set(), cache=KEY_SET_MAX_AGE_SECONDS)


def _forms(app: Flask, settings: Settings, services: Services, protocol: Protocol) -> None:
    """What clients call."""

    def form(path: str) -> FormRequest | Answer:
        if request.mimetype != _FORM_TYPE:
            return _malformed(f"The body has to be {_FORM_TYPE}.")
        headers = request.headers.getlist("Authorization")
        if len(headers) > 1:
            return _malformed("Authenticate in one way.")
        values = {name: request.form.getlist(name) for name in request.form}
        return FormRequest(settings.url(path), values, headers[0] if headers else None, _story())

    def answered(path: str, answer: Callable[[FormRequest], Answer]) -> Response:
        asked = form(path)
        given = asked if isinstance(asked, Answer) else answer(asked)
        return _json(given.status, given.body, given.headers)

    @_route(app, metadata.TOKEN, "POST")
    def token() -> Response:
        return answered(metadata.TOKEN, protocol.token)

    @_route(app, metadata.REVOKE, "POST")
    def revoke() -> Response:
        return answered(metadata.REVOKE, protocol.revoke)

    @_route(app, metadata.INTROSPECT, "POST")
    def introspect() -> Response:
        return answered(metadata.INTROSPECT, protocol.introspect)

    if not settings.registration:
        return

    @_route(app, metadata.REGISTER, "POST")
    def register() -> Response:
        if request.mimetype != "application/json":
            answer = _malformed("The body has to be application/json.", "invalid_client_metadata")
            return _json(answer.status, answer.body)
        try:
            document = strict_json.loads(request.get_data().decode())
            found = services.clients.register(document)
        except RegistrationRefused as why:
            _story().reason, _story().detail = why.error, str(why)
            return _json(400, {"error": why.error, "error_description": f"{why}."})
        except (ValueError, RecursionError):
            answer = _malformed("The body is not JSON in UTF-8.", "invalid_client_metadata")
            return _json(answer.status, answer.body)
        _story().client = found["client_id"]
        return _json(201, found)


def _browser(app: Flask, settings: Settings, flow: Flow, pages: Pages) -> None:
    """What a person's browser visits."""

    def page(text: str, status: int = 200, target: Target | None = None, cookies: Iterable[Cookie] = ()) -> Response:
        response = Response(text, status, page_headers(settings, pages.style_hash, target))
        return _with_cookies(response, cookies)

    def checked_form() -> dict[str, str]:
        if not is_same_origin(settings, request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")):
            raise PageError("origin_wrong", "This form was sent from somewhere else.")
        if request.mimetype != _FORM_TYPE:
            raise PageError("form_malformed", "This is no form of ours.")
        return request.form.to_dict()

    @_route(app, metadata.AUTHORIZE, "GET")
    def authorize() -> Response:
        shown = flow.show(dict(request.args.lists()), _story())
        text = pages.consent(shown, language_of(request.accept_languages))
        cookies = [*outnumbered(settings, request.cookies), shown.cookie]
        return page(text, target=shown.request.target, cookies=cookies)

    @_route(app, metadata.AUTHORIZE, "POST")
    def decide() -> Response:
        return _redirect(flow.decide(checked_form(), request.cookies, _story()))

    @_route(app, CALLBACK_PATH, "GET")
    def callback() -> Response:
        query = dict(request.args.lists())
        if any(len(values) > 1 for values in query.values()):
            raise PageError("callback_malformed", "A parameter is there more than once.")
        single = {name: values[0] for name, values in query.items()}
        return _redirect(flow.come_back(single, request.cookies, _story()))

    if settings.login.kind != "local":
        return

    def login_page(form: LoginForm) -> Response:
        text = pages.login(form, language_of(request.accept_languages))
        return page(text, 403 if form.failed else 200, form.target)

    @_route(app, LOGIN_PATH, "GET")
    def login_form() -> Response:
        return login_page(flow.login_form(request.args.get("state"), request.cookies))

    @_route(app, LOGIN_PATH, "POST")
    def login() -> Response:
        done = flow.submit(checked_form(), request.cookies, _story())
        return login_page(done) if isinstance(done, LoginForm) else _redirect(done)


def _errors(app: Flask, settings: Settings, pages: Pages) -> None:
    """Every way in which a step says no."""

    def refused(
        status: int,
        error: str,
        message: str,
        headers: Mapping[str, str] | None = None,
        reason: str = "",
        back: ReturnError | None = None,
    ) -> Response:
        _story().detail = message
        if request.path == metadata.AUTHORIZE or request.path.startswith(f"{metadata.AUTHORIZE}/"):
            where = read(back.back.redirect_uri, settings.redirect_schemes).where if back else ""
            trouble = Trouble(reason or error, message, g.request_id, back.url if back else None, where)
            text = pages.error(trouble, language_of(request.accept_languages))
            response = Response(text, status, page_headers(settings, pages.style_hash))
        else:
            response = _json(status, {"error": error, "error_description": message})
        response.headers.update(headers or {})
        return response

    @app.errorhandler(PageError)
    def page_error(error: PageError) -> Response:
        _story().reason = error.reason
        wait = {} if error.wait_seconds is None else {"Retry-After": str(error.wait_seconds)}
        response = refused(error.status, error.error, str(error), wait, error.reason, error.back)
        return _with_cookies(response, error.cookies)

    @app.errorhandler(ReturnError)
    def return_error(error: ReturnError) -> Response:
        _story().reason, _story().detail = _story().reason or error.error, str(error)
        return _redirect(Onward(error.url, error.cookies))

    @app.errorhandler(StorageUnavailable)
    @app.errorhandler(KeysUnavailable)
    def unavailable(error: Exception) -> Response:
        logger.error("%s: %s", type(error).__name__, error)
        keys = isinstance(error, KeysUnavailable)
        _story().reason = "keys_unavailable" if keys else "storage_unavailable"
        message, wait = (
            "The server cannot answer now; try again in a moment.",
            {"Retry-After": str(RETRY_AFTER_SECONDS)},
        )
        return refused(503, "temporarily_unavailable", message, wait, _story().reason or "")

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        status = error.code or 500
        allowed = set(getattr(error, "valid_methods", None) or ()) - ({"HEAD"} if request.path in _DECIDING else set())
        headers = {"Allow": ", ".join(sorted(allowed))} if allowed else {}
        return refused(status, "not_found" if status == 404 else "invalid_request", error.name, headers)

    @app.errorhandler(Exception)
    def defect(error: Exception) -> Response:
        _story().reason = "internal_error"
        logs.report(logger, "a request failed", error)
        return refused(500, "server_error", "Something is wrong here.")


def _around(app: Flask, settings: Settings, services: Services) -> None:
    """Before and after every request."""
    common = common_headers(settings)

    @app.before_request
    def begin() -> Response | None:
        g.story, g.began, g.request_id = Story(), time.monotonic(), _request_id()
        if request.method == "HEAD" and request.url_rule is not None and request.path in _DECIDING:
            raise MethodNotAllowed(valid_methods=request.url_rule.methods)  # Werkzeug gives it to whoever has GET
        absent = isinstance(request.routing_exception, NotFound)  # /register, where it is off
        if request.method == "OPTIONS" and request.path in _CORS_PATHS and not absent:
            return Response(
                status=204,
                headers={
                    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
                    "Access-Control-Allow-Headers": "authorization, content-type, mcp-protocol-version",
                    "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
                },
            )
        return None

    @app.after_request
    def end(response: Response) -> Response:
        response.headers.update(common)
        if request.path in _CORS_PATHS:
            # Without credentials: these endpoints know no cookie, and a page on the web may be a client.
            response.headers["Access-Control-Allow-Origin"] = "*"
            response.headers["Access-Control-Expose-Headers"] = "Retry-After, WWW-Authenticate"
        if request.path in _DECIDING and request.method != "OPTIONS":
            audit.tell(
                _story(),
                issuer=settings.issuer,
                endpoint=f"{request.method} {request.path}",
                request_id=g.request_id,
                status=response.status_code,
                time=services.clock(),
                ms=(time.monotonic() - g.began) * 1000,
            )
        return response


def _route(app: Flask, path: str, method: str) -> Callable[[Callable[[], Response]], Callable[[], Response]]:
    """One method, without the OPTIONS that Flask adds."""

    def add(view: Callable[[], Response]) -> Callable[[], Response]:
        app.add_url_rule(path, view.__name__, view, methods=[method], provide_automatic_options=False)
        return view

    return add


def _story() -> Story:
    story: Story = g.story
    return story


def _request_id() -> str:
    """The platform's, or one of our own: pages show it, so that it leads to the line in the log."""
    context = request.environ.get("serverless.context")
    given = request.headers.get("X-Fc-Request-Id") if context is None else getattr(context, "aws_request_id", None)
    return given if given and _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def _malformed(message: str, error: str = "invalid_request") -> Answer:
    _story().reason, _story().detail = error, message
    return Answer(400, {"error": error, "error_description": message})


def _json(
    status: int, body: Mapping[str, Any], headers: Iterable[tuple[str, str]] = (), *, cache: int | None = None
) -> Response:
    kept = "no-store" if cache is None else f"public, max-age={cache}"
    response = Response(json.dumps(body), status, mimetype="application/json")
    response.headers.update({"Cache-Control": kept, **dict(headers)})
    return response


def _redirect(onward: Onward) -> Response:
    """303, so that no form is ever sent on (RFC 9700 §4.12)."""
    response = Response(status=303, headers={"Location": onward.url, "Cache-Control": "no-store"})
    response.headers["Referrer-Policy"] = "no-referrer"
    response.autocorrect_location_header = False
    return _with_cookies(response, onward.cookies)


def _with_cookies(response: Response, cookies: Iterable[Cookie]) -> Response:
    for cookie in cookies:
        response.headers.add("Set-Cookie", cookie.header)
    return response


def _fixed_host(wsgi: Any, issuer: str) -> Any:
    """Every request is for the issuer's host, whatever it says: no caller's header has a say in an address."""
    parts = urlsplit(issuer)
    port = str(parts.port or {"https": 443, "http": 80}[parts.scheme])

    def fixed(environ: dict[str, Any], start_response: Any) -> Any:
        for name in [name for name in environ if name.startswith("HTTP_X_FORWARDED_") or name == "HTTP_FORWARDED"]:
            del environ[name]
        environ |= {
            "HTTP_HOST": parts.netloc,
            "SERVER_NAME": parts.hostname,
            "SERVER_PORT": port,
            "SCRIPT_NAME": "",
            "wsgi.url_scheme": parts.scheme,
            # Werkzeug fails on bytes that no URL has; encoded, they are only wrong.
            "QUERY_STRING": quote(environ.get("QUERY_STRING", ""), safe=_ASCII, encoding="latin-1", errors="replace"),
        }
        return wsgi(environ, start_response)

    return fixed
