"""A source's cursors, kept in the journal."""

from engine.contracts.journal import Journal


class JournalCursors:
    """`engine.contracts.plugins.Cursors` of one channel."""

    def __init__(self, journal: Journal, channel: str) -> None:
        self._journal = journal
        self._channel = channel

    async def get(self, name: str) -> str | None:
        return await self._journal.queries.cursor(self._channel, name)

    async def put(self, name: str, value: str) -> None:
        await self._journal.writer.put_cursor(self._channel, name, value)
