"""HL7 v2: a lazy reader and a writer over bytes, and acknowledgements. Pure; speaks to no network."""

from clinical.hl7v2.ack import AckReply, ack, parse_ack
from clinical.hl7v2.delimiters import NULL, Delimiters
from clinical.hl7v2.errors import Hl7Error
from clinical.hl7v2.header import Header, header

__all__ = ["NULL", "AckReply", "Delimiters", "Header", "Hl7Error", "ack", "header", "parse_ack"]
