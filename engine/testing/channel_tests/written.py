"""What a destination that writes files writes in a test: into a folder of the test's own, by its own code."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from engine.model.clock import Clock
from engine.model.delivery import Delivery
from engine.model.outcome import Answer


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One file. `text`: its content as UTF-8, each line's end as \\n, without the last one."""

    name: str
    text: str = field(repr=False)


class WritesInto:
    """A destination that works in this folder, from its method `rehearse_in`."""

    def __init__(self, real: Any, folder: Path, clock: Clock) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._destination = real.rehearse_in(folder)
        self._clock = clock
        self._origins: dict[str, str] = {}
        self._names: list[str] = []
        self._under_way: set[asyncio.Future[None]] = set()

    def came(self, delivery: Delivery) -> Delivery:
        """The delivery as if it had been received when the test's clock says, since names may tell that time."""
        id_ = delivery.origin_id
        return replace(delivery, origin_id=self._origins.setdefault(id_, _made_at(id_, self._clock)))

    async def send(self, delivery: Delivery) -> Answer:
        """Raises what the destination raises."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._under_way.add(done)
        try:
            answer: Answer = await self._destination.send(delivery)
        finally:
            self._under_way.remove(done)
            done.set_result(None)
        if answer.location is not None:
            self._names.append(answer.location)
        return answer

    async def rest(self) -> None:
        """Wait until nothing is being written."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    def files(self) -> list[WrittenFile]:
        """Every file of the folder, in the order in which they were first written to."""
        found = {path.name: path for path in sorted(self._folder.iterdir())}
        names = [name for name in dict.fromkeys([*self._names, *found]) if name in found]
        return [WrittenFile(name, plain_text(found[name].read_bytes().decode("utf-8", "replace"))) for name in names]


def plain_text(text: str) -> str:
    """The text with \\n at the end of each line but the last, whatever ended them before."""
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")


def _made_at(id_: str, clock: Clock) -> str:
    """The same UUIDv7 with another time."""
    millis = f"{int(clock.now().timestamp() * 1000):012x}"
    return f"{millis[:8]}-{millis[8:]}{id_[13:]}"
