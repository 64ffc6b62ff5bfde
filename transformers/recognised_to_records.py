"""`recognised_to_records`: any vendor's file or answer, read by the step that its format asks for."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

from pydantic import ValidationError, model_validator

from clinical.vendors.parsing import Unreadable
from clinical.vendors.sniff import sniff
from engine import sdk
from transformers.apple_health_to_records import apple_health_to_records
from transformers.carelink_csv_to_records import carelink_csv_to_records
from transformers.carelink_to_records import carelink_to_records
from transformers.clarity_csv_to_records import clarity_csv_to_records
from transformers.dexcom_egvs_to_records import dexcom_egvs_to_records
from transformers.dexcom_events_to_records import dexcom_events_to_records
from transformers.dexcom_share_to_records import dexcom_share_to_records
from transformers.eversense_to_records import eversense_to_records
from transformers.fitbit_to_records import fitbit_to_records
from transformers.glooko_csv_to_records import glooko_csv_to_records
from transformers.health_auto_export_to_records import health_auto_export_to_records
from transformers.health_connect_to_records import health_connect_to_records
from transformers.librelinkup_to_records import librelinkup_to_records
from transformers.libreview_csv_to_records import libreview_csv_to_records
from transformers.nightscout_to_records import nightscout_to_records
from transformers.novopen_to_records import novopen_to_records
from transformers.open_mhealth_to_records import open_mhealth_to_records
from transformers.tandem_events_to_records import tandem_events_to_records
from transformers.tconnect_csv_to_records import tconnect_csv_to_records
from transformers.tidepool_to_records import tidepool_to_records
from transformers.vendor_patient import VendorSettings, named_patient
from transformers.vendor_readings import PATIENT_SYSTEM, PATIENT_VALUE, patient_of, refuse

_STEPS: Final[Mapping[str, sdk.Plugin[Any]]] = {
    plugin.name: plugin
    for plugin in (
        apple_health_to_records,
        carelink_csv_to_records,
        carelink_to_records,
        clarity_csv_to_records,
        dexcom_egvs_to_records,
        dexcom_events_to_records,
        dexcom_share_to_records,
        eversense_to_records,
        fitbit_to_records,
        glooko_csv_to_records,
        health_auto_export_to_records,
        health_connect_to_records,
        librelinkup_to_records,
        libreview_csv_to_records,
        nightscout_to_records,
        novopen_to_records,
        open_mhealth_to_records,
        tandem_events_to_records,
        tconnect_csv_to_records,
        tidepool_to_records,
    )
}


class RecognisedSettings(VendorSettings):
    """`only`: formats that may pass, by their steps; without it every one may. `steps`: what a step is told beside
    `timezone` and whose data it is, such as {libreview_csv_to_records: {dates: day-first}}."""

    only: tuple[str, ...] = ()
    steps: Mapping[str, Mapping[str, Any]] = {}

    @model_validator(mode="after")
    def _steps_take_it(self) -> Self:
        for name in (*self.only, *self.steps):
            if name not in _STEPS:
                raise ValueError(f"{name} is no step that reads a vendor's format; there are: {', '.join(_STEPS)}")
            try:
                self.settings_of(name, "system")
            except ValidationError as error:
                first = error.errors(include_input=False)[0]
                place = ".".join(map(str, first["loc"]))
                raise ValueError(f"steps.{name}.{place}: {first['msg']}") from None
        return self

    def settings_of(self, name: str, system: str) -> sdk.Settings:
        """The settings of a step, for a patient whom the message names."""
        model = _STEPS[name].settings
        common = {"timezone": self.timezone, "patient": {"system": system}}
        told = {key: value for key, value in common.items() if key in model.model_fields and value is not None}
        return model.model_validate({**told, **self.steps.get(name, {})})


@sdk.transformer("recognised_to_records", settings=RecognisedSettings, emits=sdk.Shape.RECORDS)
def recognised_to_records(
    message: sdk.Message, settings: RecognisedSettings
) -> sdk.StepOutput | Sequence[sdk.StepOutput]:
    """What the step of the body's format makes of it; the format stands in the meta `format`.

    Raises InvalidMessage `format-unknown` with the nearest guess, `format-unwanted` for a format that is read
    elsewhere, and what the step raises.
    """
    try:
        found = sniff(message.body)
    except Unreadable as unreadable:
        refuse(unreadable)
    step = found.step or ""
    if step not in _STEPS or (settings.only and step not in settings.only):
        remedy = f"it is read by {step}: put it where that is" if step else "no step reads it"
        raise sdk.InvalidMessage(f"this is {found.name}, which is not read here; {remedy}", code="format-unwanted")
    patient = patient_of(message) or named_patient(message, settings.patient)
    whose = {PATIENT_SYSTEM: patient.system, PATIENT_VALUE: patient.value}
    output: sdk.StepOutput | Sequence[sdk.StepOutput] = _STEPS[step](
        message.but(meta={"format": found.name, **whose}), settings.settings_of(step, patient.system)
    )
    return output
