"""What YAML may say, and what it is told when it says something else."""

import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from pydantic import ValidationError

from connectors.mllp.listener import plugin as listener
from connectors.mllp.sender import outgoing
from connectors.mllp.sender import plugin as sender
from connectors.mllp.settings import ListenerSettings, SenderSettings
from connectors.tls import ClientTls, ServerTls
from engine import sdk


def test_the_plugins_are_named_as_analysts_write_them() -> None:
    assert (listener.name, listener.emits) == ("mllp_listener", sdk.Shape.HL7V2)
    assert (sender.name, sender.accepts) == ("mllp_sender", frozenset({sdk.Shape.HL7V2}))
    assert listener.settings is ListenerSettings
    assert sender.settings is SenderSettings
    assert listener.summary
    assert sender.summary


def test_a_listener_claims_its_port() -> None:
    assert ListenerSettings(port=2575).claims() == ["tcp port 2575"]
    assert ListenerSettings(port=0).claims() == []


def test_quantities_are_written_with_units() -> None:
    settings = ListenerSettings.model_validate(
        {"port": 2575, "max_size": "20 MB", "receive_within": "10s", "idle_timeout": "5m", "accepts": ["ORU^R01"]}
    )
    assert (settings.max_size, settings.receive_within, settings.idle_timeout) == (20_000_000, 10.0, 300.0)
    with pytest.raises(ValidationError, match="Write a unit"):
        ListenerSettings.model_validate({"port": 2575, "receive_within": 10})


@pytest.mark.parametrize("wrong", ["ORU^", "oru^r01", "ORU_R01", "ORU^R01^ORU_R01", ""])
def test_a_misspelt_message_type_is_told_what_to_write(wrong: str) -> None:
    with pytest.raises(ValidationError, match=r"ORU\^R01"):
        ListenerSettings(port=1, accepts=(wrong,))


def test_settings_have_a_json_schema_for_editors() -> None:
    for settings in (ListenerSettings, SenderSettings):
        assert settings.model_json_schema()["additionalProperties"] is False


def test_a_client_certificate_needs_its_key() -> None:
    with pytest.raises(ValidationError, match="go together"):
        ClientTls(certificate=Path("a.pem"))


def test_certificates_come_from_secrets_too_and_leave_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = trustme.CA().issue_cert("localhost")
    monkeypatch.setenv("ISLET_SECRET_STM_CERT", issued.cert_chain_pems[0].bytes().decode())
    monkeypatch.setenv("ISLET_SECRET_STM_KEY", issued.private_key_pem.bytes().decode())
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    tls = ServerTls.model_validate({"certificate": {"secret": "stm_cert"}, "key": {"secret": "stm_key"}})
    assert tls.context().verify_mode is ssl.CERT_NONE
    assert list(tmp_path.iterdir()) == []


def test_an_unusable_certificate_tells_the_operator_which_file(tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("localhost")
    key, broken = tmp_path / "key.pem", tmp_path / "broken.pem"
    issued.private_key_pem.write_to_path(key)
    broken.write_text("no certificate")
    for certificate in (broken, tmp_path / "missing.pem"):
        with pytest.raises(sdk.NeedsOperator) as caught:
            ServerTls(certificate=certificate, key=key).context()
        assert str(certificate) in caught.value.text
        assert caught.value.code == "tls-files"
    with pytest.raises(sdk.NeedsOperator, match=r"broken\.pem"):
        ClientTls(ca=broken).context()


@pytest.fixture
def encrypted(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate and its key, which has the password `open sesame`."""
    issued = trustme.CA().issue_cert("localhost")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(certificate)
    private = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    locked = serialization.BestAvailableEncryption(b"open sesame")
    key.write_bytes(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))
    return certificate, key


def test_an_encrypted_key_without_password_does_not_ask_on_the_terminal(encrypted: tuple[Path, Path]) -> None:
    certificate, key = encrypted
    with pytest.raises(sdk.NeedsOperator, match="key_password"):
        ServerTls(certificate=certificate, key=key).context()


def test_an_encrypted_key_opens_with_its_password(
    encrypted: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = encrypted
    monkeypatch.setenv("ISLET_SECRET_STM_PASSWORD", "open sesame")
    tls = ServerTls(certificate=certificate, key=key, key_password=sdk.Secret(secret="stm_password"))
    assert isinstance(tls.context(), ssl.SSLContext)


MESSAGE = b"MSH|^~\\&|ISLET|STM|EHR|STM|20261120||ORU^R01|M1|P|2.5.1\rOBX|1|NM|||5.4\r"


@pytest.mark.parametrize(
    "body",
    [
        MESSAGE,
        MESSAGE.removesuffix(b"\r"),
        MESSAGE.replace(b"\r", b"\n"),
        MESSAGE.replace(b"\r", b"\r\n"),
        b"\xef\xbb\xbf" + MESSAGE,
        b"\r\n" + MESSAGE + b"\r\n\r\n",
    ],
    ids=["as is", "no last CR", "LF", "CRLF", "byte order mark", "blank lines around"],
)
def test_what_goes_out_is_strict_whatever_came(body: bytes) -> None:
    assert outgoing(body) == (b"\x0b" + MESSAGE + b"\x1c\r", "M1")


def test_a_last_field_of_blanks_stays() -> None:
    block, _ = outgoing(MESSAGE.removesuffix(b"\r") + b"|  ")
    assert block.endswith(b"|  \r\x1c\r")


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        (b"PID|1\r", "no-msh", "MSH"),
        (MESSAGE.replace(b"M1", b""), "no-control-id", "MSH-10"),
        (MESSAGE + b"NTE|1||\x0b\r", "not-framable", None),
    ],
)
def test_what_cannot_be_sent_at_all_is_invalid(body: bytes, code: str, path: str | None) -> None:
    with pytest.raises(sdk.InvalidMessage) as caught:
        outgoing(body)
    assert (caught.value.code, caught.value.path) == (code, path)
