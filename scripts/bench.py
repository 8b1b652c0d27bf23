"""Measure this project beside what users would take instead, everything as a ratio within one run.

Each stack runs from a folder of its own: ours from the built artifact, the others from their locks, which the first
run installs into .build/bench. Nothing leaves the machine while it is measured. What is written: results.json, and
the plots made from it. docs/bench/README.md says how it is measured, and what it does not tell.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

import setup
from artifacts.errors import BuildError
from benchmarks import environments, events, machine, pages, results, short
from benchmarks.child import ChildFailed
from benchmarks.cold import NoAnswer
from benchmarks.concurrency import ServerMissing
from benchmarks.peers import PEERS
from benchmarks.progress import Progress
from benchmarks.report import report
from benchmarks.results import Results, ResultsUnusable
from benchmarks.sections import FULL, SECTIONS, SMOKE, Bench, costs
from benchmarks.table import MarksMissing

ROOT = Path(__file__).resolve().parent.parent
OUT = pages.RESULTS.parent


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
    parser.add_argument("--table", action="store_true", help="measure nothing; draw plots and tables from results.json")
    parser.add_argument(
        "--check", action="store_true", help="measure nothing; do the pages show what results.json says?"
    )
    parser.add_argument("--record", type=int, metavar="N", help="run the short form N times; make test holds us to it")
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
    compiled = {name: environments.has_bytecode(folder) for name, folder in folders.items()}
    command = shlex.join(["scripts/bench.py", *sys.argv[1:]])
    found = Results(())
    for row in sections:
        run = machine.describe({"lambda": bench.python}, versions, command) | {"bytecode": compiled}
        progress.begin(row.name, row.seconds, row.steps(effort))
        figures = row.measure(bench)
        found = found.merged(Results(tuple(figures), dict.fromkeys({row.section for row in figures}, run)))
    return found


def show(path: Path) -> int:
    """Plots beside results.json, and the tables in the pages if it is the project's own."""
    try:
        found = results.read(path)
        draw(path)
        if path == pages.RESULTS:
            pages.write(found)
    except (ResultsUnusable, MarksMissing) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


def draw(path: Path) -> None:
    """In an environment of its own: matplotlib is needed for nothing else."""
    environment, lock = setup.TOOLS / "bench", "requirements/bench-plots.txt"
    if not setup.is_current(environment, lock):
        setup.make(environment, lock)
    command = [str(setup.python_of(environment)), "-m", "benchmarks.plots", str(path), str(path.parent)]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT / "scripts")}, check=True)


def with_costs(found: Results) -> Results:
    """With what follows from the cold and the warm figures, where both are there."""
    figures = costs(found)
    return found.merged(Results(tuple(figures), {"cost": found.runs["warm"]})) if figures else found


def main() -> int:
    chosen = arguments()
    path = chosen.out.resolve() / "results.json"
    if chosen.check:
        wrong = list(pages.complaints())
        print("\n".join(wrong), end="\n" if wrong else "")
        return 1 if wrong else 0
    if chosen.table:
        return show(path)
    try:
        if chosen.record:
            short.record(chosen.record, lambda sentence: print(f"bench: {sentence}", file=sys.stderr, flush=True))
            return 0
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
    return show(path)


def stop(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    sys.exit(main())
