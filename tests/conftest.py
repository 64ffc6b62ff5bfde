"""Servers that tests share: private ones, started when the first test asks for them.

`ISLET_TEST_POSTGRES_URL` and `ISLET_TEST_AMQP_URL` name servers to use instead (a database and a virtual host that
may be emptied). Where there is no server the tests that need one are skipped and say so; in CI they fail.
"""

import asyncio
import os
import secrets
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest
import trustme
from hypothesis import settings

from engine.testing.services import NotHere, PrivatePostgres, PrivateRabbitMq, TlsFiles
from tests.examples import exploring, some

# What guards a change says the same of the same code every time; `make explore` looks for examples that are new.
settings.register_profile("islet", max_examples=some(100), derandomize=not exploring(), database=None, print_blob=True)
settings.load_profile("islet")


_SERVERS = {"postgres_server", "rabbitmq_server", "postgres_url", "amqp_url"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the processes that share the tests, one has all those that need servers or load the machine with processes of
    their own: so there is one server of each kind, and the others have a core for themselves."""
    for item in items:
        needs = set(getattr(item, "fixturenames", ()))
        if needs & _SERVERS or "e2e" in item.path.parts:
            item.add_marker(pytest.mark.xdist_group("servers"))


@contextmanager
def _folder(name: str) -> Iterator[Path]:
    """Servers run under accounts of their own, which must be able to get there; pytest's own folders are private."""
    with tempfile.TemporaryDirectory(prefix=f"islet-{name}-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def missing(error: NotHere, suites: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(str(error))
    pytest.skip(f"LOUD: {suites} are not run: {error}")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PrivatePostgres]:
    """A server of our own, for tests that kill and stop it too: they start it again."""
    with _folder("postgres") as folder:
        try:
            server = PrivatePostgres(folder)
        except NotHere as error:
            missing(error, "the PostgreSQL suites")
            raise
        with server:
            yield server


async def _empty(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database."""
    given = os.environ.get("ISLET_TEST_POSTGRES_URL")
    if given:
        with ThreadPoolExecutor() as apart:  # a loop may be running here
            apart.submit(asyncio.run, _empty(given)).result()
        yield given
        return
    server: PrivatePostgres = request.getfixturevalue("postgres_server")
    url = server.new_database()
    yield url
    server.drop_database(url)


@pytest.fixture(scope="session")
def services_authority() -> trustme.CA:
    """Who has signed the certificates of private servers."""
    return trustme.CA()


def tls_files(authority: trustme.CA, folder: Path) -> TlsFiles:
    """Of a server at 127.0.0.1."""
    made = TlsFiles(folder / "server.pem", folder / "server.key", folder / "authority.pem")
    shown = authority.issue_cert("127.0.0.1")
    made.certificate.write_bytes(b"".join(part.bytes() for part in shown.cert_chain_pems))
    shown.private_key_pem.write_to_path(made.key)
    authority.cert_pem.write_to_path(made.authority)
    return made


@pytest.fixture(scope="session")
def rabbitmq_server(services_authority: trustme.CA) -> Iterator[PrivateRabbitMq]:
    """A server of our own, for tests that kill and stop it too: they start it again."""
    with _folder("rabbitmq") as folder:
        try:
            server = PrivateRabbitMq(folder, tls=tls_files(services_authority, folder))
        except NotHere as error:
            missing(error, "the RabbitMQ suites")
            raise
        with server:
            yield server


@pytest.fixture(scope="session")
def shared_vhost(request: pytest.FixtureRequest) -> str:
    """A virtual host for tests that keep to a namespace of their own: making one takes long."""
    given = os.environ.get("ISLET_TEST_AMQP_URL")
    if given:
        return given
    server: PrivateRabbitMq = request.getfixturevalue("rabbitmq_server")
    return server.new_vhost()


@pytest.fixture
def namespace() -> str:
    """For exchange and queues at RabbitMQ that nobody has used."""
    return f"test-{secrets.token_hex(4)}"


@pytest.fixture
def amqp_url(request: pytest.FixtureRequest) -> str:
    """A virtual host that is empty."""
    given = os.environ.get("ISLET_TEST_AMQP_URL")
    if given:
        return given
    server: PrivateRabbitMq = request.getfixturevalue("rabbitmq_server")
    return server.new_vhost()
