"""What the client library raises, as error words.

The texts are ours: what the broker said may hold a user's name. A cancelled future inside the library is a lost
connection, not a wish that we stop.
"""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from aio_pika import exceptions as amqp
from aiormq.exceptions import ChannelAccessRefused

from engine.model.errors import EngineError, NeedsOperator, Unavailable

_TEXTS = {
    "broker-away": "RabbitMQ cannot be reached; it is tried again",
    "broker-blocked": "RabbitMQ is short of memory or disk and takes nothing in; free some, or raise its limits",
    "broker-silent": "RabbitMQ has not answered in time; whether it has the tickets is not known",
    "broker-refused": "RabbitMQ did not take the ticket (a limit on the queue, or too few of its members are up)",
    "broker-login": "RabbitMQ refused the sign-in; check user and password of the setting `broker`",
    "broker-vhost": "RabbitMQ refused the virtual host; it does not exist, or this user may not use it",
    "broker-permission": "RabbitMQ forbids this to our user; it needs configure, write and read on the virtual host",
    "broker-tls": "no TLS with RabbitMQ; check scheme and port, ca_file, and the name in its certificate",
    "queue-differs": "a queue or the exchange is there with other properties; delete it, it is made and filled anew",
    "unroutable": "no such queue at RabbitMQ; start the engine that works on it, which declares it",
    "broker-client": "RabbitMQ's client library failed",
}
_FOR_A_PERSON = frozenset({"broker-login", "broker-permission", "broker-tls", "queue-differs"})


def trouble(code: str) -> Unavailable:
    """The error word with this code."""
    return Unavailable(_TEXTS[code], code=code)


def for_a_person(error: EngineError) -> NeedsOperator | None:
    """The same as a call for an operator, if waiting will not mend it."""
    return NeedsOperator(error.text, code=error.code) if error.code in _FOR_A_PERSON else None


@contextmanager
def words() -> Iterator[None]:
    """Around calls of the client library: raises Unavailable for whatever it raises."""
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise trouble("broker-away") from None
    except EngineError:
        raise
    except Exception as error:  # noqa: BLE001 - of a lost connection the library raises even a bare Exception
        raise trouble(code_of(error)) from None


def code_of(error: BaseException) -> str:
    """The code of an exception of the client library."""
    match error:
        case amqp.ProbableAuthenticationError() | amqp.AuthenticationError():
            return "broker-login"
        case ChannelAccessRefused():
            return "broker-permission"
        case amqp.ChannelPreconditionFailed():
            return "queue-differs"
        case amqp.DeliveryError():
            return "broker-refused"
        case amqp.InvalidFrameError() if "Connection.OpenOk" in str(error):  # it got a Close instead, and hides why
            return "broker-vhost"
        case _ if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
            return "broker-tls"
        case asyncio.CancelledError():
            return "broker-away"
        case _ if isinstance(error, amqp.CONNECTION_EXCEPTIONS) or type(error) is Exception:
            return "broker-away"
        case _:
            return "broker-client"
