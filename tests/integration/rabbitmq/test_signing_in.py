"""Certificates, passwords, virtual hosts and permissions: what is wrong is said, without a secret."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import aio_pika
import pytest
import trustme
from yarl import URL

from engine.model.errors import ConfigError, NeedsOperator
from engine.testing.broker_kit import ids, leases_of, take, tickets
from engine.testing.fakes import MemoryLog
from engine.testing.services import PrivateRabbitMq
from tests.integration.rabbitmq.conftest import Open

QUEUE = "islet.kit"


@pytest.fixture
def ca_file(services_authority: trustme.CA, tmp_path: Path) -> Path:
    services_authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path / "ca.pem"


async def refusal(opened: Open, url: str, **more: object) -> NeedsOperator:
    """What `open` says; neither it nor the log say the password."""
    log = MemoryLog()
    with pytest.raises(NeedsOperator) as caught:
        await opened(url, log, **more)
    password = str(more.get("password") or URL(url).password)
    assert password not in f"{caught.value!r} {caught.value.text} {json.dumps(log.events)}"
    return caught.value


async def test_tickets_travel_over_tls(
    shared_vhost: str, rabbitmq_server: PrivateRabbitMq, ca_file: Path, opened: Open
) -> None:
    broker = await opened(rabbitmq_server.over_tls(shared_vhost), ca_file=ca_file)
    await broker.declare(QUEUE)
    await broker.publish(QUEUE, tickets("a", "b"))
    async with leases_of(broker) as leases:
        assert ids(await take(leases, 2)) == ["a", "b"]


async def test_a_certificate_of_ours_is_shown(
    shared_vhost: str, rabbitmq_server: PrivateRabbitMq, services_authority: trustme.CA, ca_file: Path, opened: Open
) -> None:
    shown = services_authority.issue_cert("islet.example")
    cert_file, key_file = ca_file.with_name("cert.pem"), ca_file.with_name("key.pem")
    shown.cert_chain_pems[0].write_to_path(cert_file)
    shown.private_key_pem.write_to_path(key_file)
    url = rabbitmq_server.over_tls(shared_vhost)
    await opened(url, ca_file=ca_file, cert_file=cert_file, key_file=key_file)
    told = rabbitmq_server.control("list_connections", "ssl", "peer_cert_subject")
    assert any(line.startswith("true") and len(line.split("\t")[1]) > 2 for line in told.splitlines()), told


async def test_a_broker_whose_certificate_somebody_else_has_signed_is_refused_with_what_to_check(
    shared_vhost: str, rabbitmq_server: PrivateRabbitMq, opened: Open, tmp_path: Path
) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    url = rabbitmq_server.over_tls(shared_vhost)
    for more in ({"ca_file": tmp_path / "other.pem"}, {}):
        error = await refusal(opened, url, **more)
        assert error.code == "broker-tls"
        assert "ca_file" in error.text


async def test_a_certificate_for_another_name_is_refused(
    shared_vhost: str, rabbitmq_server: PrivateRabbitMq, ca_file: Path, opened: Open
) -> None:
    error = await refusal(opened, rabbitmq_server.over_tls(shared_vhost, "localhost"), ca_file=ca_file)
    assert error.code == "broker-tls"


async def test_tls_to_a_plain_port_is_refused_and_not_tried_for_ever(
    shared_vhost: str, rabbitmq_server: PrivateRabbitMq, ca_file: Path, opened: Open
) -> None:
    url = rabbitmq_server.over_tls(shared_vhost).replace(str(rabbitmq_server.tls_port), str(rabbitmq_server.port))
    assert (await refusal(opened, url, ca_file=ca_file)).code == "broker-tls"


async def test_a_file_that_is_no_certificate_is_said_before_anything_is_tried(
    shared_vhost: str, rabbitmq_server: PrivateRabbitMq, opened: Open, tmp_path: Path
) -> None:
    (tmp_path / "odd.pem").write_text("no certificate")
    for name in ("odd.pem", "none.pem"):
        with pytest.raises(ConfigError, match="ca_file"):
            await opened(rabbitmq_server.over_tls(shared_vhost), ca_file=tmp_path / name)


async def test_closing_ends_although_the_client_library_takes_it_for_a_lost_connection(
    shared_vhost: str, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    swallowed = asyncio.Event()

    async def connect(*_: object, **__: object) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            swallowed.set()
            raise ConnectionError from None

    monkeypatch.setattr(aio_pika, "connect", connect)
    broker = await opened(shared_vhost, open_timeout_seconds=0.01)
    async with asyncio.timeout(20):
        await broker.close()
    assert swallowed.is_set()


@pytest.fixture
def stranger(rabbitmq_server: PrivateRabbitMq, shared_vhost: str) -> Iterator[URL]:
    """A user who may do nothing in the virtual host but read."""
    rabbitmq_server.control("add_user", "stranger", "CANARY")
    yield URL(shared_vhost).with_user("stranger").with_password("CANARY")
    rabbitmq_server.control("delete_user", "stranger")


async def test_who_may_not_sign_in_is_told_what_to_check(
    shared_vhost: str, rabbitmq_server: PrivateRabbitMq, stranger: URL, opened: Open
) -> None:
    wrong = await refusal(opened, shared_vhost, password="CANARY-wrong")
    assert wrong.code == "broker-login"
    broker = await opened(str(stranger), open_timeout_seconds=1.0)
    assert broker.trouble is not None
    assert broker.trouble.code == "broker-vhost", "it is tried again: a broker that starts has none of them yet"
    vhost = shared_vhost.rpartition("/")[2]
    rabbitmq_server.control("set_permissions", "-p", vhost, "stranger", "^$", "^$", ".*")
    broker = await opened(str(stranger))
    with pytest.raises(NeedsOperator) as caught:
        await broker.declare(QUEUE)
    assert caught.value.code == "broker-permission"
