"""Sources that hand their arrivals over at the moment they come."""

from collections.abc import Callable
from pathlib import Path

from engine.contracts.journal import Journal
from engine.contracts.plugins import Arrival, PromptSource
from engine.model.message import Shape
from engine.model.outcome import Accepted, Verdict
from engine.testing.harness import GatedJournal, an_engine
from engine.testing.parts import HandSource, ScriptedDestination, a_channel, a_destination


class EagerSource(HandSource):
    """Hands over what it may, and yields the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.take: Callable[[Arrival], bool] | None = None
        self.verdicts: list[tuple[bytes, Verdict]] = []

    def hand_to(self, take: Callable[[Arrival], bool]) -> None:
        self.take = take

    def push(self, body: bytes) -> bool:
        """Was it taken?"""

        async def settle(verdict: Verdict) -> None:
            self.verdicts.append((body, verdict))

        assert self.take is not None
        return self.take(Arrival(body, Shape.BYTES, settle))


async def test_what_is_handed_over_is_settled_after_the_commit_and_sent_on_in_order(tmp_path: Path) -> None:
    source, sink = EagerSource(), ScriptedDestination()
    channel = a_channel(source_part=source, destinations=[a_destination(sink)])
    async with an_engine([channel], tmp_path / "islet.db") as engine:
        await engine.settle_down()
        assert all(source.push(body) for body in (b"1", b"2"))
        assert source.verdicts == []
        await source.give(b"3")
        await engine.until(engine.idle)
        assert [body for body, verdict in source.verdicts if isinstance(verdict, Accepted)] == [b"1", b"2"]
        assert sink.sent == [b"1", b"2", b"3"]


async def test_nothing_is_taken_beyond_the_room_there_is_and_there_is_room_again_after_the_commit(
    tmp_path: Path,
) -> None:
    source = EagerSource()
    gated: list[GatedJournal] = []

    def wrap(inner: Journal) -> Journal:
        gated.append(GatedJournal(inner))
        return gated[0]

    async with an_engine([a_channel(source_part=source, holds_up_to=3)], tmp_path / "islet.db", wrap=wrap) as engine:
        await engine.settle_down()
        gate = gated[0].gate("accept")
        assert [source.push(body) for body in (b"1", b"2", b"3")] == [True, True, False]  # one place is for a yield
        await gate.reached.wait()
        assert not source.push(b"3")
        gate.open()
        await engine.until(lambda: source.push(b"3"))
        await engine.until(lambda: len(source.verdicts) == 3)
        assert [body for body, _ in source.verdicts] == [b"1", b"2", b"3"]


async def test_a_closed_intake_takes_nothing(tmp_path: Path) -> None:
    source = EagerSource()
    async with an_engine([a_channel(source_part=source)], tmp_path / "islet.db") as engine:
        await engine.settle_down()
        await engine.supervisor.channels["test"].pause()
        assert not source.push(b"late")
        assert source.verdicts == []


def test_a_source_that_only_yields_is_no_prompt_source() -> None:
    assert isinstance(EagerSource(), PromptSource)
    assert not isinstance(HandSource(), PromptSource)
