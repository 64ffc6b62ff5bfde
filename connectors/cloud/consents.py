"""Accounts that people connect and take off while a source runs: what is noted of them beside its cursors."""

from engine import sdk

WITHDRAWN = "withdrawn"
"""Code of the refusal that holds an account which has been taken off."""


class Withdrawals:
    """Which accounts of a channel have been taken off. Noted in the journal, so that engines and people share it."""

    def __init__(self, cursors: sdk.Cursors) -> None:
        self._cursors = cursors

    async def has(self, account: str) -> bool:
        return bool(await self._cursors.get(f"{WITHDRAWN}:{account}"))

    async def note(self, account: str, at: str) -> None:
        await self._cursors.put(f"{WITHDRAWN}:{account}", at)

    async def clear(self, account: str) -> None:
        await self._cursors.put(f"{WITHDRAWN}:{account}", "")

    async def check(self, account: str) -> None:
        """Raises Refused if it has been taken off."""
        if await self.has(account):
            text = "the account has been taken off; `islet accounts connect` brings it back"
            raise sdk.Refused(text, code=WITHDRAWN)
