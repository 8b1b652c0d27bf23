"""A token document in the Bearer authentication of an FC HTTP trigger. The rest of the trigger goes back as it was."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from alibabacloud_fc20230330.models import UpdateTriggerInput, UpdateTriggerRequest

from mcp_faas.stores import Access, Snapshot, StoreUnavailable
from mcp_faas.stores.fc_client import WRITE_WINDOW_SECONDS, FcClient, ReadTimer, server_time
from mcp_faas.tokens import DocumentError, TokenDocument, decoded, encoded


@dataclass(frozen=True)
class _Basis:
    timer: ReadTimer
    trigger: Any = field(repr=False)  # the SDK's model; printing it would show the tokens
    config: dict[str, Any] = field(repr=False)


class TriggerStore:
    """Without a compare-and-swap: a write goes out shortly after its read, and is read back by the caller."""

    settle_seconds = WRITE_WINDOW_SECONDS

    def __init__(self, address: str, region: str, function: str, trigger: str, access: Access) -> None:
        self.address = address
        self._names = (function, trigger)
        self._what = f"trigger {trigger} of function {function}"
        self._fc = FcClient(region, access)

    def read(self) -> Snapshot:
        timer = ReadTimer()
        answer = self._fc.call("get_trigger", self._what, *self._names)
        trigger = answer.body
        if trigger is None or not isinstance(trigger.trigger_config, str):
            raise StoreUnavailable(f"get_trigger of {self._what}: the answer holds no trigger")
        if trigger.trigger_type != "http":
            raise DocumentError(f"{self._what} is a {trigger.trigger_type} trigger, not an HTTP trigger; name that one")
        config = decoded(trigger.trigger_config, f"the configuration of {self._what}")
        if not isinstance(config, dict):
            raise DocumentError(f"the configuration of {self._what} is not a JSON object")
        encoded(
            config, f"the configuration of {self._what}"
        )  # what cannot go back is refused before a write is planned
        check_bearer(config.get("authType"), self._what)
        text = auth_text(config.get("authConfig"), self._what)
        return Snapshot(text, server_time(answer), _Basis(timer, trigger, config), _public_url(trigger))

    def write(self, snapshot: Snapshot, document: TokenDocument) -> None:
        basis: _Basis = snapshot.basis
        as_object = isinstance(basis.config["authConfig"], dict)
        config = {**basis.config, "authConfig": document.to_object() if as_object else document.dump()}
        change = UpdateTriggerInput(
            description=basis.trigger.description,
            invocation_role=basis.trigger.invocation_role,
            qualifier=basis.trigger.qualifier,
            trigger_config=encoded(config, f"the configuration of {self._what}"),
        )
        basis.timer.check(self._what)
        self._fc.call("update_trigger", self._what, *self._names, UpdateTriggerRequest(body=change))


def _public_url(trigger: Any) -> str | None:
    """The trigger's own host, which nobody can guess; a custom domain is somewhere else."""
    url = getattr(trigger.http_trigger, "url_internet", None)
    return url if isinstance(url, str) and url else None


def check_bearer(auth_type: object, what: str) -> str:
    """Only Bearer is ours; how the API spells it is unproven, so the case does not matter and goes back as it was."""
    if not isinstance(auth_type, str) or auth_type.lower() != "bearer":
        raise DocumentError(f"{what} has the authType {auth_type!r}, not bearer; switch Bearer authentication on first")
    return auth_type


def auth_text(value: object, what: str) -> str:
    """The token document as text, whether the service gives it as a string or as an object."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return encoded(value, f"the authConfig of {what}")
    raise DocumentError(
        f"{what} has no authConfig that could be a token document; give it a first token in the console"
    )
