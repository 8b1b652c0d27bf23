"""Measure this project beside what users would take instead, everything as a ratio within one run.

Each stack runs from a folder of its own: ours from the built artifact, the others from their locks, which the first
run installs into .build/bench. Nothing leaves the machine while it is measured. What is written: results.json, and
the plots made from it. docs/bench/README.md says how it is measured, and what it does not tell.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType
from typing import NoReturn

import setup
from artifacts.errors import BuildError
from benchmarks import environments, events, layers, machine, origin, pages, results, short, whole
from benchmarks.child import ChildFailed
from benchmarks.cold import NoAnswer
from benchmarks.concurrency import ServerMissing
from benchmarks.progress import Progress, say
from benchmarks.ratios import NoRatio
from benchmarks.report import report
from benchmarks.results import Results, ResultsUnusable
from benchmarks.sections import costs
from benchmarks.sections.order import SECTIONS
from benchmarks.sections.parts import FULL, SMOKE, Bench
from benchmarks.table import MarksMissing

ROOT = Path(__file__).resolve().parent.parent
OUT = pages.RESULTS.parent
PLOTS = tuple(f"{name}.svg" for name in ("cold", "warm", "token", "concurrency", "size", "growth", "cost"))


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
    parser.add_argument(
        "--layers", action="store_true", help="count a warm call's instructions, layer by layer, and print the table"
    )
    parser.add_argument("--record", type=int, metavar="N", help="run the short form N times; make test holds us to it")
    chosen = parser.parse_args()
    known = [row.name for row in SECTIONS]
    chosen.sections = known if chosen.only is None else [name.strip() for name in chosen.only.split(",")]
    unknown = set(chosen.sections) - set(known)
    if unknown:
        parser.error(f"there is no section {', '.join(map(repr, sorted(unknown)))}; choose from: {', '.join(known)}")
    return chosen


def measure(names: list[str], *, smoke: bool) -> Iterator[Results]:
    """Section after section, each as soon as it is measured."""
    sections = [row for row in SECTIONS if row.name in names]
    progress = Progress(sum(row.seconds for row in sections))
    effort = SMOKE if smoke else FULL
    makers = {name: maker for row in sections for name, maker in row.stacks.items()}
    folders = {name: maker(say) for name, maker in makers.items()}
    bench = Bench(effort, progress, events.Issuer(), environments.runtime(say), folders)
    one_run = {
        "began": f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} UTC",
        "command": shlex.join(["scripts/bench.py", *sys.argv[1:]]),
        **origin.describe(),  # before the first section is written
    }
    for row in sections:
        versions = {name: environments.versions_in(folders[name]) for name in row.stacks}
        run = machine.describe({"lambda": bench.python}, versions) | one_run
        run["bytecode"] = {name: environments.has_bytecode(folders[name]) for name in row.stacks}
        progress.begin(row.name, row.seconds, row.steps(effort))
        figures = row.measure(bench)
        yield Results(tuple(figures), dict.fromkeys({figure.section for figure in figures}, run))


def show(path: Path) -> None:
    """Plots beside results.json, and the tables in the pages if it is the project's own."""
    found = results.read(path)
    draw(path)
    if path == pages.RESULTS:
        pages.write(found)


def draw(path: Path) -> None:
    """In an environment of its own: matplotlib is needed for nothing else. All plots appear, or all stay."""
    environment, lock = setup.TOOLS / "bench", "requirements/bench-plots.txt"
    if not setup.is_current(environment, lock):
        setup.make(environment, lock)
    with tempfile.TemporaryDirectory(prefix=".drawing-", dir=path.parent) as scratch:
        command = [str(setup.python_of(environment)), "-m", "benchmarks.plots", str(path), scratch]
        # A session of its own: Ctrl-C is for this process, which ends it, and not for matplotlib's traceback.
        surroundings = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
        subprocess.run(command, env=surroundings, check=True, start_new_session=True)
        drawn = {plot.name: plot for plot in Path(scratch).iterdir()}
        for name in PLOTS:
            if name in drawn:
                drawn[name].replace(path.parent / name)
            else:
                (path.parent / name).unlink(missing_ok=True)  # nothing stands behind it any more


def with_costs(found: Results) -> Results:
    """With what follows from the cold and the warm figures, where both are there."""
    figures = costs.of(found)
    return found.merged(Results(tuple(figures), {"cost": found.runs["warm"]})) if figures else found


def writable(path: Path) -> None:
    """Before a quarter of an hour is spent. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "a folder is where the results go", str(path))
    with tempfile.TemporaryFile(dir=path.parent) as trial:
        trial.write(b"{}")


def smoke(names: list[str]) -> None:
    for _ in measure(names, smoke=True):
        pass
    say(f"every stack answered, in {', '.join(names)}; nothing was written")


def full(names: list[str], path: Path) -> None:
    """Each section is in the file before the next is measured, so that what ends a run costs one section."""
    writable(path)
    found, fresh = Results(()), Results(())
    with contextlib.suppress(ResultsUnusable):  # the first run, or after one of an older version: it begins anew
        found = results.read(path)
    for measured in measure(names, smoke=False):
        fresh = fresh.merged(measured)
        found = with_costs(found.merged(measured))
        whole.write(path, results.dumps(found))
        say(f"wrote {', '.join(sorted(measured.runs))} into {path}")
    print_out(report(fresh))
    show(path)


def print_out(text: str) -> None:
    """It may go into a pipe that nobody reads any more, or onto a full disk: the figures are written."""
    try:
        print(text, flush=True)
    except OSError as error:
        # What is buffered would be tried again at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        say(f"the report could not be printed ({error.strerror}); its figures are written")


def check() -> int:
    wrong = list(pages.complaints())
    for line in [*wrong, *(f"warning: {doubt}" for doubt in pages.doubts())]:
        print(line)
    return 1 if wrong else 0


def run(chosen: argparse.Namespace) -> int:
    path = chosen.out.resolve() / "results.json"
    if chosen.check:
        return check()
    if chosen.table:
        show(path)
    elif chosen.layers:
        for row in layers.rows():
            print(row, flush=True)
    elif chosen.record:
        short.record(chosen.record, say)
    elif chosen.smoke:
        smoke(chosen.sections)
    else:
        full(chosen.sections, path)
    return 0


def main() -> int:
    try:
        return run(arguments())
    except (environments.EnvironmentMissing, BuildError, NoAnswer, ChildFailed, ServerMissing, NoRatio) as error:
        say(str(error))
    except (ResultsUnusable, MarksMissing) as error:
        say(str(error))
    except subprocess.CalledProcessError as error:
        say(f"{Path(error.cmd[0]).name} failed ({error.returncode}): {shlex.join(map(str, error.cmd[1:4]))} …")
    except OSError as error:
        full_disk = error.errno == errno.ENOSPC
        say("the disk is full; make room and run the command again" if full_disk else str(error))
    except KeyboardInterrupt:
        say("interrupted; what was written before is whole. The pages: scripts/bench.py --table")
        return 130
    return 1


def stop(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    sys.exit(main())
