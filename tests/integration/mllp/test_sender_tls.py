"""The sender over TLS, and on the other event loop."""

import asyncio
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop

from connectors.tls import ClientTls
from engine import sdk
from simulators.hospital import HospitalReceiver
from tests.integration.mllp.parties import Door, Post, failing, let_run


def receiver_context(authority: trustme.CA, *, name: str = "127.0.0.1", ask: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    if ask:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_tls(authority: trustme.CA, folder: Path, shown: trustme.LeafCert | None = None) -> dict[str, Any]:
    ca, certificate, key = folder / "ca.pem", folder / "cert.pem", folder / "key.pem"
    authority.cert_pem.write_to_path(ca)
    if shown is None:
        return {"ca": ca}
    shown.cert_chain_pems[0].write_to_path(certificate)
    shown.private_key_pem.write_to_path(key)
    return {"ca": ca, "certificate": certificate, "key": key}


async def test_messages_go_over_mutual_tls(authority: trustme.CA, tmp_path: Path) -> None:
    tls = client_tls(authority, tmp_path, authority.issue_cert("islet.example"))
    async with (
        HospitalReceiver(tls=receiver_context(authority, ask=True)) as hospital,
        Post(hospital.port, tls=tls) as post,
    ):
        assert [(await post.send(f"M{number}")).code for number in range(3)] == ["AA"] * 3
        assert hospital.connections == 1


async def test_a_receiver_with_another_name_needs_an_operator_or_its_name(
    authority: trustme.CA, tmp_path: Path
) -> None:
    tls = client_tls(authority, tmp_path)
    async with HospitalReceiver(tls=receiver_context(authority, name="ehr.example")) as hospital:
        async with Post(hospital.port, tls=tls) as post:
            await failing(post.send(), sdk.NeedsOperator, "tls-certificate-not-trusted")
        async with Post(hospital.port, tls={**tls, "server_name": "ehr.example"}) as post:
            assert (await post.send()).code == "AA"


async def test_a_receiver_of_an_unknown_authority_needs_an_operator(authority: trustme.CA, tmp_path: Path) -> None:
    tls = client_tls(trustme.CA(), tmp_path)
    async with (
        HospitalReceiver(tls=receiver_context(authority)) as hospital,
        Post(hospital.port, tls=tls) as post,
    ):
        await failing(post.send(), sdk.NeedsOperator, "tls-certificate-not-trusted")


@pytest.mark.parametrize(
    ("version", "word", "code"),
    [
        (ssl.TLSVersion.TLSv1_2, sdk.Unreachable, "tls-failed"),  # its alert does not tell one reason from another
        (ssl.TLSVersion.TLSv1_3, sdk.NeedsOperator, "tls-certificate-refused"),
    ],
    ids=["TLS 1.2", "TLS 1.3"],
)
async def test_a_receiver_that_wants_a_certificate_we_do_not_show_says_so(
    authority: trustme.CA, tmp_path: Path, version: ssl.TLSVersion, word: type[sdk.EngineError], code: str
) -> None:
    context = receiver_context(authority, ask=True)
    context.maximum_version = version
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def refuse() -> None:
            """As most receivers do, and asyncio's do not: say by an alert what is missing, then wait for the end."""
            accepted, _ = listening.accept()
            secured = context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
            with pytest.raises(ssl.SSLError):
                secured.do_handshake()
            with socket.socket(fileno=secured.detach()) as plain, suppress(ConnectionError):
                while plain.recv(65536):
                    pass

        refusing = asyncio.get_running_loop().run_in_executor(None, refuse)
        async with Post(listening.getsockname()[1], tls=client_tls(authority, tmp_path)) as post:
            error = await failing(post.send(), word, code)
            assert "`certificate` and `key`" in error.text
        await refusing


async def test_no_tls_on_the_other_side_is_unavailable(hospital: HospitalReceiver) -> None:
    async with Post(hospital.port, tls=ClientTls().model_dump(exclude_none=True)) as post:
        sending = asyncio.ensure_future(post.send())
        await let_run()
        await hospital.stop()
        error = await failing(sending, sdk.Unreachable, "not-connected")
        assert "127.0.0.1" in error.text


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
def test_the_sender_works_on_uvloop_too(authority: trustme.CA, tmp_path: Path, secure: bool) -> None:
    async def converse() -> list[str | None]:
        context = receiver_context(authority) if secure else None
        tls = {"tls": client_tls(authority, tmp_path)} if secure else {}
        async with HospitalReceiver(tls=context) as hospital, Post(hospital.port, **tls) as post:
            return [(await post.send(f"M{number}")).location for number in range(20)]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(converse()) == [f"M{number}" for number in range(20)]


async def test_a_sender_delivers_to_a_listener() -> None:
    async with Door(accepts=("ORU^R01",)) as door, Post(door.listener.port) as post:
        answers = await asyncio.gather(*(post.send(f"M{number}") for number in range(20)))
        assert [answer.location for answer in answers] == [f"M{number}" for number in range(20)]
        assert [taken.arrival.meta["control_id"] for taken in door.taken] == [f"M{number}" for number in range(20)]


async def test_a_listener_whose_store_is_away_makes_a_sender_try_again_later() -> None:
    async with Door(lambda _: sdk.Deferred(5.0, "disk full")) as door, Post(door.listener.port) as post:
        await failing(post.send("M1"), sdk.Unavailable, "ack-ar-207")
