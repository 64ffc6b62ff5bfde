"""The demo's project folder: five channels, the routes between them, and where the simulators are."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

CHANNELS: Mapping[str, str] = {
    "dexcom-in": """\
channel: dexcom-in
description: CGM readings in mg/dL from the vendor's cloud, for everybody who consented
site: stm
source:
  type: dexcom
  base_url: ${site.values.cloud}
  client_id: {secret: dexcom-client-id}
  client_secret: {secret: dexcom-client-secret}
  every: 1s
  overlap: 10m
  accounts:
ACCOUNTS
transform:
  - type: dexcom_egvs_to_records
""",
    "stm-oru-in": """\
channel: stm-oru-in
description: The same sensors once more, in mmol/L, as St Mary's tells them over HL7 v2
site: stm
source:
  type: mllp_listener
  port: 0
  accepts: [ORU^R01]
filter:
  keep_when:
    - {field: OBX-3.1, in: [99504-3, 105272-9]}
transform:
  - type: oru_to_records
    timezone: site
    assigner: STM
when_it_fails: hold
""",
    "reconcile": """\
channel: reconcile
description: One true reading for each patient and moment, whichever road it came by
source: {type: channel, shape: records}
transform:
  - type: identify_patient
    if_unknown: review
  - type: reconcile
    prefer: [fhir, hl7v2, cloud, csv]
    time_tolerance: 30s
    if_they_disagree: {otherwise: review}
when_it_fails: hold
""",
    "fhir-out": """\
channel: fhir-out
description: Reconciled readings as FHIR R4 Observations
site: stm
source: {type: channel, shape: records}
transform:
  - type: records_to_fhir
destinations:
  - name: fhir
    type: fhir_server
    base: ${site.values.fhir}
    batch: {up_to: 25}
    in_order: true
    at_once: 4
    retry: {first_wait: 200ms}
""",
    "oru-out": """\
channel: oru-out
description: Reconciled readings back to the hospital, in mmol/L, over HL7 v2
site: stm
source: {type: channel, shape: records}
transform:
  - type: records_to_oru
    timezone: site
    unit: mmol/L
    patient: ours
destinations:
  - name: hospital
    type: mllp_sender
    host: 127.0.0.1
    port: ${site.values.receiver_port}
""",
}
ROUTES: Mapping[str, Sequence[str]] = {
    "dexcom-in": ["reconcile"],
    "stm-oru-in": ["reconcile"],
    "reconcile": ["fhir-out", "oru-out"],
}
_ACCOUNT = """\
    - name: {name}
      patient: {{system: STM, value: {value}}}
      refresh_token: {{secret: dexcom-{name}}}
"""


def write_project(folder: Path, accounts: Mapping[str, str], *, cloud: str, fhir: str, receiver_port: int) -> None:
    """Write `channels/` and `routes.yaml`. `accounts`: name of the cloud account → the hospital's number of the patient."""
    written = "".join(_ACCOUNT.format(name=name, value=value) for name, value in accounts.items())
    (folder / "channels").mkdir(parents=True)
    for name, text in CHANNELS.items():
        (folder / "channels" / f"{name}.yaml").write_text(text.replace("ACCOUNTS\n", written), encoding="utf-8")
    values = {"cloud": cloud, "fhir": fhir, "receiver_port": receiver_port}
    site = {"name": "St Mary's", "timezone": "Europe/Dublin", "values": values}
    routes = {"routes": {name: list(fed) for name, fed in ROUTES.items()}, "sites": {"stm": site}}
    (folder / "routes.yaml").write_text(yaml.safe_dump(routes, sort_keys=False), encoding="utf-8")


def write_secrets(folder: Path, secrets: Mapping[str, str]) -> None:
    """One file for each secret, readable for its owner only."""
    folder.mkdir(mode=0o700)
    for name, value in secrets.items():
        (folder / name).write_text(value, encoding="utf-8")
        (folder / name).chmod(0o600)
