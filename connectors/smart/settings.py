"""What the YAML says about a sign-in by SMART Backend Services."""

from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from connectors.http_security import is_this_machine
from engine import sdk


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    host = parts.hostname or ""
    if parts.username is not None or not host or parts.fragment:
        raise ValueError("is not a web address; write one such as https://ehr.example/oauth2/token")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_this_machine(host)):
        raise ValueError("must begin with https://, since our assertion and their token pass through it")
    return value


WebAddress = Annotated[str, AfterValidator(_web_address)]
_SCOPE_SIGNS: Final = r"^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$"  # RFC 6749 section 3.3


class PublishedKey(sdk.Settings):
    """A key that is published and not signed with: the next one, or the one before."""

    key: sdk.Secret = Field(description="The private key in PEM")
    kid: str | None = Field(None, description="Its name, where it is not its thumbprint")


class BackendServices(sdk.Settings):
    """A client that signs in with its own key, as the server's administrator has registered it."""

    client_id: str = Field(min_length=1, description="Who we are, as registered")
    key: sdk.Secret = Field(description="The private key in PEM: RSA (RS384) or EC P-384 (ES384)")
    kid: str | None = Field(None, description="The key's name in our JWKS; by default its thumbprint")
    scope: str = Field(pattern=_SCOPE_SIGNS, description="Such as system/Observation.cu system/Device.cu")
    token_url: WebAddress | None = Field(None, description="By default what .well-known/smart-configuration says")
    also_publish: tuple[PublishedKey, ...] = Field((), description="Keys in our JWKS beside it while keys change")
    jku: WebAddress | None = Field(None, description="Where our JWKS is, if the server wants that in the assertion")
