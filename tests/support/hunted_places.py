"""The stores, the sinks and the door of one hunted run: each remembers every token that it was ever shown."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

from edges import fc_faults, secretsmanager
from edges.listener import Answer, HangUp, Listener, Request
from edges.secretsmanager import SecretsManager
from edges.secretsmanager_state import Refused
from edges.serving import running
from rotating.clock import FastClock
from rotating.services import AWS_FAULTS, FcService
from support.oss import Oss

TOKEN = re.compile(r"mcpt-[0-9A-Za-z]{43}-[0-9A-Za-z]{6}")
REGION, SECRET, CLIENT_SECRET = "eu-west-1", "team/mcp-tokens", "team/client"
SESSION = "STS." + "Zx8Kq2Lw9Vb4Nm7Rt5Yp"  # what the clouds' credentials are taken for; hunted, too
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "awsSecret" + "Hg6Tf3Rd8Se1Wa5Qz",
    "AWS_SESSION_TOKEN": SESSION,
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "local",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "fcSecret" + "Pl9Ok4Ij7Uh2Yg6Tf",
    "ALIBABA_CLOUD_SECURITY_TOKEN": SESSION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
ROLE = {  # as a metadata service answers
    "Code": "Success",
    "AccessKeyId": "role",
    "AccessKeySecret": CREDENTIALS["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
    "SecurityToken": SESSION,
    "Expiration": "2099-01-01T00:00:00Z",
}
HUNTED_CREDENTIALS = tuple(value for name, value in CREDENTIALS.items() if "SECRET" in name or "TOKEN" in name)

StoreKind = Literal["file", "fc", "fc-domain", "aws"]
Fail = Callable[[Literal["read", "write"], int], "str | None"]  # "echo" is a fault, too: an error that quotes all


def values(document: object) -> str:
    """All tokens of a document in a row, as a service might name an error after what it was sent: no SDK cuts it."""
    text = json.dumps(document).replace("\\", "")
    return " ".join([*re.findall(r'"tokenData": ?"([^"]+)"', text), *TOKEN.findall(text)])


class Store:
    """The place of the document. `fail` is asked before each call of the service; a file has no calls."""

    address: str
    environment: Mapping[str, str] = {}

    def __init__(self) -> None:
        self.fail: Fail = lambda kind, number: None
        self.shown: set[str] = set()

    def put(self, document: object) -> None:
        raise NotImplementedError

    def truth(self) -> dict[str, Any]:
        raise NotImplementedError

    def note(self, sent: object) -> None:
        self.shown |= set(TOKEN.findall(sent if isinstance(sent, str) else json.dumps(sent)))


class FileStore(Store):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.address = path, f"file:{path}"

    def put(self, document: object) -> None:
        self.path.write_text(json.dumps(document))
        self.path.chmod(0o600)

    def truth(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.path.read_text())
        return found


class FcStore(Store):
    def __init__(self, service: FcService) -> None:
        super().__init__()
        self.service, self.address = service, service.address
        self.environment = {"FC_ENDPOINT": f"http://127.0.0.1:{service.port}"}
        self._calls = 0
        service.api.faults = self._fault
        self.put, self.truth = service.put, service.truth  # type: ignore[method-assign] # the service's own

    def _fault(self, call: fc_faults.Call) -> fc_faults.Fault | None:
        self.note(call.body)
        self._calls += 1
        name = self.fail("write" if call.action.startswith("Update") else "read", self._calls)
        if name == "echo":
            quoted = values(call.body if call.body is not None else self.truth())
            return fc_faults.Fault(applied=0, status=403, code=quoted, message=quoted)
        return fc_faults.FAULTS[name] if name else None


class AwsStore(Store):
    address = f"aws://{REGION}/{SECRET}"

    def __init__(self, manager: SecretsManager) -> None:
        super().__init__()
        self.manager = manager
        self.environment = {"AWS_ENDPOINT_URL": manager.url}
        self._calls = 0
        manager.fault = self._fault
        self.sink_fault: str | None = None
        manager.region(REGION).create_secret({"Name": CLIENT_SECRET, "ClientRequestToken": str(uuid.uuid4())})

    def put(self, document: object) -> None:
        value = {"SecretString": json.dumps(document), "ClientRequestToken": str(uuid.uuid4())}
        try:
            self.manager.region(REGION).put_secret_value({"SecretId": SECRET, **value})
        except Refused:
            self.manager.region(REGION).create_secret({"Name": SECRET, **value})

    def truth(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.value(SECRET))
        return found

    def value(self, name: str) -> str:
        return str(self.manager.region(REGION).get_secret_value({"SecretId": name})["SecretString"])

    def _fault(self, call: secretsmanager.Call) -> secretsmanager.Fault | None:
        self.note(dict(call.parameters))
        kind: Literal["read", "write"] = "write" if call.operation in secretsmanager.WRITES else "read"
        if call.parameters.get("SecretId") == CLIENT_SECRET:
            name = self.sink_fault if kind == "write" else None
        else:
            self._calls += 1
            name = self.fail(kind, self._calls)
        if name == "echo":
            quoted = values(call.parameters if kind == "write" else self.truth())
            return secretsmanager.Fault.error(403, quoted)
        return AWS_FAULTS[name] if name else None


class Door:
    """An MCP endpoint before which the document counts, or which behaves badly."""

    def __init__(self) -> None:
        self.mode: Literal["obeys", "refuses", "echoes", "redirects", "breaks"] = "obeys"
        self.truth: Callable[[], dict[str, Any]] = lambda: {"tokens": []}
        self.asked: Callable[[], None] = lambda: None
        self.targets: list[str] = []  # what a log of a gateway would hold
        self._listener = Listener(self._answer, body_limit_bytes=65536)

    @property
    def port(self) -> int:
        return self._listener.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    @property
    def credentials_url(self) -> str:
        """Where the same host gives the cloud's credentials away, to whoever knows the query."""
        return f"http://127.0.0.1:{self.port}/credentials?key={SESSION}"

    async def start(self) -> None:
        await self._listener.start()

    async def stop(self) -> None:
        await self._listener.stop()

    async def _answer(self, request: Request) -> Answer | HangUp:
        if request.path == "/credentials":
            return Answer(200, (), json.dumps(ROLE).encode())
        self.asked()
        self.targets.append(request.target)
        said = request.header("authorization") or "Bearer nothing"
        if self.mode == "breaks":
            return HangUp()
        if self.mode == "redirects":
            return Answer(307, (("location", f"{self.url}?token={said.removeprefix('Bearer ')}"),))
        if self.mode == "echoes":
            return Answer(401, (("www-authenticate", said), ("date", said)), said.encode())
        live = {entry["tokenData"] for entry in self.truth()["tokens"] if entry["enable"]}
        if self.mode == "refuses" or said.removeprefix("Bearer ") not in live:
            return Answer(401)
        return Answer(200, (), b'{"result": {"protocolVersion": "2025-06-18"}}')


class Places:
    """Everything that one run can reach."""

    def __init__(self, store: Store, aws: AwsStore, oss: Oss, door: Door) -> None:
        self.store, self.aws, self.oss, self.door = store, aws, oss, door
        self.environment = {
            **CREDENTIALS,
            **aws.environment,
            **store.environment,
            "OSS_ENDPOINT": oss.url,
        }

    def shown(self) -> set[str]:
        """The tokens that a service was shown or holds."""
        put = {token for request in self.oss.puts for token in TOKEN.findall(request.body.decode())}
        return self.store.shown | self.aws.shown | put | set(TOKEN.findall(json.dumps(self.store.truth())))


@contextmanager
def places(kind: StoreKind, document: Path) -> Iterator[Places]:
    """Services of their own for one run, listening on free ports of this machine."""
    with ExitStack() as stack:
        aws = AwsStore(stack.enter_context(running(SecretsManager())))
        store: Store = aws
        if kind == "file":
            store = FileStore(document)
        elif kind != "aws":
            name: Literal["fc_trigger", "fc_domain"] = "fc_trigger" if kind == "fc" else "fc_domain"
            store = FcStore(stack.enter_context(running(FcService(name, FastClock()))))
        door = stack.enter_context(running(Door()))
        door.truth = store.truth
        yield Places(store, aws, stack.enter_context(running(Oss())), door)
