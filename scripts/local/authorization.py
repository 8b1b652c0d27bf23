"""What the authorization server of `make run DOOR=oauth` needs on this machine: keys, a passphrase, a store, settings.

All of it lies in files that only their owner can read, and stays from one run on a port to the next.
"""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.doors import FUNCTIONS, LOOPBACK, Place, has_local_login, left_out
from local.files import kept

sys.path.insert(0, str(FUNCTIONS / "oauth_server"))

from authorization_server.access_tokens import mint  # the folder has to be on the path first
from authorization_server.key_rotation import open_place, rotate
from mcp_faas.auth.scopes import least

USER = "dev"
PASSPHRASE_BYTES = 18
KEY_AGE_SECONDS = 90 * 86400
PROOF_SECONDS = 60
DEPLOYED_SCOPE = "mcp:tools"
PASSED_ON = ("HTTPS_PROXY", "https_proxy", "MCP_LOG_LEVEL", "MCP_SCOPES", "PATH", "SSL_CERT_FILE")
SQLITE_FILES = ("", "-wal", "-shm")


@dataclass(frozen=True)
class Local:
    """The files of one port."""

    folder: Path
    place: Place

    @property
    def passphrase(self) -> Path:
        return self.folder / f"oauth-{self.place.port}.passphrase"

    @property
    def keys(self) -> Path:
        return self.folder / f"oauth-{self.place.port}-keys.json"

    @property
    def store(self) -> Path:
        return self.folder / f"oauth-{self.place.port}.sqlite"

    def prepare(self) -> None:
        """Make what is not there yet."""
        kept(
            self.passphrase, lambda text: len(text) >= PASSPHRASE_BYTES, lambda: secrets.token_urlsafe(PASSPHRASE_BYTES)
        )
        rotate(open_place(f"file:{self.keys}", begin=True), KEY_AGE_SECONDS)

    def remove(self) -> None:
        """For a port that nobody comes back to."""
        paths = [self.passphrase, self.keys, *(self.store.with_name(self.store.name + end) for end in SQLITE_FILES)]
        paths.append(self.keys.with_name(f".{self.keys.name}.lock"))
        for path in paths:
            path.unlink(missing_ok=True)

    def token(self, scopes: Iterable[str], clock: Callable[[], float] = time.time) -> str:
        """An access token by the keys here, to prove that the server takes it. Nobody else gets it."""
        now = int(clock())
        signer = open_place(f"file:{self.keys}").read().document.signer(now)
        if signer is None:
            raise RuntimeError("prepare() comes first")
        return mint(
            signer,
            issuer=self.place.issuer_url,
            audience=self.place.url,
            subject=USER,
            client_id="make-run",
            scopes=scopes,
            now=now,
            expires_at=now + PROOF_SECONDS,
        )

    def environment(self, own: Mapping[str, str], scopes: Iterable[str]) -> dict[str, str]:
        """Of the server: what a person exported for it, and where it is. Without a login of theirs, the local one."""
        not_taken = left_out(own, "oauth")
        given = {name: value for name, value in own.items() if name.startswith("OAUTH_") and name not in not_taken}
        given |= {name: own[name] for name in PASSED_ON if name in own}
        if has_local_login(own):
            given |= {
                "OAUTH_LOGIN": "local",
                "OAUTH_LOCAL_PASSPHRASE": f"file:{self.passphrase}",
                "OAUTH_ALLOWED_USERS": USER,
            }
        # Of the scopes that the tools declare, those under the default of `template.yaml` and `s.yaml` come with it.
        given.setdefault("OAUTH_SCOPES", " ".join(sorted(least({DEPLOYED_SCOPE, *scopes}))))
        return {
            **given,
            "NO_PROXY": LOOPBACK,
            "OAUTH_ISSUER": self.place.issuer_url,
            "OAUTH_RESOURCES": self.place.url,
            "OAUTH_SIGNING_KEYS": f"file:{self.keys}",
            "OAUTH_STORE": f"sqlite:{self.store}",
        }
