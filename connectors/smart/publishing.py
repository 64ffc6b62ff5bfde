"""Our public keys for servers that fetch them (JKU): one GET, with overlap while keys change."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from aiohttp import web

from connectors.smart.keys import Key, jwks, read_key
from connectors.smart.settings import BackendServices
from engine import sdk

PATH: Final = "/.well-known/jwks.json"
MAX_AGE_SECONDS: Final = 300
"""Servers must not keep the set longer (SMART App Launch 2.2.0, Backend Services): how long old and new overlap."""
_TYPE: Final = "application/json"


def keys_of(clients: Iterable[BackendServices]) -> list[Key]:
    """What these clients sign with, and what they publish beside it, each key once, read anew.

    Raises NeedsOperator for a secret without a usable key, and for two keys of one name: it must select exactly one.
    """
    found: dict[str, Key] = {}
    for client in clients:
        for secret, kid in ((client.key, client.kid), *((each.key, each.kid) for each in client.also_publish)):
            key = read_key(secret, kid)
            if found.setdefault(key.kid, key).jwk != key.jwk:
                text = "two different keys have the same kid; give each a name of its own, or leave kid out"
                raise sdk.NeedsOperator(text, code="smart-kid")
    return list(found.values())


def key_set(clients: Sequence[BackendServices]) -> dict[str, Any]:
    """The JSON Web Key Set of these clients. Raises as `keys_of`."""
    return jwks(keys_of(clients))


def jwks_route(clients: Callable[[], Sequence[BackendServices]], log: sdk.Log, path: str = PATH) -> web.RouteDef:
    """A GET that publishes the keys as they are now; 503 with the error's code where they cannot be read, so that
    nobody takes a part of the set for the whole.

    To change a key: publish the new one beside the old, wait longer than `MAX_AGE_SECONDS`, sign with the new one and
    publish the old beside it for as long again, then leave it out.
    """

    async def publish(_: web.Request) -> web.Response:
        try:
            held = key_set(clients())
        except sdk.NeedsOperator as error:
            log.error("smart_keys_unreadable", code=error.code)
            return web.json_response({"error": error.code}, status=503, headers={"Cache-Control": "no-store"})
        headers = {"Cache-Control": f"public, max-age={MAX_AGE_SECONDS}"}
        return web.json_response(held, content_type=_TYPE, headers=headers)

    return web.get(path, publish)
