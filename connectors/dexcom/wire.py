"""Calls to Dexcom's API: consents, the token endpoint, and records of a window."""

from collections.abc import Mapping

import aiohttp

from connectors.cloud.calls import Caller
from connectors.cloud.oauth import Flow
from connectors.cloud.tokens import Tokens
from connectors.cloud.windows import Window
from connectors.dexcom.settings import DexcomSettings
from engine import sdk

SERVICE, _ADVICE = "Dexcom", "check region, client and consent of this account"


def flow(settings: DexcomSettings) -> Flow:
    """People log in at Dexcom and allow it there; `offline_access` is the only scope that there is."""

    async def grant(caller: Caller, form: Mapping[str, str]) -> Tokens:
        client = {"client_id": settings.client_id.reveal(), "client_secret": settings.client_secret.reveal()}
        return await caller.grant("/v2/oauth2/token", {**form, **client})

    return Flow(
        service=SERVICE,
        advice=_ADVICE,
        limits=settings,
        authorise_url=f"{settings.address}/v2/oauth2/login",
        scope="offline_access",
        client_id=settings.client_id,
        client_secret=settings.client_secret,
        grant=grant,
    )


class Wire(Caller):
    """One session with Dexcom."""

    def __init__(self, settings: DexcomSettings, clock: sdk.Clock, session: aiohttp.ClientSession) -> None:
        super().__init__(settings, clock, session, SERVICE, _ADVICE)

    async def records(self, kind: str, access_token: str, window: Window) -> bytes:
        """The body of an answer 200 of `/v3/users/self/KIND`. Raises as `get`."""
        headers = {"Authorization": f"Bearer {access_token}"}
        return await self.get(f"/v3/users/self/{kind}", headers, window.query())
