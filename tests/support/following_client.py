"""A client that follows the rules: before each request it takes the token from the place of delivery. No assertions."""

from __future__ import annotations

import http.client
import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from support import mcp

TOOL = mcp.call("add", {"a": 2, "b": 3})
SUM = 5.0
PATIENCE_SECONDS = 30.0  # for one answer on a busy machine
PAUSE_SECONDS = 0.05  # between two requests: several in a second, and room for the others on the machine


@dataclass(frozen=True)
class Seen:
    """What one request came to. `began` and `ended` are monotonic seconds; `status` is None where no answer came."""

    began: float
    ended: float
    status: int | None
    served: bool  # the tool's own result arrived
    replaced: bool  # the token was not the one in the file any more when the answer arrived
    generation: int  # 0 for the first token that was in the file, 1 for the next, and so on
    said: str = ""  # what was wrong, without a secret

    @property
    def failed(self) -> bool:
        """Somebody who had the delivered token was not served."""
        return not self.served and not self.replaced


class FollowingClient:
    """Calls a tool all the time, from `with` to its end, in a thread. The file must be there before.

    A request that fails is repeated at once, and only then, if the file changed while it was under way: the token of
    then was the right one when it was read. Any other failure counts: see `failures`.
    """

    def __init__(self, url: str, token_file: Path) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._path = parts.hostname or "", parts.port, parts.path
        self._token_file = token_file
        self._tokens: list[str] = []
        self._stop = threading.Event()
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="following-client", daemon=True)
        self.seen: list[Seen] = []
        self.crash: BaseException | None = None

    def __enter__(self) -> FollowingClient:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_SECONDS)
        if self._thread.is_alive():
            raise RuntimeError("the following client does not end")
        if self.crash is not None and error is None:
            raise self.crash

    @property
    def failures(self) -> list[Seen]:
        return [each for each in self.seen if each.failed]

    @property
    def late(self) -> list[Seen]:
        """Refused with a token that was replaced meanwhile: none, where an overlap is longer than an answer takes."""
        return [each for each in self.seen if not each.served and each.replaced]

    @property
    def generations(self) -> int:
        """How many different tokens served it."""
        return len({each.generation for each in self.seen if each.served})

    def await_served(self, times: int = 1, seconds: float = PATIENCE_SECONDS) -> bool:
        """Wait until so many more requests have been served with the token that is in the file now."""
        start = len(self.seen)
        with self._news:
            return self._news.wait_for(
                lambda: sum(each.served and not each.replaced for each in self.seen[start:]) >= times, seconds
            )

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                answer = self._call()
                if not answer.served and answer.replaced:
                    self._call()
                self._stop.wait(PAUSE_SECONDS)
        except BaseException as error:  # noqa: BLE001 - a thread's exception would go unseen; `with` raises it
            self.crash = error

    def _call(self) -> Seen:
        token = self._read()
        if token not in self._tokens:
            self._tokens.append(token)
        began = time.monotonic()
        status, said = self._request(token)
        ended = time.monotonic()
        answer = Seen(began, ended, status, not said, self._read() != token, self._tokens.index(token), said)
        with self._news:
            self.seen.append(answer)
            self._news.notify_all()
        return answer

    def _read(self) -> str:
        return self._token_file.read_text().removesuffix("\n")

    def _request(self, token: str) -> tuple[int | None, str]:
        """Status, and what is wrong with the answer: nothing if the tool's result is in it."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=PATIENCE_SECONDS)
        headers = mcp.headers("tools/call", TOOL) | {"Authorization": f"Bearer {token}"}
        try:
            connection.request("POST", self._path, mcp.message("tools/call", TOOL), headers)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            return None, f"no answer ({type(error).__name__})"
        finally:
            connection.close()
        if answer.status != http.client.OK:
            return answer.status, f"HTTP {answer.status}"
        try:
            result = json.loads(body)["result"]["structuredContent"]["result"]
        except (ValueError, KeyError, TypeError):
            return answer.status, "no result of the tool"
        return answer.status, "" if result == SUM else "a wrong result of the tool"
