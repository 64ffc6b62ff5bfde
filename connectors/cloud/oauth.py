"""OAuth 2.0's code flow (RFC 6749 section 4.1, RFC 7636): the first consent of a person, and refreshes after it."""

import base64
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from connectors.cloud.calls import Caller, CallSettings
from connectors.cloud.tokens import Tokens
from engine import sdk

Grant = Callable[[Caller, Mapping[str, str]], Awaitable[Tokens]]
Revoke = Callable[[Caller, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Flow:
    """How one vendor asks people. `grant` posts a form to its token endpoint and says there who the client is;
    `extras` go into the address that the person opens; `pkce`: the vendor checks a verifier. `revoke` tells the vendor
    that a refresh token is not to be used any more (RFC 7009); None where it documents no way. `limits`, `service`
    and `advice` as for a `Caller`."""

    service: str
    advice: str
    limits: CallSettings
    authorise_url: str
    scope: str
    client_id: sdk.Secret
    client_secret: sdk.Secret
    grant: Grant = field(repr=False)
    extras: Mapping[str, str] = field(default_factory=dict)
    pkce: bool = False
    revoke: Revoke | None = field(default=None, repr=False)

    def begin(self, redirect_uri: str) -> sdk.Consent:
        """Raises NeedsOperator if the client has no value."""
        state = secrets.token_urlsafe(32)
        verifier = secrets.token_urlsafe(48) if self.pkce else None
        query = {
            "response_type": "code",
            "client_id": self.client_id.reveal(),
            "redirect_uri": redirect_uri,
            "scope": self.scope,
            "state": state,
            **self.extras,
        }
        if verifier is not None:
            query |= {"code_challenge": challenge(verifier), "code_challenge_method": "S256"}
        return sdk.Consent(f"{self.authorise_url}?{urlencode(query)}", redirect_uri, state, verifier)

    async def trade(self, caller: Caller, consent: sdk.Consent, code: str) -> str:
        """The first refresh token. Raises as `Caller.grant`; Refused also if there is none in the answer."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": consent.redirect_uri}
        if consent.verifier is not None:
            form["code_verifier"] = consent.verifier
        try:
            tokens = await self.grant(caller, form)
        except sdk.Refused:
            text = f"{caller.service} does not accept the code: it is good once and for minutes; ask for consent again"
            raise sdk.Refused(text, code="code-refused") from None
        if tokens.refresh is None:
            text = f"{caller.service} gave no refresh token: let the client ask for offline access, and begin again"
            raise sdk.Refused(text, code="refresh-token-missing")
        return tokens.refresh

    async def refresh(self, caller: Caller, refresh_token: str) -> Tokens:
        """Raises as `Caller.grant`."""
        return await self.grant(caller, {"grant_type": "refresh_token", "refresh_token": refresh_token})


def challenge(verifier: str) -> str:
    """S256 of RFC 7636 section 4.2."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()
