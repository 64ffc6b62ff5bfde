"""Calls to Dexcom's API: the token endpoint, and EGVs of a window."""

import aiohttp

from connectors.cloud.calls import Caller
from connectors.cloud.tokens import Tokens
from connectors.cloud.windows import Window
from connectors.dexcom.settings import DexcomSettings
from engine import sdk


class Wire(Caller):
    """One session with Dexcom."""

    def __init__(self, settings: DexcomSettings, clock: sdk.Clock, session: aiohttp.ClientSession) -> None:
        super().__init__(settings, clock, session, "Dexcom", "check region, client and consent of this account")
        self._settings = settings

    async def refresh(self, refresh_token: str) -> Tokens:
        """Trade a refresh token for an access token. The old refresh token is dead afterwards. Raises as `grant`."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
            "client_id": self._settings.client_id.reveal(),
            "client_secret": self._settings.client_secret.reveal(),
        }
        return await self.grant("/v2/oauth2/token", form)

    async def egvs(self, access_token: str, window: Window) -> bytes:
        """The body of an answer 200. Raises as `get`."""
        headers = {"Authorization": f"Bearer {access_token}"}
        return await self.get("/v3/users/self/egvs", headers, window.query())
