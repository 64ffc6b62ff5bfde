import pytest

from clinical.hl7v2 import Hl7Error, Path, parse_path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("OBX-5", Path("OBX", field=5)),
        ("obx[2]-5.1", Path("OBX", 2, 5, None, 1)),
        ("PID-3[1].4.2", Path("PID", None, 3, 1, 4, 2)),
        ("OBX[*]-3[*]", Path("OBX", 0, 3, 0)),
        ("Z01-1", Path("Z01", field=1)),
        ("MSH", Path("MSH")),
    ],
)
def test_paths_are_read_as_people_write_them(text: str, path: Path) -> None:
    assert parse_path(text) == path
    assert str(path) == text.upper()


@pytest.mark.parametrize(
    "text",
    ["", "OBX.5", "OBX-", "OBX5", "OBX-5.1.1.1", "OBX[x]-5", "OBX-0", "OBX-5.0", "OBX[0]-5", "PID-3[0]", "1BX-2"],
)
def test_what_is_no_path_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(Hl7Error, match=r"write one such as OBX-5"):
        parse_path(text)
