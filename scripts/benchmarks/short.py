"""The short form: a few ratios in less than a minute, each against the one that was recorded and the noise that it had.

The baselines come from the artifact itself, whose packages are the official SDK and Mangum: so nothing is installed. A
ratio above its bound is measured again, and its best attempt counts: a busy machine is not a slower program. The bound
is the worst of the recorded runs, so that one attempt of five below it is all but certain where nothing has changed.
Wall time is there for what waits, which CPU time does not see; all else CPU time sees with less noise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks import cold, environments, events, machine, ratios, token_check, warm, whole
from benchmarks.peers import ERA_NAMES, ERAS, JWT, PLAIN, PLATFORM, SDK

RECORDED = Path(__file__).with_name("short.json")
ATTEMPTS = 5  # of twelve runs and three more the three are the worst once in 455: too often for 18 ratios
LEAST_NOISE = 0.12  # a dozen runs do not see the worst hour, nor a quiet machine if they were made on a busy one
LEAST_NOISE_OF_WALL = 0.25  # a host that takes the processor away; a wait that matters is longer than that
LEAST_NOISE_OF_MEMORY = 0.03  # which hardly differs from run to run; another module or two that a start brings is more
NOISE_ELSEWHERE = 0.5  # another processor has other ratios of arithmetic to memory; nobody measured its noise
COLD_ROUNDS, WARM_ROUNDS, WARM_CALLS, TOKEN_ROUNDS, TOKEN_CALLS = 5, 16, 40, 11, 100

Ratios = dict[str, float]


@dataclass(frozen=True)
class Bound:
    """What was recorded over `runs` runs: their median, and how far above it the worst of them lay."""

    recorded: float
    noise: float
    runs: int

    @property
    def most(self) -> float:
        return self.recorded * (1 + self.noise)


@dataclass(frozen=True)
class Short:
    """Where the stacks of the short form lie."""

    ours: Path
    sdk: Path  # the same artifact with the naive handler in it
    plain: Path  # that without bytecode
    python: Path

    @classmethod
    def prepare(cls, say: environments.Say) -> Short:
        sdk, plain = environments.naive(say)
        return cls(environments.ours("aws", say), sdk, plain, environments.runtime(say))

    def cold(self) -> Ratios:
        """Start to the first answer, and the memory then; wall time too, since a start may wait for something."""
        issuer = events.Issuer()
        stacks = ((JWT, self.ours), (SDK, self.sdk), (PLAIN, self.plain))
        instances = [
            cold.Instance(
                peer.name,
                folder,
                peer.handler,
                self.python,
                events.tool_call(peer, ERAS[0], issuer),
                events.settings(peer, issuer),
            )
            for peer, folder in stacks
        ]
        rounds = list(cold.rounds(instances, COLD_ROUNDS, warm_up=1))
        found = {}
        for baseline in (SDK, PLAIN):
            pairs = [(row[JWT.name], row[baseline.name]) for row in rounds]
            cpu = [[start.cpu_seconds for start in starts] for starts in zip(*pairs, strict=True)]
            wall = [[start.wall_seconds for start in starts] for starts in zip(*pairs, strict=True)]
            memory = [[float(start.resident_bytes) for start in starts] for starts in zip(*pairs, strict=True)]
            found[f"cold cpu, to {baseline.name}"] = ratios.compare(*cpu).median
            found[f"cold wall, to {baseline.name}"] = ratios.compare(*wall).median
            found[f"cold memory, to {baseline.name}"] = ratios.compare(*memory).median
        return found

    def warm(self) -> Ratios:
        """Calls of an async and of a plain tool, both eras, behind door platform."""
        stacks = [warm.Stack(PLATFORM, self.ours, WARM_CALLS), warm.Stack(SDK, self.sdk, WARM_CALLS)]
        cases = [warm.Case.of_tool(era, kind, 10) for era in ERAS for kind in ("async", "def")]
        taken = warm.measure(stacks, cases, self.python, events.Issuer(), processes=1, rounds=WARM_ROUNDS)
        found = {}
        for era in ERAS:
            for kind in ("async", "def"):
                pair = taken[f"{ERA_NAMES[era]} {kind} 10 tools"]
                name = f"warm {ERA_NAMES[era]} {kind}"
                ours, sdk = pair[PLATFORM.name], pair[SDK.name]
                found[f"{name}, cpu"] = ratios.compare(ours.cpu_medians, sdk.cpu_medians).median
                found[f"{name}, wall"] = ratios.compare(ours.medians, sdk.medians).median
        return found

    def token(self) -> Ratios:
        """The check of a good token to the raw signature check, and the dearest refusal to that check."""
        taken = token_check.measure(self.python, self.ours, rounds=TOKEN_ROUNDS, count=TOKEN_CALLS)
        found = {}
        for algorithm, rounds in taken.items():
            cpu = {name: [row[name][1] for row in rounds] for name in rounds[0]}
            found[f"token {algorithm}, accept"] = ratios.compare(cpu["accept"], cpu["raw"]).median
            refusals = [ratios.compare(cpu[name], cpu["accept"]).median for name in cpu if name.startswith("refuse ")]
            found[f"token {algorithm}, dearest refusal"] = max(refusals)
        return found

    @property
    def measurements(self) -> dict[str, Callable[[], Ratios]]:
        return {"cold": self.cold, "warm": self.warm, "token": self.token}


def complaints(measure: Callable[[], Ratios], bounds: Mapping[str, Bound], attempts: int = ATTEMPTS) -> list[str]:
    """What stays above its bound however often it is measured; the least of a ratio's values counts."""
    best: Ratios = {}
    for _ in range(attempts):
        for name, ratio in measure().items():
            best[name] = min(ratio, best.get(name, ratio))
        missing = sorted(set(best) - set(bounds))
        if missing:
            return [f"{', '.join(missing)}: never recorded; {AGAIN}"]
        above = [name for name, ratio in best.items() if ratio > bounds[name].most]
        if not above:
            return []
    return [
        f"{name} is {best[name]:.3f}x; {bounds[name].recorded:.3f}x was recorded with a noise of "
        f"{bounds[name].noise:.0%}, and {attempts} attempts were all above"
        for name in above
    ]


AGAIN = "run: .venv/bin/python scripts/bench.py --record 12"


def recorded(processor: str, path: Path = RECORDED) -> dict[str, Bound]:
    """The bounds on this processor."""
    document = json.loads(path.read_text(encoding="utf-8"))
    bounds = {name: Bound(**entry) for name, entry in document["bounds"].items()}
    elsewhere = 0 if document["processor"] == processor else NOISE_ELSEWHERE
    return {
        name: replace(bound, noise=max(bound.noise, least_noise(name), elsewhere)) for name, bound in bounds.items()
    }


def least_noise(name: str) -> float:
    if "memory" in name:
        return LEAST_NOISE_OF_MEMORY
    return LEAST_NOISE_OF_WALL if "wall" in name else LEAST_NOISE


def bounds_of(runs: Sequence[Ratios]) -> dict[str, Bound]:
    """From several runs of the short form, each ratio's median and noise."""
    bounds = {}
    for name in runs[0]:
        values = [run[name] for run in runs]
        middle = ratios.median(values)
        noise = max(max(values) / middle - 1, least_noise(name))
        bounds[name] = Bound(round(middle, 4), round(noise, 3), len(runs))
    return bounds


def record(runs: int, say: environments.Say) -> None:
    """Run the short form so often, and write down what a later run may not exceed."""
    short = Short.prepare(say)
    found: list[Ratios] = []
    for number in range(runs):
        say(f"short form, run {number + 1} of {runs}")
        found.append({name: ratio for measure in short.measurements.values() for name, ratio in measure().items()})
    write(found)


def write(runs: Sequence[Ratios]) -> None:
    bounds = {name: asdict(bound) for name, bound in sorted(bounds_of(runs).items())}
    document = {"processor": machine.processor(), "bounds": bounds}
    whole.write(RECORDED, json.dumps(document, indent=1, allow_nan=False) + "\n")
