"""HL7 v2: a lazy reader and a writer over bytes, and acknowledgements. Pure; speaks to no network."""

from clinical.hl7v2.ack import AckReply, Outcome, ack, answer_code, asks_for_both, parse_ack, plain_answer
from clinical.hl7v2.batches import Batch, is_batch, unpack
from clinical.hl7v2.charset import FALLBACK, known_charset
from clinical.hl7v2.delimiters import NULL, Delimiters
from clinical.hl7v2.errors import Hl7Error
from clinical.hl7v2.header import Header, header
from clinical.hl7v2.message import Message, parse
from clinical.hl7v2.paths import Path, parse_path
from clinical.hl7v2.segment import Raw, Segment

__all__ = [
    "FALLBACK",
    "NULL",
    "AckReply",
    "Batch",
    "Delimiters",
    "Header",
    "Hl7Error",
    "Message",
    "Outcome",
    "Path",
    "Raw",
    "Segment",
    "ack",
    "answer_code",
    "asks_for_both",
    "header",
    "is_batch",
    "known_charset",
    "parse",
    "parse_ack",
    "parse_path",
    "plain_answer",
    "unpack",
]
