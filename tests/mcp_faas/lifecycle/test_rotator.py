"""One run: what it says it did, whose clock counts, and how long it may take."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from edges.listener import Answer as HttpAnswer
from edges.listener import Listener, Request
from edges.serving import running
from mcp_faas import rotation
from mcp_faas.generations import Generations
from mcp_faas.lifecycle.clock import Clock, TookTooLong
from mcp_faas.lifecycle.probe import Answer, Probe
from mcp_faas.lifecycle.rotator import IN_A_ROW, Outcome, Rotator, RunFailed, RunRefused
from mcp_faas.lifecycle.stored import READ_BACK_SECONDS
from mcp_faas.planning.vocabulary import KEPT
from mcp_faas.rotation import Plan, Policy, Revoke, Rollback, Rotate, Step
from mcp_faas.stores import Snapshot, StoreUnavailable, TokenStore
from mcp_faas.tokens import TokenDocument, is_ours
from rotating.clock import FastClock
from rotating.services import service
from rotating.world import FOREIGN, OVERLAP, World


@pytest.fixture(params=["fc_trigger", "secretsmanager", "file"])
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    clock = FastClock()
    (tmp_path / "client").mkdir()
    with service(request.param, clock, monkeypatch, tmp_path) as place:
        yield World(place, clock, tmp_path / "client")


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    clock = FastClock()
    (tmp_path / "client").mkdir()
    with service("file", clock, monkeypatch, tmp_path) as found:
        yield World(found, clock, tmp_path / "client")


def actions(outcome: object) -> list[str]:
    assert isinstance(outcome, Outcome), outcome
    return [step.action for step in outcome.done]


class Losing:
    """A store that loses the first writes, and remembers all."""

    def __init__(self, store: TokenStore, times: int) -> None:
        self.address, self.settle_seconds = store.address, store.settle_seconds
        self._store, self._times = store, times
        self.written: list[TokenDocument] = []

    def read(self) -> Snapshot:
        return self._store.read()

    def write(self, snapshot: Snapshot, document: TokenDocument) -> None:
        self.written.append(document)
        if len(self.written) <= self._times:
            raise StoreUnavailable("lost")
        self._store.write(snapshot, document)


def test_a_second_attempt_writes_the_same_token_and_reports_it_once(world: World) -> None:
    world.begin()
    store = Losing(world.service.open(), 2)
    outcome = world.run(store)
    made = {token.data for document in store.written for token in document.tokens if is_ours(token)}
    assert len(made) == 1, "a lost write may still arrive: a second token would then fight with the first"
    wanted = ["add", "settle", "prove", "deliver", "mark"]
    assert actions(outcome) == [each for each in wanted if each != "settle" or store.settle_seconds]


class Stale(Losing):
    """A store that shows, once after each write was read back, what was there before that write."""

    def __init__(self, store: TokenStore) -> None:
        super().__init__(store, 0)
        self._reads_to_stale = 0
        self._last = self._before = store.read()

    def read(self) -> Snapshot:
        self._reads_to_stale -= 1
        self._last = self._before if self._reads_to_stale == 0 else super().read()
        return self._last

    def write(self, snapshot: Snapshot, document: TokenDocument) -> None:
        self._before, self._reads_to_stale = snapshot, 2
        super().write(snapshot, document)


def test_a_stale_read_is_not_planned_from(world: World) -> None:
    world.begin(world.old_token())
    store = Stale(world.service.open())
    outcome = world.run(store)
    assert actions(outcome).count("add") == actions(outcome).count("mark") == 1
    assert len(store.written) == 2


class Behind(Losing):
    """A store whose first reads, for two seconds, show what was there two writes ago."""

    def __init__(self, store: TokenStore, before: Snapshot, clock: FastClock) -> None:
        super().__init__(store, 0)
        self._before, self._clock = before, clock
        self._until = clock.monotonic() + 2.0

    def read(self) -> Snapshot:
        found = super().read()
        if self._clock.monotonic() < self._until:
            return replace(found, text=self._before.text)  # the basis is of no use to a service that compares nothing
        return found


def test_a_first_read_that_is_older_than_somebodys_token_does_not_remove_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = FastClock()
    (tmp_path / "client").mkdir()
    with service("fc_trigger", clock, monkeypatch, tmp_path) as place:
        world = World(place, clock, tmp_path / "client")
        world.begin(world.old_token())
        before = place.open().read()
        world.run(place.open())
        theirs = world.sink.holds()
        clock.sleep(5)
        outcome = world.run(Behind(place.open(), before, clock), sinks=[])
        assert actions(outcome) == []
        assert theirs in world.accepted()


def test_a_document_that_never_comes_to_rest_ends_the_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.begin(old := world.old_token())
    monkeypatch.setattr(rotation, "plan", lambda *arguments: Plan((Step("deliver", old),)))
    outcome = world.run(world.service.open())
    assert isinstance(outcome, RunFailed)
    assert "keeps changing under this run; run it again" in str(outcome)


def test_a_run_with_nothing_due_says_when_what_is(world: World) -> None:
    world.begin(world.old_token(timedelta(days=1)))
    outcome = world.run(world.service.open())
    assert actions(outcome) == []
    assert isinstance(outcome, Outcome)
    (due,) = outcome.due
    assert due.at is not None
    assert timedelta(days=28) < due.at - world.now < timedelta(days=29, seconds=5)


@pytest.mark.parametrize("wrong", [-3600.0, -600.0, 600.0, 3600.0])
def test_a_local_clock_that_is_off_shortens_no_overlap(world: World, wrong: float) -> None:
    if world.service.name == "file":
        pytest.skip("a file has no clock of its own: with no door that tells the time, the machine's own one counts")
    world.begin(world.old_token())
    store = world.service.open()
    world.run(store)
    world.clock.wrong = wrong
    world.clock.sleep(OVERLAP.total_seconds() - 60)
    assert actions(world.run(store)) == []
    world.clock.sleep(65)
    assert actions(world.run(store)) == ["prove", "disable", "refuse", "delete"]


def test_the_doors_clock_counts_where_the_store_has_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = FastClock()
    (tmp_path / "client").mkdir()
    with service("file", clock, monkeypatch, tmp_path) as place:
        world = World(place, clock, tmp_path / "client")
        world.begin(world.old_token())
        rotator = world.rotator(place.open())
        assert rotator.probe
        ask = rotator.probe.ask
        monkeypatch.setattr(rotator.probe, "ask", lambda token: Answer(ask(token).status, world.now))
        clock.wrong = 7200.0
        _, moment = rotator.look()
        assert abs((moment - world.now).total_seconds()) < 2


def test_one_answer_without_a_time_does_not_make_the_local_clock_count(place: World) -> None:
    """The mark of the delivery would be an hour too early, and the overlap an hour too short."""

    class Forgetful(Losing):
        settle_seconds, address = 0.0, "somewhere"

        def read(self) -> Snapshot:
            told = None if place.sink.holds() not in (None, old.data) else place.now
            return replace(super().read(), time=told)

    old = place.old_token()
    place.begin(old)
    place.clock.wrong = -3600.0
    outcome = place.run(Forgetful(place.service.open(), 0), probing=False)
    assert actions(outcome)[-1] == "mark"
    current = Generations(place.document()).current
    assert current
    assert current.marks.delivered
    assert abs(current.marks.delivered - place.now) < timedelta(seconds=30)


def test_a_run_lasts_less_than_two_minutes_by_itself(place: World) -> None:
    assert place.rotator(place.service.open()).seconds <= 115


def test_one_new_token_a_run_however_small_the_age(world: World) -> None:
    """Each delivery takes longer than the age that is asked for."""
    world.begin(world.old_token())
    rotator = world.rotator(world.service.open(), policy=Policy(max_age=timedelta(seconds=1), overlap=OVERLAP))
    rotator.report = lambda step: world.clock.sleep(5)
    assert actions(rotator.run()).count("add") == 1


def test_the_overlap_counts_from_a_later_delivery(world: World) -> None:
    """The run that adds dies before it delivers; days later another one does."""
    old = world.old_token()
    world.begin(old)
    store = world.service.open()
    rotator = world.rotator(store)
    document, _ = rotator.prepare()
    store.write(store.read(), document)
    world.clock.sleep(3 * 86400)
    assert actions(world.run(store))[-2:] == ["deliver", "mark"]
    world.clock.sleep(OVERLAP.total_seconds() - 5)
    assert actions(world.run(store)) == []
    assert old.data in world.accepted()


def test_a_host_that_comes_late_restarts_the_overlap_of_its_own_client(world: World) -> None:
    from rotating.world import WatchedSink

    old = world.old_token()
    world.begin(old)
    late = WatchedSink(world, world.folder / "late-delivered")
    late.deliver(old.data)
    store = world.service.open()
    world.run(store)
    world.clock.sleep(OVERLAP.total_seconds() - 60)
    world.sinks.append(late)
    assert actions(world.run(store, sinks=[late])) == ["hold", "prove", "deliver", "hold"]
    world.clock.sleep(120)
    assert actions(world.run(store)) == []
    assert old.data in world.accepted(), "the late host's client had two minutes only"
    world.clock.sleep(OVERLAP.total_seconds())
    assert "delete" in actions(world.run(store))


def test_rollback_and_revoke_through_the_services(world: World) -> None:
    old = world.old_token(timedelta(days=2))
    world.begin(old)
    store = world.service.open()
    short = Policy(max_age=timedelta(days=1), overlap=OVERLAP)
    world.run(store, policy=short)
    new = Generations(world.document()).current
    assert new
    assert new.token.data != old.data
    assert "return" in actions(world.run(store, Rollback()))
    assert world.sink.holds() == old.data
    assert actions(world.run(store, Rollback())) == []
    assert actions(world.run(store)) == []
    world.revoked.add(new.token.data)
    done = actions(world.run(store, Revoke(new.token.name, at_once=True)))
    if store.settle_seconds:  # runs under way must see it
        assert done[-3:] == ["revoke", "disable", "refuse"]
        world.clock.sleep(KEPT.total_seconds() + 1)
        done = actions(world.run(store))
    assert done[-2:] == ["refuse", "delete"]
    assert {token.data for token in world.document().tokens} == {FOREIGN.data, old.data}


def test_a_planner_that_is_wrong_writes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.begin(world.old_token())
    before = world.service.truth()
    monkeypatch.setattr(rotation, "plan", lambda *arguments: Plan((Step("delete", FOREIGN),)))
    outcome = world.run(world.service.open())
    assert isinstance(outcome, RunRefused)
    assert "a token that this tool did not make would change. Nothing was changed" in str(outcome)
    assert world.service.truth() == before


def test_a_revocation_says_what_it_has_done_and_the_next_that_it_was_done(world: World) -> None:
    old = world.old_token(timedelta(days=2))
    world.begin(old)
    store = world.service.open()
    notes = [outcome.note for _ in range(2) if isinstance(outcome := world.run(store, Revoke(old.name)), Outcome)]
    assert [" was revoked before, at " in note for note in notes] == [False, True]


def test_a_rollback_does_not_wait(world: World) -> None:
    """Two marks in one second are one: the document that is there is not taken for a stale read of itself."""
    world.begin(world.old_token(timedelta(days=2)))
    store = world.service.open()
    world.run(store, policy=Policy(max_age=timedelta(days=1), overlap=OVERLAP))
    waited = world.clock.ahead
    assert "return" in actions(world.run(store, Rollback()))
    assert world.clock.ahead - waited < 1.0


def test_a_token_that_is_added_again_is_not_taken_for_a_stale_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Somebody's stale write removes the new token; added again, it makes a document that this run has replaced."""
    clock = FastClock()
    (tmp_path / "client").mkdir()
    with service("fc_trigger", clock, monkeypatch, tmp_path) as place:
        world = World(place, clock, tmp_path / "client")
        world.begin()
        rotator = world.rotator(place.open(), probing=False)
        before = place.truth()

        def overwrite(step: Step) -> None:
            if step.action == "mark" and not world.revoked:
                world.revoked |= world.seen  # its client is refused until it is added again
                place.put(before)

        rotator.report = overwrite
        waited = clock.ahead
        assert actions(rotator.run()) == ["add", "settle", "deliver", "mark", "add", "settle", "mark"]
        assert world.sink.holds() in world.accepted()
        # the removal itself looks like a stale read, and only that is waited for
        assert clock.ahead - waited < READ_BACK_SECONDS * 1.5 + 2 * place.open().settle_seconds


# The probe


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        *[(status, "accepted") for status in (200, 202, 204, 400, 404, 405, 406, 415, 421, 422)],
        *[(status, "refused") for status in (401, 403)],
        *[(status, "unclear") for status in (429, 500, 502, 503, 504, 301, 302, 307, 308, None)],
    ],
)
def test_what_an_answer_proves(status: int | None, verdict: str) -> None:
    assert Answer(status).verdict == verdict


class Door:
    """Gives answers in turn; the last one for ever."""

    def __init__(self, world: World, *statuses: int) -> None:
        self.statuses = [*statuses]
        self.requests: list[Request] = []  # but for those of strangers
        self._world = world
        self._listener = Listener(self._answer, body_limit_bytes=65536, now=world.clock.true_time)

    @property
    def port(self) -> int:
        return self._listener.port

    async def start(self) -> None:
        await self._listener.start()

    async def stop(self) -> None:
        await self._listener.stop()

    async def _answer(self, request: Request) -> HttpAnswer:
        token = (request.header("authorization") or "").removeprefix("Bearer ")
        if token and not self._world.document().holding(token):
            return HttpAnswer(401)
        self.requests.append(request)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return HttpAnswer(status, (("location", "/elsewhere"),) if status // 100 == 3 else ())


def probed(world: World, door: Door) -> Outcome:
    probe = Probe(f"http://127.0.0.1:{door.port}/mcp", 5.0)
    return Rotator(world.service.open(), Rotate(), Policy(), [world.sink], probe, 5.0, world.clock).run()


def test_acceptance_needs_several_equal_answers_in_a_row(place: World) -> None:
    place.begin()
    flapping = [401] * 2 + [200] * (IN_A_ROW - 1) + [401] + [200] * (IN_A_ROW - 1) + [503] + [200]
    with running(Door(place, 401, *flapping)) as door:  # the first request only asks the time
        assert actions(probed(place, door)) == ["add", "prove", "deliver", "mark"]
        assert len(door.requests) == 1 + len(flapping) - 1 + IN_A_ROW
        asked = door.requests[1]
    assert asked.method == "POST"
    assert b'"initialize"' in asked.body
    assert asked.header("connection") == "close"


@pytest.mark.parametrize("status", [401, 403, 429, 500, 302])
def test_nothing_is_delivered_that_is_not_proven(place: World, status: int) -> None:
    place.begin()
    with running(Door(place, status)) as door:
        with pytest.raises(RunFailed, match=r"(does not|is not proven to) accept"):
            probed(place, door)
        assert all(request.path == "/mcp" for request in door.requests), "a redirect would carry the token away"
    assert place.sink.holds() is None


def test_an_old_token_stays_while_the_door_does_not_answer(place: World) -> None:
    old = place.old_token()
    place.begin(old)
    with running(Door(place, 200)) as door:
        probed(place, door)
    place.clock.sleep(OVERLAP.total_seconds() + 5)
    with running(Door(place, 503)) as door, pytest.raises(RunFailed):
        probed(place, door)
    assert old.data in place.accepted()


def test_a_door_that_keeps_letting_a_disabled_token_in_keeps_it_from_being_deleted(place: World) -> None:
    old = place.old_token()
    place.begin(old)
    with running(Door(place, 200)) as door:
        probed(place, door)
        place.clock.sleep(OVERLAP.total_seconds() + 5)
        place.revoked.add(old.data)
        assert actions(probed(place, door)) == ["prove", "disable"]
        assert place.document().holding(old.data) or any(t.data == old.data for t in place.document().tokens)
        place.clock.sleep(900)
        with pytest.raises(RunFailed, match="not proven to refuse"):
            probed(place, door)


def test_a_revocation_is_not_done_while_the_door_lets_the_token_in(place: World) -> None:
    old = place.old_token()
    place.begin(old)
    place.revoked.add(old.data)
    with running(Door(place, 200)) as door:
        probe = Probe(f"http://127.0.0.1:{door.port}/mcp", 5.0)
        rotator = Rotator(
            place.service.open(), Revoke(old.name, at_once=True), Policy(), [place.sink], probe, 5.0, place.clock
        )
        with pytest.raises(RunFailed, match=r"not proven to refuse it.*run the same command again"):
            rotator.run()
    assert old.data not in place.accepted()
    assert place.document().holding(old.data), "deleted before it was proven to be refused"


def test_a_revocation_looks_again_when_no_stale_write_can_arrive_any_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = FastClock()
    (tmp_path / "client").mkdir()
    with service("fc_trigger", clock, monkeypatch, tmp_path) as place:
        world = World(place, clock, tmp_path / "client")
        old = world.old_token()
        world.begin(old)
        world.revoked.add(old.data)
        overwritten: list[bool] = []

        def sleep(seconds: float) -> None:
            clock.ahead += seconds
            ended = old.data not in world.accepted()
            if ended and seconds > 1 and len(overwritten) < 2:
                overwritten.append(True)
                others = [entry for entry in place.truth()["tokens"] if entry["tokenData"] != old.data]
                place.put({"tokens": [old.dump(), *others]})

        monkeypatch.setattr(clock, "sleep", sleep)
        done = actions(world.run(place.open(), Revoke(old.name, at_once=True)))
        assert len(overwritten) == 2
        assert done.count("disable") == 3
        assert old.data not in world.accepted()


# Time


def test_a_server_that_drips_is_ended_as_a_whole() -> None:
    """Each byte restarts a socket's timeout; the bound on the whole call does not care."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip() -> None:
        peer, _ = listener.accept()
        with peer:
            peer.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not stop.wait(0.05):
                try:
                    peer.sendall(b"x")
                except OSError:
                    return

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    began = time.monotonic()
    try:
        with Clock().bounded(0.6):
            answer = Probe(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", 5.0).ask("t" * 40)
    except TookTooLong:
        answer = Answer(None)
    finally:
        stop.set()
        thread.join()
        listener.close()
    assert answer.status is None
    assert time.monotonic() - began < 4


def test_a_run_ends_within_its_time_whatever_the_door_does(place: World) -> None:
    place.begin()

    class Silent(Probe):
        def ask(self, token: str | None) -> Answer:
            place.clock.sleep(10)
            return Answer(None, said="no answer")

    began = place.clock.monotonic()
    rotator = Rotator(
        place.service.open(), Rotate(), Policy(), [place.sink], Silent("http://127.0.0.1/mcp", 10.0), 10.0, place.clock
    )
    with pytest.raises(RunFailed):
        rotator.run()
    assert place.clock.monotonic() - began < 120


@pytest.mark.parametrize("url", ["http://host.example/mcp", "ftp://h/mcp", "https://user:secret@h/mcp", "h/mcp", ""])
def test_a_probe_goes_to_a_door_only(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        Probe(url, 1.0)
    assert "secret" not in str(caught.value)


def test_the_steps_of_a_story_name_no_value(world: World) -> None:
    story: list[Any] = []
    world.begin(world.old_token())
    rotator = world.rotator(world.service.open())
    rotator.report = lambda step: story.append(f"{step} {step!r}")
    rotator.run()
    for value in world.seen:
        assert not any(value[place : place + 12] in line for line in story for place in range(len(value) - 11))
