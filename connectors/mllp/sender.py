"""`mllp_sender`: HL7 v2 messages to another system, each done only when that system's own answer says so."""

import asyncio
import socket
import ssl
from dataclasses import dataclass, field
from typing import Final

from clinical.hl7v2 import AckReply, Hl7Error, header
from connectors.mllp.answers import SILENT, AnswerTable, answer_key, reply_of
from connectors.mllp.client import Client, NoAnswer, NotCommitted, Rubbish, SentIds, WrongAnswer, connect
from connectors.mllp.framing import enclose
from connectors.mllp.pace import Pace
from connectors.mllp.settings import SenderSettings
from connectors.mllp.timing import within
from engine import sdk

_BOM: Final = b"\xef\xbb\xbf"


@dataclass
class _Line:
    """The place of one connection."""

    client: Client | None = None
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)


class MllpSender:
    """Keeps `connections` connections open with `window` messages under way on each, and re-opens what the other side
    closes.

    A message goes out as the same bytes on every attempt, so with the same MSH-10, by which the receiver can tell.
    """

    def __init__(self, settings: SenderSettings, context: sdk.PluginContext) -> None:
        self._settings = settings
        self._clock = context.clock
        self._log = context.log
        self._answers = AnswerTable(settings.answers)
        self._sent = SentIds()
        self._tls: ssl.SSLContext | None = None
        self._clients: set[Client] = set()
        self._free: asyncio.Queue[_Line] = asyncio.Queue()
        lines = [_Line() for _ in range(settings.connections)]
        for _ in range(settings.window):
            for line in lines:
                self._free.put_nowait(line)
        self._pace = Pace(context.clock, settings.pause_between)
        self._closed = False

    async def open(self) -> None:
        """See `Destination`. Raises NeedsOperator if certificates cannot be used."""
        if self._settings.tls is not None:
            self._tls = self._settings.tls.context()

    async def send(self, delivery: sdk.Delivery) -> sdk.Answer:
        """See `Destination`. Raises InvalidMessage if the message cannot be sent at all, NeedsOperator if a certificate
        is refused, else Unavailable, Refused or NeedsReview, as `answers` says."""
        block, control_id = outgoing(delivery.body)
        line = await self._free.get()
        try:
            await self._pace.turn()
            reply = await self._exchange(line, block, control_id)
        except NoAnswer as error:
            raise self._no_answer(error) from error
        except WrongAnswer as error:
            text = "an answer came whose MSA-2 is no control id of ours; it is not known if the message arrived"
            raise self._answers.failure("wrong_control_id", text) from error
        except NotCommitted as error:
            text = "the receiver's transport answered 15: the message is not in safe storage"
            raise self._answers.failure("not_committed", text) from error
        except Rubbish as error:
            raise self._answers.failure("rubbish", error.text, detail=error.detail) from error
        finally:
            self._free.put_nowait(line)
        self._pace.answered(reply.code)
        return self._answers.conclude(reply)

    def rehearse(self, delivery: sdk.Delivery, word: str) -> sdk.Answer:
        """What it would come to if the receiver answered `AA`, `AE: 204`, or did `no_answer`, `wrong_control_id`,
        `not_committed` or `rubbish`: for channel tests. Raises as `send`, and ValueError for any other word."""
        _, control_id = outgoing(delivery.body)
        key = answer_key(word.replace("-", "_"))
        if key in SILENT:
            raise self._answers.failure(key, f"the receiver's answer was: {key.replace('_', ' ')}")
        return self._answers.conclude(reply_of(key, control_id))

    async def close(self) -> None:
        """See `Destination`. What is under way ends as if the other side had hung up."""
        self._closed = True
        for client in tuple(self._clients):
            client.abort()
            await client.lost

    async def _exchange(self, line: "_Line", block: bytes, control_id: str) -> AckReply:
        """Send over this line. A connection that was kept may be closed by the other side just as we send (some do so
        after every message): where silence means retry, this one is tried again at once, over a new connection."""
        client = await self._client(line)
        kept = client.answers > 0
        try:
            return await client.exchange(block, control_id)
        except NoAnswer as error:
            if not (kept and error.code == "connection-lost" and self._answers.retries("no_answer")):
                raise
        client = await self._client(line)
        return await client.exchange(block, control_id)

    async def _client(self, line: "_Line") -> Client:
        """The line's connection, opened if there is none."""
        async with line.opening:
            if line.client is None or not line.client.usable:
                line.client = await self._connect()
            return line.client

    def _no_answer(self, error: NoAnswer) -> sdk.EngineError:
        # With TLS 1.3 a connection stands before the other side has looked at our certificate.
        if isinstance(error.error, ssl.SSLError) and "CERTIFICATE" in (error.error.reason or ""):
            return _certificate_refused(error.error.reason)
        return self._answers.failure("no_answer", error.text, code=error.code)

    async def _connect(self) -> Client:
        settings = self._settings
        where = f"{settings.host} port {settings.port}"
        if self._closed:
            raise sdk.Unavailable(f"the sender to {where} is closed", code="closed")
        try:
            return await within(self._clock, settings.connect_within, self._dial())
        except TimeoutError as error:
            text = f"no connection to {where} within {settings.connect_within:g} s"
            raise sdk.Unreachable(text, code="connect-timeout") from error
        except socket.gaierror as error:
            raise sdk.Unreachable(f"the name of {where} is not known here", code="unknown-host") from error
        except ssl.SSLError as error:
            raise _tls_failed(error, where) from error
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise sdk.Unreachable(f"no connection to {where}: {why}", code="not-connected") from error

    async def _dial(self) -> Client:
        settings = self._settings
        client = await connect(
            lambda: Client(self._clock, self._log, settings, self._sent),
            settings.host,
            settings.port,
            self._tls,
            settings.tls.server_name if settings.tls else None,
        )
        self._clients.add(client)
        client.lost.add_done_callback(lambda _: self._clients.discard(client))
        return client


def outgoing(body: bytes) -> tuple[bytes, str]:
    """The MLLP block for a message, and its control id. Raises InvalidMessage.

    Strict, because receivers are: no byte order mark, every segment ends with CR, the last one too.
    """
    try:
        control_id = header(body).control_id
    except Hl7Error as error:
        raise sdk.InvalidMessage(error.text, code=error.code, path=error.path) from error
    if not control_id:
        text = "the message has no control id, so no answer could be told to be its own; set MSH-10"
        raise sdk.InvalidMessage(text, code="no-control-id", path="MSH-10")
    content = body.removeprefix(_BOM).lstrip().rstrip(b"\r\n")
    if b"\n" in content:
        content = content.replace(b"\r\n", b"\r").replace(b"\n", b"\r")
    try:
        return enclose(content + b"\r"), control_id
    except ValueError as error:
        raise sdk.InvalidMessage(f"{error}; write such bytes as \\X0B\\ and \\X1C\\", code="not-framable") from error


def _tls_failed(error: ssl.SSLError, where: str) -> sdk.EngineError:
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"the certificate of {where} is not trusted: {error.verify_message}; check `ca` and `server_name`"
        return sdk.NeedsOperator(text, code="tls-certificate-not-trusted")
    if "CERTIFICATE" in (error.reason or ""):
        return _certificate_refused(error.reason)
    # Before TLS 1.3 this is also how a receiver says that it wants a certificate.
    text = f"no TLS with {where}: {error.reason or type(error).__name__}; check versions, and `certificate` and `key`"
    return sdk.Unreachable(text, code="tls-failed")


def _certificate_refused(reason: str | None) -> sdk.EngineError:
    text = f"the receiver does not take our certificate ({reason}); check `certificate` and `key` with its owner"
    return sdk.NeedsOperator(text, code="tls-certificate-refused")


plugin = sdk.destination("mllp_sender", MllpSender, settings=SenderSettings, accepts={sdk.Shape.HL7V2})
