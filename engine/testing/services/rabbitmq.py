"""A private RabbitMQ server, with an Erlang port mapper of its own."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
from itertools import count
from pathlib import Path
from typing import Self

from engine.testing.services.packages import available
from engine.testing.services.processes import ServerProcess, free_port
from engine.testing.services.tls import TlsFiles

_USER = "islet"
_VHOSTS = 24
"""Made at the start: making one later takes another Erlang machine and seconds."""


def _programs() -> Path | None:
    """The folder of the real scripts: those in `sbin` switch to another user."""
    found = Path("/usr/lib/rabbitmq/bin")
    return found if (found / "rabbitmq-server").exists() and shutil.which("epmd") else None


class PrivateRabbitMq:
    """A server with its data in `folder`, on a loopback port: own node, cookie, port mapper, log."""

    def __init__(self, folder: Path, *, management: bool = False, tls: TlsFiles | None = None) -> None:
        """`tls`: listens on `tls_port` too. Raises NotHere if there is no RabbitMQ."""
        self._bin = available(_programs, "rabbitmq-server")
        self._folder = folder
        self._password = secrets.token_hex(16)
        self._management = management
        self._tls = tls
        self._vhost = count(1)
        self.port, self.tls_port, self.management_port, mapper, distribution = (free_port() for _ in range(5))
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),  # the Erlang cookie is kept there
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"islet{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
        }
        self._mapper_port = mapper
        self._mapper = ServerProcess(["epmd", "-port", str(mapper)], folder / "epmd.log", env=self._env)
        self._process = ServerProcess([str(self._bin / "rabbitmq-server")], folder / "server.log", env=self._env)

    def __enter__(self) -> Self:
        self._make()
        self._mapper.start(lambda: _answers(self._mapper_port))
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._mapper.kill()  # it outlives its node

    def new_vhost(self) -> str:
        """The URL of a virtual host that nobody has used. Raises RuntimeError if all are used."""
        number = next(self._vhost)
        if number > _VHOSTS:
            raise RuntimeError(f"this server was made with {_VHOSTS} virtual hosts, and all of them are used")
        return f"amqp://{_USER}:{self._password}@127.0.0.1:{self.port}/test-{number}"

    def over_tls(self, url: str, host: str = "127.0.0.1") -> str:
        """The same place at the port for TLS."""
        return url.replace("amqp://", "amqps://").replace(f"@127.0.0.1:{self.port}/", f"@{host}:{self.tls_port}/")

    @property
    def running(self) -> bool:
        return self._process.running

    def start(self) -> None:
        """Start, or start again on the same data and port."""
        self._process.start(self._ready)

    def stop(self) -> None:
        self._process.end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, to all of it at once."""
        self._process.kill()

    def pause(self) -> None:
        """SIGSTOP: it is there and does nothing."""
        self._process.signal_all(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.signal_all(signal.SIGCONT)

    def control(self, *arguments: str) -> str:
        """What `rabbitmqctl` prints. Raises RuntimeError with what it says is wrong."""
        command = [str(self._bin / "rabbitmqctl"), "-q", "-n", self._env["RABBITMQ_NODENAME"], *arguments]
        done = subprocess.run(command, env=self._env, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            raise RuntimeError((done.stderr or done.stdout).strip())
        return done.stdout.strip()

    def _make(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        plugins = "[rabbitmq_management]." if self._management else "[]."
        (self._folder / "plugins").write_text(plugins)
        vhosts = ["/", *(f"test-{number + 1}" for number in range(_VHOSTS))]
        anything = {"configure": ".*", "write": ".*", "read": ".*"}
        definitions = {
            "users": [{"name": _USER, "password": self._password, "tags": "administrator"}],
            "vhosts": [{"name": name} for name in vhosts],
            "permissions": [{"user": _USER, "vhost": name, **anything} for name in vhosts],
        }
        (self._folder / "definitions.json").write_text(json.dumps(definitions))
        lines = [
            f"listeners.tcp.1 = 127.0.0.1:{self.port}",
            f"load_definitions = {self._folder}/definitions.json",
            "log.console = true",
            "log.file = false",
            "disk_free_limit.absolute = 50MB",
        ]
        if self._tls is not None:
            lines += [
                f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}",
                f"ssl_options.certfile = {self._tls.certificate}",
                f"ssl_options.keyfile = {self._tls.key}",
                f"ssl_options.cacertfile = {self._tls.authority}",
                "ssl_options.verify = verify_peer",
                "ssl_options.fail_if_no_peer_cert = false",
            ]
        if self._management:
            lines += ["management.tcp.ip = 127.0.0.1", f"management.tcp.port = {self.management_port}"]
        (self._folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")

    def _ready(self) -> bool:
        """The port opens when everything else is up."""
        return _answers(self.port)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
