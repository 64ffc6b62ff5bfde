"""Servers that tests share: private ones, started when the first test asks for them.

`ISLET_TEST_POSTGRES_URL` and `ISLET_TEST_AMQP_URL` name servers to use instead (a database and a virtual host that
may be emptied). Where there is no server the tests that need one are skipped and say so; in CI they fail.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.testing.services import NotHere, PrivatePostgres, PrivateRabbitMq


def _folder(factory: pytest.TempPathFactory, name: str) -> Path:
    """Servers run under an account of their own, which must be able to get there."""
    folder = factory.mktemp(name)
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    return folder


def _missing(error: NotHere, suites: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(str(error))
    pytest.skip(f"LOUD: {suites} are not run: {error}")


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivatePostgres]:
    """A server of our own, for tests that kill and stop it too: they start it again."""
    try:
        server = PrivatePostgres(_folder(tmp_path_factory, "postgres"))
    except NotHere as error:
        _missing(error, "the PostgreSQL suites")
        raise
    with server:
        yield server


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database."""
    given = os.environ.get("ISLET_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    server: PrivatePostgres = request.getfixturevalue("postgres_server")
    url = server.new_database()
    yield url
    server.drop_database(url)


@pytest.fixture(scope="session")
def rabbitmq_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRabbitMq]:
    """A server of our own, for tests that kill and stop it too: they start it again."""
    try:
        server = PrivateRabbitMq(_folder(tmp_path_factory, "rabbitmq"))
    except NotHere as error:
        _missing(error, "the RabbitMQ suites")
        raise
    with server:
        yield server


@pytest.fixture
def amqp_url(request: pytest.FixtureRequest) -> str:
    """A virtual host that is empty."""
    given = os.environ.get("ISLET_TEST_AMQP_URL")
    if given:
        return given
    server: PrivateRabbitMq = request.getfixturevalue("rabbitmq_server")
    return server.new_vhost()
