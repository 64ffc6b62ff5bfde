"""Private RabbitMQ and PostgreSQL servers for tests: real ones, on free ports, in a folder of their own.

    with PrivatePostgres(folder) as server:       # started, and stopped at the end
        url = server.new_database()                # postgresql://islet:…@127.0.0.1:PORT/test_1

`kill` (SIGKILL), `pause` (SIGSTOP), `go_on` (SIGCONT) and `start` again on the same data are for tests of faults.
`available` says whether a server can be had here, installing Debian packages if that is allowed.
"""

from engine.testing.services.packages import NotHere, available
from engine.testing.services.postgres import PrivatePostgres
from engine.testing.services.rabbitmq import PrivateRabbitMq
from engine.testing.services.tls import TlsFiles

__all__ = ["NotHere", "PrivatePostgres", "PrivateRabbitMq", "TlsFiles", "available"]
