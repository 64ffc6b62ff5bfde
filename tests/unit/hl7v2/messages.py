"""Synthetic messages for tests, and the folder of real ones."""

from pathlib import Path

import pytest

SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "samples" / "hl7v2"

MSH = "MSH|^~\\&|GLU|STM|ISLET|HUB|20261120101500||ORU^R01^ORU_R01|4711|P|2.5.1"
PID = "PID|1||MRN1^^^STM^MR||DOE^JANE"
OBR = "OBR|1|P1|F1|CGM^Glucose^L|||20261120095500"


def obx(
    number: int = 1,
    value: str = "182",
    unit: str = "mg/dL",
    *,
    kind: str = "NM",
    code: str = "99504-3^Glucose^LN",
    sub: str = "",
    status: str = "F",
    time: str = "20261120100000+0000",
    **more: str,
) -> str:
    """An OBX; other fields by number: `obx(f18="SN1")`."""
    fields = {1: str(number), 2: kind, 3: code, 4: sub, 5: value, 6: unit, 11: status, 14: time}
    fields |= {int(name[1:]): text for name, text in more.items()}
    return "|".join(["OBX", *(fields.get(n, "") for n in range(1, max(fields) + 1))]).rstrip("|")


def message(*lines: str, end: str = "\r") -> bytes:
    return "".join(line + end for line in lines).encode()


def oru(*observations: str, msh: str = MSH, pid: str = PID, obr: str = OBR) -> bytes:
    """A message of one patient with one order."""
    return message(msh, pid, obr, *(observations or (obx(),)))


def sample(path: str) -> bytes:
    """The bytes of a real message. Skips, loudly, where the samples are not there."""
    file = SAMPLES / path
    if not file.is_file():
        pytest.skip(f"real HL7 v2 samples are not on this machine: {file}")
    return file.read_bytes()
