"""Start either server, and make the table that the template makes."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import boto3

HOME = Path(__file__).resolve().parent
STAMP = HOME / "node_modules/.installed-from"
INSTALL_SECONDS = 300
REGION, TABLE = "eu-west-1", "oauth-records"

Kind = Literal["moto", "dynalite"]


def install_dynalite() -> None:
    """Put the locked packages into `node_modules`; at once if they are there. No script of a package runs."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise RuntimeError("Node is missing: install Node 20 or later, with npm; the storage tests run dynalite on it.")
    lock = HOME / "package-lock.json"
    wanted = hashlib.sha256(lock.read_bytes() + (HOME / "package.json").read_bytes()).hexdigest()
    with lock.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # two test runs at the same time install once
        if not STAMP.exists() or STAMP.read_text() != wanted:
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            subprocess.run(command, cwd=HOME, check=True, timeout=INSTALL_SECONDS, stdout=subprocess.DEVNULL)
            STAMP.write_text(wanted)


@contextmanager
def dynamodb(kind: Kind) -> Iterator[str]:
    """The URL of a running server, which is gone when this process is, however it ends."""
    if kind == "dynalite":
        install_dynalite()
        command = ["node", str(HOME / "serve_dynalite.cjs")]
    else:
        command = [sys.executable, str(HOME / "serve_moto.py")]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HOME)
    try:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        assert port.isdigit(), f"{kind} did not start"
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.communicate()


def client(url: str) -> Any:
    return boto3.client(
        "dynamodb", region_name=REGION, endpoint_url=url, aws_access_key_id="local", aws_secret_access_key="local"
    )


def make_table(url: str, name: str = TABLE) -> None:
    """As `template.yaml` has it, but for what no local server does: expiry, encryption, backups."""
    made = client(url)
    made.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    made.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    made.close()


def items(url: str, name: str = TABLE) -> list[dict[str, Any]]:
    """What is really in the table."""
    looking = client(url)
    found: list[dict[str, Any]] = looking.scan(TableName=name, ConsistentRead=True)["Items"]
    looking.close()
    return found
