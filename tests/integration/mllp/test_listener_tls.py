"""TLS and mutual TLS at the listener."""

import asyncio
import hashlib
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop

from connectors.tls import ServerTls
from engine import sdk
from tests.integration.mllp.parties import Door, Peer, block, let_run, oru


def server_tls(authority: trustme.CA, folder: Path, client_ca: trustme.CA | None = None) -> ServerTls:
    issued = authority.issue_cert("127.0.0.1")
    certificate, key, ca = folder / "cert.pem", folder / "key.pem", folder / "ca.pem"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    if client_ca is not None:
        client_ca.cert_pem.write_to_path(ca)
    return ServerTls(certificate=certificate, key=key, client_ca=ca if client_ca else None)


def client_context(authority: trustme.CA, shown: trustme.LeafCert | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if shown is not None:
        shown.configure_cert(context)
    return context


async def test_messages_over_tls_are_taken_and_answered(authority: trustme.CA, tmp_path: Path) -> None:
    async with Door(tls=server_tls(authority, tmp_path)) as door:
        peer = await door.peer(ssl=client_context(authority))
        await peer.send(b"".join(block(oru(f"M{number}")) for number in range(100)))
        assert [(await peer.answer()).control_id for _ in range(100)] == [f"M{number}" for number in range(100)]


async def test_a_message_sent_right_behind_the_handshake_is_answered_encrypted(
    authority: trustme.CA, tmp_path: Path
) -> None:
    """The client's last handshake bytes and its first message arrive in one piece."""
    async with Door(tls=server_tls(authority, tmp_path)) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.listener.port)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = client_context(authority).wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
                incoming.write(await reader.read(65536))
        tls.write(block(oru("M1")))
        writer.write(outgoing.read())
        answer = b""
        while not answer.endswith(b"\x1c\r"):
            incoming.write(await reader.read(65536))
            try:
                answer += tls.read(65536)
            except ssl.SSLWantReadError:
                continue
        assert b"MSA|AA|M1" in answer
        writer.close()
        await writer.wait_closed()


async def test_a_client_with_a_certificate_of_the_authority_gets_in(authority: trustme.CA, tmp_path: Path) -> None:
    async with Door(tls=server_tls(authority, tmp_path, client_ca=authority)) as door:
        shown = authority.issue_cert("hospital.example")
        peer = await door.peer(ssl=client_context(authority, shown))
        assert (await peer.ask(oru())).code == "AA"


@pytest.mark.parametrize("shows", ["nothing", "somebody else's certificate"])
async def test_a_client_without_the_right_certificate_is_closed_and_logged(
    authority: trustme.CA, tmp_path: Path, shows: str
) -> None:
    async with Door(tls=server_tls(authority, tmp_path, client_ca=authority)) as door:
        shown = None if shows == "nothing" else trustme.CA().issue_cert("intruder.example")
        # With TLS 1.3 the client learns of it only when it reads.
        peer = await door.peer(ssl=client_context(authority, shown))
        peer.writer.write(block(oru()))
        assert await peer.rest() == b""
        await door.logged("tls-failed")
        good = await door.peer(ssl=client_context(authority, authority.issue_cert("hospital.example")))
        assert (await good.ask(oru("GOOD"))).code == "AA"
        assert [taken.arrival.meta["control_id"] for taken in door.taken] == ["GOOD"]


def fingerprint(certificate: trustme.LeafCert) -> str:
    der = ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode())
    return "sha256:" + hashlib.sha256(der).hexdigest().upper()


@pytest.mark.parametrize("by", ["name", "fingerprint"])
async def test_only_allowed_certificates_get_in_whoever_else_the_authority_has_signed(
    authority: trustme.CA, tmp_path: Path, by: str
) -> None:
    known, other = authority.issue_cert("lab.stm.example"), authority.issue_cert("other.stm.example")
    allowed = ["LAB.stm.example"] if by == "name" else [fingerprint(known)]
    tls = server_tls(authority, tmp_path, client_ca=authority)
    async with Door(tls=tls, allow_certificates=allowed) as door:
        refused = await door.peer(ssl=client_context(authority, other))
        refused.writer.write(block(oru()))
        assert await refused.rest() == b""
        await door.logged("certificate-not-allowed")
        peer = await door.peer(ssl=client_context(authority, known))
        assert (await peer.ask(oru("GOOD"))).code == "AA"
        assert [taken.arrival.meta["control_id"] for taken in door.taken] == ["GOOD"]


async def test_plain_bytes_at_a_tls_port_are_closed_and_logged(authority: trustme.CA, tmp_path: Path) -> None:
    async with Door(tls=server_tls(authority, tmp_path)) as door:
        peer = await door.peer()
        await peer.send(block(oru()))
        await peer.rest()
        await door.logged("tls-failed")
        assert door.taken == []
        assert door.says_nothing_of_patients()


async def test_a_peer_that_never_shakes_hands_is_closed(authority: trustme.CA, tmp_path: Path) -> None:
    async with Door(tls=server_tls(authority, tmp_path)) as door:
        peer = await door.peer()
        await let_run()
        await door.clock.advance(32)
        assert await peer.rest() == b""
        assert "tls-silence" in door.codes()


async def test_closing_does_not_wait_for_handshakes(authority: trustme.CA, tmp_path: Path) -> None:
    async with Door(tls=server_tls(authority, tmp_path)) as door:
        peer = await door.peer()
        await let_run()
        async with asyncio.timeout(20):  # asyncio itself gives a handshake a minute
            await door.listener.close()
        assert await peer.rest() == b""


async def test_back_pressure_works_over_tls(authority: trustme.CA, tmp_path: Path) -> None:
    async with Door(tls=server_tls(authority, tmp_path), at_once=3) as door:
        peer = await door.peer(ssl=client_context(authority))
        await peer.send(b"".join(block(oru(f"M{number}")) for number in range(200)))
        assert [(await peer.answer()).control_id for _ in range(200)] == [f"M{number}" for number in range(200)]


async def test_closing_with_connections_over_tls_answers_what_was_taken(authority: trustme.CA, tmp_path: Path) -> None:
    async with Door(verdict=None, tls=server_tls(authority, tmp_path)) as door:
        busy, idle = [await door.peer(ssl=client_context(authority)) for _ in range(2)]
        await busy.send(block(oru("M1")))
        [arrival] = await door.arrivals(1)
        await door.listener.close()
        assert await idle.rest() == b""
        await arrival.settle(sdk.Accepted("x"))
        assert b"MSA|AA|M1" in await busy.rest()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
def test_the_listener_works_on_uvloop_too(authority: trustme.CA, tmp_path: Path, secure: bool) -> None:
    async def converse() -> list[str]:
        settings: dict[str, Any] = {"tls": server_tls(authority, tmp_path)} if secure else {}
        options: dict[str, Any] = {"ssl": client_context(authority)} if secure else {}
        async with Door(at_once=3, accepts=("ORU^R01",), **settings) as door:
            peer: Peer = await door.peer(**options)
            await peer.send(b"".join(block(oru(f"M{number}")) for number in range(50)))
            heard = [(await peer.answer()).control_id for _ in range(50)]
            assert (await peer.ask(b"no header")).code == "AR"
            await peer.send(b"\x0b" + oru())
            await door.listener.close()
            assert await peer.rest() == b""
            return heard

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(converse()) == [f"M{number}" for number in range(50)]
