"""An authorization server and a FHIR server behind it, on real sockets; it checks assertions with our public keys."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from aiohttp import web
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature


def pem(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def number(part: str) -> int:
    return int.from_bytes(decoded(part), "big")


def verified(jwt: str, keys: Sequence[Mapping[str, str]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a JWT whose signature one of these JWKs made; raises InvalidSignature."""
    head, claims, signature = jwt.split(".")
    header = orjson.loads(decoded(head))
    (key,) = [key for key in keys if key["kid"] == header["kid"]]
    text, signed = f"{head}.{claims}".encode(), decoded(signature)
    if key["kty"] == "RSA":
        rsa.RSAPublicNumbers(number(key["e"]), number(key["n"])).public_key().verify(
            signed, text, padding.PKCS1v15(), hashes.SHA384()
        )
    else:
        r, s = int.from_bytes(signed[:48], "big"), int.from_bytes(signed[48:], "big")
        point = ec.EllipticCurvePublicNumbers(number(key["x"]), number(key["y"]), ec.SECP384R1())
        point.public_key().verify(encode_dss_signature(r, s), text, ec.ECDSA(hashes.SHA384()))
    return header, orjson.loads(decoded(claims))


class Authority:
    """Counts what it is asked; `answer` is given in place of a token, `dead` tokens open no door."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.written: list[str] = []
        self.answer: tuple[int, Any, dict[str, str]] | None = None
        self.extra: dict[str, Any] = {}
        self.expires_in: Any = 300
        self.dead: set[str] = set()
        self.configuration: tuple[int, Any] | None = None
        app = web.Application()
        app.router.add_get("/fhir/.well-known/smart-configuration", self._configuration)
        app.router.add_post("/token", self._token)
        app.router.add_post("/fhir/Observation", self._create)
        self._runner = web.AppRunner(app)
        self.url = ""

    async def start(self) -> None:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _configuration(self, _: web.Request) -> web.Response:
        status, body = self.configuration or (200, {"token_endpoint": f"{self.url}/token"})
        return web.json_response(body, status=status)

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.forms.append({name: str(value) for name, value in form.items()})
        if self.answer is not None:
            status, body, headers = self.answer
            return web.json_response(body, status=status, headers=headers)
        token = {"access_token": f"token-{len(self.forms)}", "token_type": "bearer", **self.extra}
        return web.json_response(token | ({"expires_in": self.expires_in} if self.expires_in else {}))

    async def _create(self, request: web.Request) -> web.Response:
        shown = request.headers.get("Authorization", "")
        self.written.append(shown)
        if shown.removeprefix("Bearer ") in self.dead:
            return web.json_response({"resourceType": "OperationOutcome", "issue": []}, status=401)
        return web.Response(status=201, headers={"Location": f"{self.url}/fhir/Observation/1"})
