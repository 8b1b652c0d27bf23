"""A token document in the Bearer authentication of an FC custom domain. No other setting of the domain is sent."""

from __future__ import annotations

from dataclasses import dataclass

from alibabacloud_fc20230330.models import AuthConfig, UpdateCustomDomainInput, UpdateCustomDomainRequest

from mcp_faas.stores import Access, Snapshot, StoreUnavailable
from mcp_faas.stores.fc_client import WRITE_WINDOW_SECONDS, FcClient, ReadTimer, server_time
from mcp_faas.stores.fc_trigger import auth_text, check_bearer
from mcp_faas.tokens import TokenDocument


@dataclass(frozen=True)
class _Basis:
    timer: ReadTimer
    auth_type: str  # as it was read, and as it goes back


class DomainStore:
    """Without a compare-and-swap: a write goes out shortly after its read, and is read back by the caller."""

    settle_seconds = WRITE_WINDOW_SECONDS

    def __init__(self, address: str, region: str, domain: str, access: Access) -> None:
        self.address = address
        self._domain = domain
        self._what = f"custom domain {domain}"
        self._fc = FcClient(region, access)

    def read(self) -> Snapshot:
        timer = ReadTimer()
        answer = self._fc.call("get_custom_domain", self._what, self._domain)
        if answer.body is None or answer.body.domain_name is None:
            raise StoreUnavailable(f"get_custom_domain of {self._what}: the answer holds no domain")
        auth = answer.body.auth_config
        auth_type = check_bearer(auth.auth_type if auth else None, self._what)
        return Snapshot(auth_text(auth.auth_info, self._what), server_time(answer), _Basis(timer, auth_type))

    def write(self, snapshot: Snapshot, document: TokenDocument) -> None:
        basis: _Basis = snapshot.basis
        auth = AuthConfig(auth_type=basis.auth_type, auth_info=document.dump())
        basis.timer.check(self._what)
        request = UpdateCustomDomainRequest(body=UpdateCustomDomainInput(auth_config=auth))
        self._fc.call("update_custom_domain", self._what, self._domain, request)
