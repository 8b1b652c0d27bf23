"""Let the real clients in: `make interop`. Every client lists the tools and calls one through each cloud and door, and
is refused without a token; then the official conformance suite has its say, and issuers of others show their tokens
and log a client in; a browser goes through the pages of ours. Servers listen on loopback only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "functions"))

from clients import page  # what they import is found through the line above
from clients.node import NodeMissing, clients_node, install, system_node
from clients.processes import ROOT
from clients.row import last_lines
from clients.run import Run
from local.doors import Cloud

CLOUDS: tuple[Cloud, ...] = ("fc", "aws")
DOORS = ("bearer", "jwt")
REPORT = ROOT / ".build/interop.json"


async def run_all(run: Run, clouds: tuple[Cloud, ...], doors: tuple[str, ...]) -> None:
    """The clouds side by side: two lanes keep two cores busy, and no lane waits for the other."""
    lanes = [asyncio.create_task(run.cloud(cloud, doors)) for cloud in clouds]
    asked: list[str] = []

    def stop(why: str) -> None:
        if not asked:  # a lane that is cancelled twice would not get to end what it has started
            asked.append(why)
            for lane in lanes:
                lane.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop, "signal")
    await asyncio.wait(lanes, return_when=asyncio.FIRST_EXCEPTION)
    stop("over")
    await asyncio.wait(lanes)
    if asked == ["signal"]:
        raise KeyboardInterrupt
    for lane in lanes:
        if not lane.cancelled():
            lane.result()


@contextlib.contextmanager
def own_folder(keep: bool) -> Iterator[Path]:
    """A folder for homes and logs that is gone afterwards, unless it is wanted."""
    folder = Path(tempfile.mkdtemp(prefix="interop-"))
    folder.chmod(0o700)
    try:
        yield folder
    finally:
        if keep:
            print(f"interop: logs are in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cloud", choices=CLOUDS, help="one cloud only")
    parser.add_argument("--door", choices=DOORS, help="one door only")
    parser.add_argument(
        "--only",
        default="",
        metavar="TEXT",
        help="clients whose name, era or transport holds TEXT, issuers, own login, or login pages",
    )
    parser.add_argument("--keep", action="store_true", help="keep the logs of servers and suite")
    parser.add_argument(
        "--write-docs", action="store_true", help="write what was seen into docs/clients.md and docs/oauth/"
    )
    return parser.parse_args()


def main() -> int:
    chosen = arguments()
    try:
        system = system_node()
        install("interop: installing the clients into tests/interop/node_modules")
        node = clients_node(system)
    except NodeMissing as error:
        print(f"interop: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"interop: npm could not install the clients (exit {error.returncode}); see above.", file=sys.stderr)
        return 1
    clouds = (chosen.cloud,) if chosen.cloud else CLOUDS
    doors = (chosen.door,) if chosen.door else DOORS
    began = time.monotonic()
    with own_folder(chosen.keep) as home:
        run = Run(node, chosen.only, home, pictures=chosen.write_docs)
        asyncio.run(run_all(run, clouds, doors))
    rows = [asdict(row) for row in run.rows]
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(rows, indent=1) + "\n")
    if chosen.write_docs:
        page.write(rows)
    print(f"interop: all that was seen is in {REPORT.relative_to(ROOT)}")
    for line in last_lines(run.rows, time.monotonic() - began):
        print(line)
    return 0 if rows and not any(row.problems for row in run.rows) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interop: interrupted; nothing is left running", file=sys.stderr)
        sys.exit(130)
