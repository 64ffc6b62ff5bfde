from datetime import timedelta
from typing import Any

import hl7
import pytest
from pydantic import ValidationError

from clinical.hl7v2 import Message, parse
from clinical.records import (
    Analyte,
    Detection,
    Device,
    Glucose,
    Original,
    PatientRef,
    Quantity,
    Road,
    SourceId,
    Status,
    decode,
    encode,
)
from engine import sdk
from engine.testing.builders import STANDS_AT, a_message
from tests.builders import a_glucose, glucoses, ten_oclock
from transformers.oru_to_records import OruToRecordsSettings, oru_to_records
from transformers.records_to_oru import RecordsToOruSettings, records_to_oru
from transformers.validate_hl7 import ValidateHl7Settings, validate_hl7

PATIENT = PatientRef(system="STM", value="MRN1", id="p-1")


def reading(number: int = 0, **fields: Any) -> Glucose:
    known: dict[str, Any] = {
        "patient": PATIENT,
        "effective": ten_oclock(number * 300),
        "source": SourceId(road=Road.CLOUD, system="dexcom", value=f"rec-{number}"),
    }
    return a_glucose(**known | fields)


def outputs(*records: Glucose, id_: str = "m-1", **settings: Any) -> list[sdk.StepOutput]:
    message = a_message(encode(records), sdk.Shape.RECORDS, id_=id_, order_key="p-1")
    return list(records_to_oru(message, RecordsToOruSettings(**{"timezone": "Europe/Dublin", **settings})))


def written(*records: Glucose, **settings: Any) -> list[Message]:
    return [parse(output.body) for output in outputs(*records, **settings) if isinstance(output, sdk.Message)]


def one(*records: Glucose, **settings: Any) -> Message:
    (message,) = written(*records, **settings)
    return message


def test_a_reading_is_written_with_the_guides_code_its_unit_and_its_time_with_offset() -> None:
    message = one(
        reading(device=Device(vendor="Dexcom", model="G7", serial="SN1"), notes=("a|b",)),
        sending_facility="HUB^1.2.3^ISO",
        receiving_application="EHR",
        receiving_facility="STM",
    )
    glucose = "99504-3^Glucose [Mass/volume] in Interstitial fluid^LN"
    control_id, order = message.get("MSH-10"), message.get("OBR-3.1")
    assert message.raw.decode().split("\r") == [
        "MSH|^~\\&|ISLET|HUB^1.2.3^ISO|EHR|STM|20261120101500+0000||ORU^R01^ORU_R01|"
        f"{control_id}|P|2.5.1||||||UNICODE UTF-8",
        "PID|1||MRN1^^^STM^MR||^^^^^^U",
        f"OBR|1||{order}^ISLET|{glucose}|||20261120100000+0000|||||||||||||||20261120101500+0000|||F",
        f"OBX|1|NM|{glucose}|20261120100000|182|mg/dL^mg/dL^UCUM|||||F|||20261120100000+0000||||SN1^Dexcom",
        "NTE|1|L|a\\F\\b",
        "",
    ]


def test_summer_time_is_written_with_its_offset() -> None:
    july = reading(effective=ten_oclock(-142 * 86_400))
    assert one(july).get("OBX-14") == "20260701110000+0100"


@pytest.mark.parametrize(
    ("unit", "code", "value"),
    [("mg/dL", "99504-3", "182"), ("mmol/L", "105272-9", "10.1"), ("as_received", "99504-3", "182")],
)
def test_the_unit_decides_the_code(unit: str, code: str, value: str) -> None:
    message = one(reading(), unit=unit)
    assert (message.get("OBX-3.1"), message.get("OBR-4.1"), message.get("OBX-5")) == (code, code, value)
    assert message.get("OBX-6.1") == ("mg/dL" if unit == "as_received" else unit)


@pytest.mark.parametrize(
    ("analyte", "code"),
    [("capillary-glucose", "41653-7"), ("blood-glucose", "2339-0"), ("plasma-glucose", "2345-7")],
)
def test_every_analyte_has_its_own_code(analyte: str, code: str) -> None:
    assert one(reading(analyte=Analyte(analyte))).get("OBX-3.1") == code


def test_values_beyond_the_range_are_written_as_structured_numbers() -> None:
    message = one(
        reading(value=Quantity(steps=400, unit="mg/dL"), detection=Detection.ABOVE),
        reading(1, value=Quantity(steps=40, unit="mg/dL"), detection=Detection.BELOW),
    )
    assert message.values("OBX-2") == ["SN", "SN"]
    assert message.values("OBX-5") == [">^400", "<^40"]


@pytest.mark.parametrize(
    ("status", "code", "report"),
    [
        (Status.FINAL, "F", "F"), (Status.PRELIMINARY, "P", "P"), (Status.CORRECTED, "C", "C"),
        (Status.AMENDED, "C", "C"), (Status.ENTERED_IN_ERROR, "D", "C"),
    ],
)  # fmt: skip
def test_the_status_is_written_as_receivers_know_it(status: Status, code: str, report: str) -> None:
    message = one(reading(status=status))
    assert (message.get("OBX-11"), message.get("OBR-25")) == (code, report)


def test_entered_in_error_can_be_written_as_wrong_and_a_withdrawn_value_is_left_out() -> None:
    gone = reading(status=Status.ENTERED_IN_ERROR, original=Original(), value=Quantity(steps=0, unit="mg/dL"))
    message = one(gone, entered_in_error="W")
    assert (message.get("OBX-11"), message.get("OBX-5")) == ("W", "")


def test_the_control_id_is_the_same_on_every_retry_and_differs_between_messages_and_parts() -> None:
    many = [reading(n) for n in range(5)]
    first, again, other = (written(*many, id_=id_, at_most=2) for id_ in ("m-1", "m-1", "m-2"))
    ids = [message.get("MSH-10") for message in first]
    assert [message.raw for message in again] == [message.raw for message in first]
    assert len(set(ids) | {message.get("MSH-10") for message in other}) == 6
    assert all(len(id_) == 20 and id_.isalnum() for id_ in ids)
    assert [len(message.all("OBX")) for message in first] == [2, 2, 1]


def test_the_meta_names_the_control_id_and_the_order_key_stays() -> None:
    (output,) = outputs(reading())
    assert isinstance(output, sdk.Message)
    assert output.meta["control_id"] == parse(output.body).get("MSH-10")
    assert (output.meta["message_type"], output.order_key, output.shape) == ("ORU^R01", "p-1", sdk.Shape.HL7V2)


def test_readings_are_grouped_by_analyte_and_local_day_or_stand_alone() -> None:
    records = [reading(1), reading(0), reading(0, analyte=Analyte.BLOOD_GLUCOSE), reading(200)]
    by_day = one(*records)
    assert [segment.name for segment in by_day.segments[2:]] == ["OBR", "OBX", "OBR", "OBX", "OBX", "OBR", "OBX"]
    assert by_day.values("OBR-4.1") == ["2339-0", "99504-3", "99504-3"]
    assert by_day.values("OBX-14") == sorted(by_day.values("OBX-14"))
    assert by_day.values("OBR-8") == ["20261120100500+0000"]
    assert len(one(*records, group="reading").all("OBR")) == 4


def test_order_number_and_sub_id_do_not_depend_on_value_message_or_status_so_that_corrections_replace() -> None:
    first = one(reading())
    corrected = one(
        reading(value=Quantity(steps=99, unit="mg/dL"), status=Status.CORRECTED), reading(1), id_="m-9", unit="mmol/L"
    )
    assert corrected.values("OBR-3") == first.values("OBR-3")
    assert corrected.get("OBX-4") == first.get("OBX-4")
    assert len(set(corrected.values("OBX-4"))) == 2


def test_our_id_of_the_reading_stands_in_obx_21_where_the_version_has_it() -> None:
    record = reading(reading_id="r-77")
    assert one(record, version="2.6").get("OBX-21") == "r-77^ISLET"
    assert one(reading(), version="2.6").get("OBX-21") == "rec-0^dexcom"
    assert one(record, version="2.5.1").get("OBX-21") == ""


@pytest.mark.parametrize("version", ["2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7"])
def test_every_version_conforms_to_its_own_structure(version: str) -> None:
    (output,) = outputs(
        reading(device=Device(serial="SN1")),
        reading(1, detection=Detection.ABOVE),
        version=version,
        sending_facility="HUB",
    )
    assert validate_hl7(output, ValidateHl7Settings()) is output


def test_python_hl7_reads_what_is_written() -> None:
    theirs = hl7.parse(one(reading(notes=("50 & more",))).raw.decode())
    assert str(theirs.segment("OBX")[5]) == "182"
    assert theirs["NTE.F3"] == "50 & more"


def test_what_is_written_is_read_back_as_the_same_readings() -> None:
    records = [
        reading(n, value=Quantity(steps=100 + n, unit="mg/dL"), analyte=analyte, device=Device(vendor="D", serial="S"))
        for n, analyte in enumerate(Analyte)
    ]
    (output,) = outputs(*records)
    (back,) = oru_to_records(output, OruToRecordsSettings(timezone="UTC"))
    found = {(r.analyte, r.value, r.effective.millis, r.status, r.device) for r in glucoses(decode(back.body))}
    assert found == {(r.analyte, r.value, r.effective.millis, r.status, r.device) for r in records}


# --- who it is about


def test_the_patient_is_named_as_the_receiver_names_one() -> None:
    assert one(reading(), assigner="stm").get("PID-3") == "MRN1^^^stm^MR"
    assert one(reading(), patient="ours", identifier_type="PI").get("PID-3") == "p-1^^^ISLET^PI"


def test_patients_whom_the_receiver_does_not_know_are_set_aside_and_the_others_go() -> None:
    stranger = reading(1, patient=PatientRef(system="dexcom", value="u-1"))
    made = outputs(reading(), stranger, assigner="STM")
    (aside,) = (output for output in made if isinstance(output, sdk.Aside))
    assert (aside.error.code, aside.error.path) == ("patient-elsewhere", "records[1].patient.system")
    assert decode(aside.body) == (stranger,)
    assert len([output for output in made if isinstance(output, sdk.Message)]) == 1


def test_without_an_identifier_of_ours_the_patient_is_set_aside() -> None:
    (aside,) = outputs(reading(patient=PatientRef(system="STM", value="CANARY")), patient="ours")
    assert isinstance(aside, sdk.Aside)
    assert (aside.error.code, aside.error.path) == ("patient-missing", "records[0].patient.id")
    assert "CANARY" not in repr(aside) + str(aside.error)


def test_records_under_different_identifiers_go_in_different_messages() -> None:
    other = reading(1, patient=PatientRef(system="GH", value="9"))
    assert [message.get("PID-3.1") for message in written(reading(), other)] == ["MRN1", "9"]


def test_names_may_have_components_but_no_other_separators() -> None:
    with pytest.raises(ValidationError, match="separates fields"):
        RecordsToOruSettings(timezone="UTC", sending_application="A|B")


def test_a_body_that_holds_no_records_is_refused() -> None:
    with pytest.raises(sdk.InvalidMessage):
        records_to_oru(a_message(b"{}", sdk.Shape.RECORDS), RecordsToOruSettings(timezone="UTC"))


def test_the_time_of_the_message_is_when_it_was_received() -> None:
    message = a_message(
        encode([reading()]), sdk.Shape.RECORDS, received_at=STANDS_AT + timedelta(minutes=1, microseconds=7)
    )
    (output,) = records_to_oru(message, RecordsToOruSettings(timezone="UTC"))
    assert parse(output.body).get("MSH-7") == "20261120101600+0000"
