"""A source's cursors, kept in the journal."""

from engine.contracts.journal import Journal


class JournalCursors:
    """`engine.contracts.plugins.Cursors` of one channel."""

    def __init__(self, journal: Journal, channel: str, fence: tuple[str, int] | None = None) -> None:
        """`fence`: the lease under which the source runs, where several engines share the journal."""
        self._journal = journal
        self._channel = channel
        self._fence = fence

    async def get(self, name: str) -> str | None:
        return await self._journal.queries.cursor(self._channel, name)

    async def put(self, name: str, value: str) -> None:
        await self._journal.writer.put_cursor(self._channel, name, value, self._fence)
