"""A private PostgreSQL server."""

import os
import secrets
import shutil
import signal
import subprocess
from itertools import count
from pathlib import Path
from typing import Self

from engine.testing.services.packages import available
from engine.testing.services.processes import ServerProcess, free_port
from engine.testing.services.tls import TlsFiles

_USER = "islet"


def _programs() -> Path | None:
    """The folder with initdb and postgres: Debian keeps them out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


class PrivatePostgres:
    """A server with its data in `folder`, on a loopback port, with `fsync` on. PostgreSQL refuses to run as root: then
    it runs as Debian's user `postgres`, who must be able to reach the folder."""

    def __init__(self, folder: Path, *, tls: TlsFiles | None = None) -> None:
        """`tls`: speaks it to whoever asks. Raises NotHere if there is no PostgreSQL."""
        self._bin = available(_programs, "postgresql")
        self._folder = folder
        self._data = folder / "data"
        self._password = secrets.token_hex(16)
        self._tls = tls
        self._account = "postgres" if os.geteuid() == 0 else None
        self._number = count(1)
        self.port = free_port()
        # durability as in production, memory and workers for a small machine
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(folder),
            "fsync": "on",
            "synchronous_commit": "on",
            "shared_buffers": "128MB",
            "max_connections": "100",
        }
        if tls is not None:
            settings |= {
                "ssl": "on",
                "ssl_cert_file": str(tls.certificate),
                "ssl_key_file": str(self._data / "server.key"),
                "ssl_ca_file": str(tls.authority),
            }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._bin / "postgres"), "-D", str(self._data), *options]
        self._process = ServerProcess(command, folder / "server.log", env=os.environ, user=self._account)

    def __enter__(self) -> Self:
        self._make()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{_USER}:{self._password}@127.0.0.1:{self.port}/{database}"

    def new_database(self, template: str = "template1") -> str:
        """The URL of an empty database, or of a copy of another one."""
        name = f"test_{next(self._number)}"
        self.run_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        self.run_sql(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    def run_sql(self, sql: str, database: str = "postgres") -> str:
        """What psql prints. Raises RuntimeError with what it says is wrong."""
        done = subprocess.run(
            [str(self._bin / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), "-c", sql],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.strip()

    @property
    def running(self) -> bool:
        return self._process.running

    def start(self) -> None:
        """Start, or start again on the same data and port."""
        self._process.start(self._ready)

    def stop(self) -> None:
        """As its operator would: what is committed stays, sessions are ended."""
        self._process.end(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL, to all of it at once."""
        self._process.kill()

    def pause(self) -> None:
        """SIGSTOP: it is there and does nothing."""
        self._process.signal_all(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.signal_all(signal.SIGCONT)

    def _make(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._account:
            shutil.chown(self._folder, self._account, self._account)
        password = self._folder / "password"
        password.write_text(self._password)
        password.chmod(0o644 if self._account else 0o600)
        made = subprocess.run(
            [
                *(str(self._bin / "initdb"), "-D", str(self._data), "-U", _USER, "--pwfile", str(password)),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"),
            ],
            user=self._account,
            group=self._account,
            extra_groups=[] if self._account else None,
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        password.unlink()
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr[-1000:]}")
        if self._tls is not None:  # it takes only a key that nobody else can read
            key = Path(shutil.copy(self._tls.key, self._data / "server.key"))
            key.chmod(0o600)
            if self._account:
                shutil.chown(key, self._account, self._account)

    def _ready(self) -> bool:
        command = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-t", "1"]
        return subprocess.run(command, check=False).returncode == 0
