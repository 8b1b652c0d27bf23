"""Measure this project beside what users would take instead, everything as a ratio within one run.

Each stack runs from a folder of its own: ours from the built artifact, the others from their locks, which the first
run installs into .build/bench. Nothing leaves the machine while it is measured. What is written: results.json, and
the plots made from it. docs/bench/README.md says how it is measured, and what it does not tell.
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from artifacts.errors import BuildError
from benchmarks import environments, events, machine, results
from benchmarks.child import ChildFailed
from benchmarks.cold import NoAnswer
from benchmarks.concurrency import ServerMissing
from benchmarks.peers import PEERS
from benchmarks.progress import Progress
from benchmarks.report import report
from benchmarks.results import Results, ResultsUnusable
from benchmarks.sections import FULL, SECTIONS, SMOKE, Bench, costs

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs/bench"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="sections: " + "; ".join(f"{row.name}, {row.what} ({row.seconds:.0f} s)" for row in SECTIONS),
    )
    parser.add_argument("--only", metavar="A,B", help="only these sections; results.json keeps the others as they are")
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR", help="where results.json lies (docs/bench)")
    parser.add_argument(
        "--smoke", action="store_true", help="every stack once, nothing written: does it all still run?"
    )
    chosen = parser.parse_args()
    known = [row.name for row in SECTIONS]
    chosen.sections = chosen.only.split(",") if chosen.only else known
    unknown = set(chosen.sections) - set(known)
    if unknown:
        parser.error(f"there is no section {', '.join(sorted(unknown))}; choose from: {', '.join(known)}")
    return chosen


def measure(names: list[str], *, smoke: bool) -> Results:
    sections = [row for row in SECTIONS if row.name in names]
    progress = Progress(sum(row.seconds for row in sections))
    effort = SMOKE if smoke else FULL
    folders = {peer.name: environments.folder_of(peer, progress.say) for peer in PEERS}
    bench = Bench(effort, progress, events.Issuer(), environments.runtime(progress.say), folders)
    versions = {name: environments.versions_in(folder) for name, folder in folders.items()}
    command = shlex.join(["scripts/bench.py", *sys.argv[1:]])
    found = Results(())
    for row in sections:
        run = machine.describe({"lambda": bench.python}, versions, command)
        progress.begin(row.name, row.seconds, row.steps(effort))
        figures = row.measure(bench)
        found = found.merged(Results(tuple(figures), dict.fromkeys({row.section for row in figures}, run)))
    return found


def with_costs(found: Results) -> Results:
    """With what follows from the cold and the warm figures, where both are there."""
    figures = costs(found)
    return found.merged(Results(tuple(figures), {"cost": found.runs["warm"]})) if figures else found


def main() -> int:
    chosen = arguments()
    path = chosen.out / "results.json"
    try:
        found = measure(chosen.sections, smoke=chosen.smoke)
    except (environments.EnvironmentMissing, BuildError, NoAnswer, ChildFailed, ServerMissing) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted; nothing was written", file=sys.stderr)
        return 130
    if chosen.smoke:
        print(f"bench: every stack answered, in {', '.join(chosen.sections)}; nothing was written", file=sys.stderr)
        return 0
    print(report(found))
    with contextlib.suppress(ResultsUnusable):  # the first run, or after one of an older version: it begins anew
        found = results.read(path).merged(found)
    found = with_costs(found)
    chosen.out.mkdir(parents=True, exist_ok=True)
    path.write_text(results.dumps(found), encoding="utf-8")
    print(f"bench: wrote {path}", file=sys.stderr)
    return 0


def stop(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    sys.exit(main())
