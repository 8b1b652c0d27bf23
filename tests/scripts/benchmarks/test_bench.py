"""What the command does when it cannot go on: a full disk, a reader who left, Ctrl-C. What was measured is kept."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType

import pytest

import bench
import setup
from benchmarks import environments, progress, results, whole
from benchmarks.peers import PLAIN
from benchmarks.ratios import NoRatio, Spread
from benchmarks.results import Figure, Results
from benchmarks.sections.order import SECTIONS
from benchmarks.sections.parts import FULL, Bench, Section

SCRIPTS = Path(bench.__file__).parent
LONG = "x" * 200_000


def section(name: str, measure: Callable[[Bench], list[Figure]] | None = None) -> Section:
    figure = Figure(name, "wall", "ours", "plain", Spread(0.5, 0.5, 0.5, 3), "ms", 1.0, 2.0)
    return Section(name, name, 1.0, lambda effort: 1, measure or (lambda run: [figure]), MappingProxyType({}))


def interrupted(run: Bench) -> list[Figure]:
    raise KeyboardInterrupt


def without_ratio(run: Bench) -> list[Figure]:
    raise NoRatio("nothing to divide by")


@pytest.fixture(name="started")
def _started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`bench.py --out DIR`, with these sections in place of those that measure; nothing is installed or drawn."""
    monkeypatch.setattr(environments, "runtime", lambda say: Path(sys.executable))
    monkeypatch.setattr(bench, "draw", lambda path: None)

    def start(*sections: Section, arguments: tuple[str, ...] = ()) -> int:
        monkeypatch.setattr(bench, "SECTIONS", sections)
        monkeypatch.setattr(sys, "argv", ["bench.py", "--out", str(tmp_path / "out"), *arguments])
        return bench.main()

    return start


def names(tmp_path: Path) -> set[str]:
    return set(results.read(tmp_path / "out/results.json").runs)


def test_one_run_names_its_commit_in_every_section(started: Callable[..., int], tmp_path: Path) -> None:
    assert started(section("one"), section("two")) == 0
    runs = results.read(tmp_path / "out/results.json").runs
    assert runs["one"]["began"] == runs["two"]["began"]
    assert {"commit", "dirty", "command"} <= set(runs["one"])


def test_what_was_measured_before_ctrl_c_is_written(
    started: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert started(section("one"), section("two", interrupted)) == 130
    assert names(tmp_path) == {"one"}
    assert "interrupted" in capsys.readouterr().err


def test_ctrl_c_while_drawing_is_one_line(
    started: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "draw", lambda path: interrupted(None))  # type: ignore[arg-type] # it looks at nothing
    assert started(section("one")) == 130
    assert names(tmp_path) == {"one"}


def test_a_figure_without_a_ratio_ends_the_run_with_a_sentence(
    started: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert started(section("one", without_ratio)) == 1
    assert "bench: nothing to divide by" in capsys.readouterr().err


def test_a_program_that_fails_while_drawing_is_one_line(
    started: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "draw", lambda path: subprocess.run(["false"], check=True))
    assert started(section("one")) == 1
    assert names(tmp_path) == {"one"}
    assert "false failed (1)" in capsys.readouterr().err


def test_a_folder_that_cannot_be_is_found_before_anything_is_measured(
    started: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_text("a file")
    assert started(section("one", interrupted)) == 1  # 130 if it had begun
    assert str(tmp_path / "out") in capsys.readouterr().err


def test_blanks_between_names_do_no_harm(started: Callable[..., int], tmp_path: Path) -> None:
    assert started(section("one"), section("two"), section("three"), arguments=("--only", "one, two")) == 0
    assert names(tmp_path) == {"one", "two"}


@pytest.fixture(name="small_disk")
def _small_disk() -> Iterator[None]:
    """No file may grow beyond 64 KB: what a full disk is like, for this process alone."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.usefixtures("small_disk")
def test_a_disk_that_is_full_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    whole.write(path, "before")
    with pytest.raises(OSError):
        whole.write(path, LONG)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("small_disk")
def test_a_disk_that_fills_up_in_a_run_leaves_the_sections_before(started: Callable[..., int], tmp_path: Path) -> None:
    large = Figure("two", "wall", "ours", "plain", Spread(0.5, 0.5, 0.5, 3), "ms", 1.0, 2.0, LONG)
    assert started(section("one"), section("two", lambda run: [large])) == 1
    assert names(tmp_path) == {"one"}


@pytest.mark.parametrize("length", [100, 300_000])  # below and above what is buffered
@pytest.mark.parametrize("reader", ["left", "full"])
def test_a_report_that_nobody_takes_is_no_failure(reader: str, length: int) -> None:
    """In a process of its own, whose standard output ends nowhere: no traceback, not even at the exit."""
    if reader == "left":
        read, write = os.pipe()
        os.close(read)
    else:
        write = os.open("/dev/full", os.O_WRONLY)
    command = f"import bench; bench.print_out('x' * {length})"
    surroundings = {**os.environ, "PYTHONPATH": str(SCRIPTS), "PYTHONUNBUFFERED": ""}
    done = subprocess.run(
        [sys.executable, "-c", command], stdout=write, stderr=subprocess.PIPE, text=True, env=surroundings
    )
    os.close(write)
    assert done.returncode == 0
    assert done.stderr.startswith("bench: the report could not be printed")
    assert len(done.stderr.splitlines()) == 1


def test_the_clock_starts_with_the_first_section(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten minutes of installing before it: the time left is still what the sections take."""
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    clock = progress.Progress(100)
    now = 600.0
    clock.begin("cold", 100, 10)
    for _ in range(6):
        clock.step()
        now += 10
    assert capsys.readouterr().err.splitlines()[-1].endswith("50 s passed, about 50 s left")


def test_every_section_names_the_stacks_that_it_runs() -> None:
    by_name = {row.name: set(row.stacks) for row in SECTIONS}
    assert by_name["token"] == {"ours-jwt"}
    assert by_name["concurrency"] == {"ours-fc", "sdk-uvicorn"}
    assert PLAIN.name not in by_name["warm"] | by_name["memory-growth"] | by_name["growth"]


def test_a_missing_sam_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    monkeypatch.setattr(environments, "SAM", tmp_path / "sam")
    with pytest.raises(environments.EnvironmentMissing, match="make setup"):
        environments._by_sam(PLAIN, tmp_path, Path(sys.executable))


def test_a_full_run_ends_within_a_quarter_of_an_hour() -> None:
    assert sum(row.seconds for row in SECTIONS) <= 900
    assert FULL.load_rounds >= 10


PLOTTING = setup.TOOLS / "bench"


@pytest.mark.skipif(
    not setup.is_current(PLOTTING, "requirements/bench-plots.txt"), reason="the first `make bench` installs it"
)
def test_only_what_was_measured_is_drawn(tmp_path: Path) -> None:
    figure = Figure("size", "unzipped", "ours", "plain", Spread(0.9, 0.9, 0.9, 1), "MB", 36.0, 40.0)
    (tmp_path / "results.json").write_text(results.dumps(Results((figure,), {"size": {}})))
    (tmp_path / "cold.svg").write_text("of another run")
    (tmp_path / "mine.svg").write_text("kept")
    bench.draw(tmp_path / "results.json")
    assert {path.name for path in tmp_path.iterdir()} == {"results.json", "size.svg", "mine.svg"}
    listed = "import json; from benchmarks.plots import PLOTS; print(json.dumps([*PLOTS]))"
    command = [str(setup.python_of(PLOTTING)), "-c", listed]
    surroundings = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=surroundings)
    assert tuple(f"{name}.svg" for name in json.loads(done.stdout)) == bench.PLOTS
