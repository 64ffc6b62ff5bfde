"""Our public keys for servers that fetch them (JKU): one GET, with overlap while keys change."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from connectors.smart.keys import Key, jwks

_TYPE: Final = "application/json"


def jwks_app(keys: Sequence[Key], path: str = "/.well-known/jwks.json", max_age_seconds: int = 300) -> web.Application:
    """An aiohttp application that publishes the keys.

    To change a key: publish old and new together for longer than `max_age_seconds` (servers must not keep the set
    longer than Cache-Control says), sign with the new one, then leave the old one out.
    """

    async def publish(_: web.Request) -> web.Response:
        headers = {"Cache-Control": f"public, max-age={max_age_seconds}"}
        return web.json_response(jwks(keys), content_type=_TYPE, headers=headers)

    app = web.Application()
    app.router.add_get(path, publish)
    return app
