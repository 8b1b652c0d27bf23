"""Call the FC OpenAPI through the official SDK, once per call and without its leaks. Knows no trigger and no domain."""

from __future__ import annotations

import contextlib
import email.utils
import logging
import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from alibabacloud_fc20230330.client import Client
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.exceptions import RetryError
from darabonba.runtime import RuntimeOptions
from Tea.exceptions import TeaException

from mcp_faas.stores import LOOPBACK, Access, StoreConflict, StoreError, StoreUnavailable, error_code, mend, request_id

# The API has no compare-and-swap: whoever reads, and writes within this time, cannot remove a token that
# was already there for longer. `rotation` waits this time out before it hands a token to anybody.
WRITE_WINDOW_SECONDS = 2.0

# With DEBUG=sdk the SDK prints every header, STS token and signature included. And it obeys HTTP_PROXY but not
# NO_PROXY, so that calls to this machine would leave it.
_DEBUG = "DEBUG"
_PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy")


class FcClient:
    """The SDK's client, with its failures sorted into those that prove nothing and those that are final."""

    def __init__(self, region: str, access: Access) -> None:
        endpoint = urlsplit(access.fc_endpoint if "//" in access.fc_endpoint else f"https://{access.fc_endpoint}")
        self._local = endpoint.hostname in LOOPBACK
        self._where = f"{endpoint.hostname}:{endpoint.port}" if self._local else f"Function Compute in {region}"
        self._mend = (
            "start it first" if self._local else f"see that {region} is a region and that this network reaches it"
        )
        settings: dict[str, Any] = {"region_id": region}
        if access.fc_endpoint:  # the scheme apart from the host: together they become a broken Host header
            settings |= {"endpoint": endpoint.netloc, "protocol": endpoint.scheme}
        key = access.fc_key or (("local", "local", "") if self._local else None)
        if key:
            settings |= {"access_key_id": key[0], "access_key_secret": key[1], "security_token": key[2] or None}
        else:
            settings["credential"] = credentials()
        self.client: Any = Client(Config(**settings))
        milliseconds = max(1, int(access.timeout * 1000))
        self._runtime = RuntimeOptions(connect_timeout=milliseconds, read_timeout=milliseconds, autoretry=False)

    def call(self, operation: str, what: str, *arguments: Any) -> Any:
        """One call, never repeated. The service's own words are not passed on: they may quote what was sent."""
        with _hidden(_DEBUG, *(_PROXIES if self._local else ())):
            try:
                return getattr(self.client, f"{operation}_with_options")(*arguments, {}, self._runtime)
            except AlibabaCloudException as error:
                raise _translate(operation, what, error) from None
            except TeaException as error:  # a lost connection, or an answer that is no JSON
                cause = getattr(error, "inner_exception", None) or error
                if isinstance(cause, StoreError):  # it found no credentials
                    raise cause from None
                if isinstance(cause, RetryError):  # the SDK's word for every connection that fails or takes too long
                    said = f"{operation} of {what}: no answer from {self._where}; {self._mend}"
                    raise StoreUnavailable(said) from None
                raise StoreUnavailable(f"{operation} of {what}: no usable answer ({type(cause).__name__})") from None
            except Exception as error:  # noqa: BLE001 - JSON of another shape, or a defect; its text may quote a token
                kind = type(error).__name__
                raise StoreUnavailable(f"{operation} of {what}: the answer is not understood ({kind})") from None


@contextlib.contextmanager
def _hidden(*names: str) -> Iterator[None]:
    """Keep these variables from the SDK for as long as it is called."""
    saved = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(saved)


def credentials() -> Any:
    """Whatever the SDK's own chain finds: environment, OIDC role, profile, the machine's RAM role."""
    from alibabacloud_credentials.client import Client as CredentialsClient
    from alibabacloud_credentials.exceptions import CredentialException

    # It writes its failures to stderr by a handler of its own, with tracebacks and what the other side has answered.
    logging.getLogger("credentials").disabled = True

    class Quiet(CredentialsClient):  # type: ignore[misc] # the SDK has no types
        def get_credential(self) -> Any:  # asks a metadata service, STS or a URI, whose query may be a secret
            with _hidden(_DEBUG):
                try:
                    return super().get_credential()
                except (CredentialException, ValueError, OSError, TeaException) as error:
                    raise _no_credentials(error) from None

    try:
        return Quiet()
    except (CredentialException, ValueError, OSError) as error:
        raise _no_credentials(error) from None


def _no_credentials(error: Exception) -> StoreError:
    return StoreError(
        f"no Alibaba Cloud credentials were found ({type(error).__name__}): set ALIBABA_CLOUD_ACCESS_KEY_ID and "
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET, or give this machine or job a RAM role"
    )


def _translate(operation: str, what: str, error: Any) -> StoreError:
    status = error.status_code if isinstance(error.status_code, int) else 0
    code = error_code(error.code)
    request = request_id(error.data.get("RequestId")) if isinstance(error.data, dict) else "unknown"
    said = f"{operation} of {what}: {code} (HTTP {status}, request {request}){mend(code)}"
    if status >= 500 or status == 429 or "Throttl" in code:
        return StoreUnavailable(said)
    if status in (409, 412):
        return StoreConflict(said)
    return StoreError(said)


def server_time(answer: Any) -> datetime | None:
    """The clock of the service, from the answer's Date."""
    try:
        moment = email.utils.parsedate_to_datetime((answer.headers or {}).get("date", ""))
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None


class ReadTimer:
    """Remembers when a read began, and refuses a write that would go out too long after it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()

    def check(self, what: str) -> None:
        if self._clock() - self._began > WRITE_WINDOW_SECONDS:
            raise StoreConflict(f"{what} was read more than {WRITE_WINDOW_SECONDS:g} s ago")
