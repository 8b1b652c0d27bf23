"""What Function Compute would store: triggers and custom domains, and since when. No HTTP, no process enters."""

from __future__ import annotations

import copy
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS")
MOST_TOKENS = 20
TOKEN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")
TOKEN_DATA = re.compile(r"[A-Za-z0-9+/=.~-]{32,128}")
DOMAIN_TOKEN_DATA = re.compile(r"[A-Za-z+/=.~][A-Za-z0-9+/=.~-]{31,127}")  # neither a digit nor `-` first
MASK = "****"


@dataclass(frozen=True)
class Unproven:
    """What only a real account settles. Code that talks to FC is tested with each of these both ways."""

    bearer_literal: str = "bearer"
    """How the API spells the `authType`; another spelling is refused."""
    auth_config: Literal["string", "object", "as written"] = "string"
    """The JSON type of `authConfig` inside `triggerConfig`; the other type is refused."""
    extra_keys: Literal["kept", "dropped"] = "kept"
    """What a write does to keys of the token document that nobody documented."""
    masked_tokens: bool = False
    """Reads show `tokenData` masked. A mask that is written back is stored: the token is gone."""
    propagation_seconds: Sequence[float] = (0.0,)
    """How long after a write each node of the gateway still obeys the old document; connections go round the nodes."""
    refusal_status: Literal[401, 403] = 403
    """AccessDenied is 403 in the vendor's table of error codes; what the Bearer check sends nobody wrote down."""
    refusal_body: Literal["json", "text"] = "json"
    forward_authorization: bool = True
    """Does the function see the header that the gateway has checked?"""
    sends_credentials: bool = False
    """Does the function see the keys of its role in headers, as on runtimes before debian11?"""
    rewrite_host: bool = False
    """Does the function see the platform's name for it in `Host`, not the client's?"""
    any_case_scheme: bool = False
    """Is `bearer xyz` taken like `Bearer xyz`?"""
    zero_enabled: Literal["kept", "refused"] = "kept"
    """A document whose tokens are all switched off."""
    duplicate_values: Literal["kept", "refused"] = "kept"
    """Two names for one `tokenData`."""
    preflight: Literal["platform", "method"] = "platform"
    """Does the gateway answer `OPTIONS` itself (docs), or is it a method like another (reported)?"""


class Refused(Exception):
    """The API says no; `code` and `status` as the service would send them."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def invalid(message: str) -> Refused:
    return Refused(400, "InvalidArgument", message)


def check_tokens(auth: Any, unproven: Unproven, token_data: re.Pattern[str]) -> None:
    """The documented limits of a token document, and the two that nobody documented."""
    tokens = auth.get("tokens") if isinstance(auth, dict) else None
    if not isinstance(tokens, list) or not 1 <= len(tokens) <= MOST_TOKENS:
        raise invalid(f"the number of tokens must be between 1 and {MOST_TOKENS}")
    for token in tokens:
        if not isinstance(token, dict) or not isinstance(token.get("enable"), bool):
            raise invalid("a token must have tokenName, enable and tokenData")
        if not TOKEN_NAME.fullmatch(str(token.get("tokenName", ""))):
            raise invalid("tokenName is invalid")
        data = str(token.get("tokenData", ""))
        if not token_data.fullmatch(data) and not (unproven.masked_tokens and MASK in data):
            raise invalid("tokenData is invalid")
    if len({token["tokenName"] for token in tokens}) < len(tokens):
        raise invalid("tokenName must be unique")
    if unproven.duplicate_values == "refused" and len({token["tokenData"] for token in tokens}) < len(tokens):
        raise invalid("tokenData must be unique")
    if unproven.zero_enabled == "refused" and not any(token["enable"] for token in tokens):
        raise invalid("at least one token must be enabled")


def without_extra_keys(auth: dict[str, Any]) -> dict[str, Any]:
    known = ("tokenName", "enable", "tokenData")
    return {"tokens": [{key: token[key] for key in known if key in token} for token in auth["tokens"]]}


def masked(auth: dict[str, Any]) -> dict[str, Any]:
    shown = copy.deepcopy(auth)
    for token in shown.get("tokens", []):
        token["tokenData"] = token["tokenData"][:6] + MASK
    return shown


@dataclass
class Resource:
    """A trigger's configuration or a domain's, every version of it with the moment of its write."""

    name: str
    created: float
    versions: list[tuple[float, float, dict[str, Any]]] = field(repr=False)  # (monotonic, wall clock, configuration)

    @property
    def current(self) -> dict[str, Any]:
        return self.versions[-1][2]

    @property
    def modified(self) -> float:
        return self.versions[-1][1]

    def before_last_write(self) -> Resource:
        """What a stale read shows."""
        return Resource(self.name, self.created, self.versions[:-1] or self.versions)

    def obeyed(self, delay_seconds: float) -> dict[str, Any]:
        """What a gateway node goes by that hears of writes so much later."""
        horizon = time.monotonic() - delay_seconds
        return next((config for at, _, config in reversed(self.versions) if at <= horizon), self.versions[0][2])


class Account:
    """One account in one region. Knows the rules of a write; who may write is not its business."""

    def __init__(self, unproven: Unproven, clock: Callable[[], float]) -> None:
        self.unproven = unproven
        self.clock = clock
        self.triggers: dict[tuple[str, str], Resource] = {}
        self.domains: dict[str, Resource] = {}

    def put_trigger(self, function: str, name: str, config: Any) -> None:
        """Create a trigger, or replace its whole configuration: that is all that UpdateTrigger does."""
        self._write(self.triggers, (function, name), name, self._checked_trigger(config))

    def put_domain(self, name: str, auth_config: Any) -> None:
        self._write(self.domains, name, name, self._checked_domain(name, auth_config))

    def tokens(self, config: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The tokens of a bearer configuration, whichever type its document is stored in."""
        auth = config.get("authConfig", config.get("authInfo"))
        document = json.loads(auth) if isinstance(auth, str) else auth
        found: list[dict[str, Any]] = document["tokens"]
        return found

    def is_bearer(self, config: Mapping[str, Any]) -> bool:
        return config.get("authType") == self.unproven.bearer_literal

    def shown(self, config: dict[str, Any], key: str) -> dict[str, Any]:
        """The configuration as a read shows it, its token document under `key`."""
        if not self.unproven.masked_tokens or not self.is_bearer(config):
            return config
        auth = config[key]
        hidden = masked(json.loads(auth) if isinstance(auth, str) else auth)
        return {**config, key: json.dumps(hidden, separators=(",", ":")) if isinstance(auth, str) else hidden}

    def _write(self, shelf: dict[Any, Resource], key: Any, name: str, config: dict[str, Any]) -> None:
        now = self.clock()
        if key not in shelf:
            shelf[key] = Resource(name, now, [])
        shelf[key].versions.append((time.monotonic(), now, config))
        del shelf[key].versions[:-50]  # no node of the gateway is that far behind

    def _checked_trigger(self, config: Any) -> dict[str, Any]:
        if not isinstance(config, dict):
            raise invalid("triggerConfig must be a JSON object")
        methods = config.get("methods")
        if not isinstance(methods, list) or not methods or any(method not in METHODS for method in methods):
            raise invalid(f"methods must be some of {', '.join(METHODS)}")
        if config.get("authType") in ("anonymous", "function"):
            return dict(config)
        if not self.is_bearer(config):
            raise invalid(f"authType is invalid: {config.get('authType')}")
        auth = config.get("authConfig")
        if self.unproven.auth_config != "as written" and isinstance(auth, str) != (
            self.unproven.auth_config == "string"
        ):
            raise invalid(f"authConfig must be a JSON {self.unproven.auth_config}")
        return {**config, "authConfig": self._checked_document(auth, TOKEN_DATA)}

    def _checked_domain(self, name: str, config: Any) -> dict[str, Any]:
        if not isinstance(config, dict):
            raise invalid("authConfig must be a JSON object")
        if config.get("authType") in ("anonymous", "function"):
            return dict(config)
        if not self.is_bearer(config) or not isinstance(config.get("authInfo"), str):
            raise invalid(f"authType is invalid: {config.get('authType')}")
        checked = {**config, "authInfo": self._checked_document(config["authInfo"], DOMAIN_TOKEN_DATA)}
        others = {
            token["tokenData"]
            for domain in self.domains.values()
            if domain.name != name and self.is_bearer(domain.current)
            for token in self.tokens(domain.current)
        }
        if others & {token["tokenData"] for token in self.tokens(checked)}:
            raise invalid("tokenData must be unique across custom domains")
        return checked

    def _checked_document(self, auth: Any, token_data: re.Pattern[str]) -> Any:
        """The token document in the type it came in; byte for byte as written, but for what `Unproven` says."""
        try:
            document = json.loads(auth) if isinstance(auth, str) else auth
        except ValueError:
            raise invalid("the token document is not JSON") from None
        check_tokens(document, self.unproven, token_data)
        if self.unproven.extra_keys == "kept":
            return copy.deepcopy(auth)
        document = without_extra_keys(document)
        return json.dumps(document, separators=(",", ":")) if isinstance(auth, str) else document
