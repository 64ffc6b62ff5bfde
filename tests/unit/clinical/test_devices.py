"""The catalogue of sensors."""

import pytest

from clinical import units
from clinical.devices import ASSUMED, MODELS, model_of
from clinical.records import Device


@pytest.mark.parametrize(
    ("device", "name"),
    [
        (Device(vendor="Dexcom", model="Dexcom G7", generation="g7"), "Dexcom G7"),
        (Device(vendor="Dexcom", model="Dexcom G6", generation="g6 pro"), "Dexcom G6"),
        (Device(vendor="Dexcom", generation="g715day"), "Dexcom G7 15 Day"),
        (Device(vendor="Dexcom", model="G6"), "Dexcom G6"),
        (Device(vendor="Dexcom", model="Dexcom ONE+"), "Dexcom ONE"),
        (Device(vendor="Abbott", model="FreeStyle Libre 3"), "FreeStyle Libre 3"),
        (Device(vendor="abbott", model="Libre 2"), "FreeStyle Libre 2"),
        (Device(vendor="Abbott", model="FreeStyle LibreLink"), "FreeStyle Libre"),
        (Device(vendor="Medtronic", model="Guardian(tm) 4 Sensor"), "Guardian 4 Sensor"),
        (Device(vendor="Senseonics", model="Eversense E3"), "Eversense E3"),
    ],
)
def test_a_device_is_found_as_its_source_names_it(device: Device, name: str) -> None:
    assert model_of(device).name.startswith(name)


@pytest.mark.parametrize(
    "device",
    [
        None,
        Device(),
        Device(vendor="Dexcom", generation="g9"),
        Device(vendor="Abbott", model="FreeStyle Libre 4"),
        Device(vendor="Medtronic", model="Dexcom G6"),
        Device(model="G6"),
    ],
)
def test_an_unknown_device_gets_the_default_and_its_mark(device: Device | None) -> None:
    found = model_of(device)
    assert found is ASSUMED
    assert not found.known
    assert "assumed" in found.interval_seconds.source


def test_one_plus_is_not_one() -> None:
    plus, one = (model_of(Device(vendor="Dexcom", model=name)) for name in ("Dexcom ONE+", "Dexcom ONE"))
    assert (plus.name, one.name) == ("Dexcom ONE+", "Dexcom ONE")
    assert plus.warm_up_minutes != one.warm_up_minutes


@pytest.mark.parametrize("model", [*MODELS, ASSUMED], ids=lambda model: model.name)
def test_every_figure_is_plausible_and_says_where_it_comes_from(model: object) -> None:
    assert isinstance(model, type(ASSUMED))
    for figure in (model.interval_seconds, model.warm_up_minutes, model.wear_hours):
        assert figure.value > 0
        assert figure.source
    assert model.measures.source
    for unit in (units.MG_DL, units.MMOL_L):
        low, high = model.measures.limits(unit)
        assert low < high
    low_mg, high_mg = model.measures.mg_dl
    near = [units.convert(steps, units.MG_DL, units.MMOL_L) for steps in (low_mg, high_mg)]
    assert near == list(model.measures.mmol_l)


def test_no_name_stands_for_two_models() -> None:
    for model in MODELS:
        assert {model_of(Device(vendor=model.vendor, model=name)) for name in model.names} == {model}
