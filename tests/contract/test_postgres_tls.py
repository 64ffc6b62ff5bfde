"""A journal over TLS: certificates are checked as the URL says, and what is wrong is said."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from engine.journal.migrate import upgrade_postgres
from engine.journal.postgres import PostgresJournal
from engine.model.errors import Unavailable
from engine.testing.builders import a_message
from engine.testing.services import NotHere, PrivatePostgres
from tests.conftest import missing, tls_files


@pytest.fixture(scope="module")
def server(services_authority: trustme.CA) -> Iterator[PrivatePostgres]:
    with tempfile.TemporaryDirectory(prefix="islet-postgres-tls-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        try:
            made = PrivatePostgres(folder / "server", tls=tls_files(services_authority, folder))
        except NotHere as error:
            missing(error, "the PostgreSQL suites")
            raise
        with made:
            yield made


@pytest.fixture
def ca_file(services_authority: trustme.CA, tmp_path: Path) -> Path:
    services_authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path / "ca.pem"


async def test_everything_travels_over_tls(server: PrivatePostgres, ca_file: Path) -> None:
    url = f"{server.new_database()}?sslmode=verify-full&sslrootcert={ca_file}"
    await upgrade_postgres(url)
    journal = PostgresJournal(url)
    await journal.open()
    await journal.writer.accept([a_message(b"x")])
    async with journal.writer.transaction() as tx:
        await tx.lock(["none"])
        assert len(await journal.queries.in_flight("test", "", 10)) == 1
        told = server.run_sql(
            "SELECT bool_and(ssl), count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
            "WHERE application_name = 'islet'"
        )
    await journal.close()
    all_over_tls, _, count = told.partition("|")
    assert all_over_tls == "t"
    assert int(count) >= 3


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_certificate_of_somebody_else_or_for_another_name_is_refused_with_what_to_check(
    server: PrivatePostgres, ca_file: Path, host: str
) -> None:
    if host == "127.0.0.1":
        trustme.CA().cert_pem.write_to_path(ca_file)
    url = f"{server.new_database()}?sslmode=verify-full&sslrootcert={ca_file}".replace("@127.0.0.1", f"@{host}")
    with pytest.raises(Unavailable, match="certificate") as caught:
        await upgrade_postgres(url)
    assert caught.value.code == "journal-tls"
    journal = PostgresJournal(url)
    await journal.open()
    with pytest.raises(Unavailable, match="certificate"):
        await journal.writer.accept([a_message(b"x")])
    await journal.close()


async def test_a_server_without_tls_is_refused_where_the_url_asks_for_it(postgres_url: str) -> None:
    with pytest.raises(Unavailable, match="TLS"):
        await upgrade_postgres(f"{postgres_url}?sslmode=require")


async def test_a_certificate_file_that_is_not_there_is_said(server: PrivatePostgres, tmp_path: Path) -> None:
    url = f"{server.new_database()}?sslmode=verify-full&sslrootcert={tmp_path}/none.pem"
    with pytest.raises(Unavailable, match="sslrootcert"):
        await upgrade_postgres(url)


async def test_a_url_that_cannot_be_used_is_said(server: PrivatePostgres) -> None:
    with pytest.raises(Unavailable, match="URL cannot be used"):
        await upgrade_postgres(f"{server.new_database()}?sslmode=perhaps")


async def test_the_short_scheme_is_understood_everywhere(postgres_url: str) -> None:
    url = postgres_url.replace("postgresql://", "postgres://")
    await upgrade_postgres(url)
    journal = PostgresJournal(url)
    await journal.open()
    assert await journal.queries.channel_commands() == {}
    await journal.close()
