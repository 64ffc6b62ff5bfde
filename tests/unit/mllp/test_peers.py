"""Which peers may connect."""

import hashlib
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from connectors.mllp.peers import AllowedAddress, AllowedAddresses, AllowedCertificate, certificate_allowed

DER = b"certificate"
SHOWN: dict[str, Any] = {
    "subject": ((("organizationName", "STM"),), (("commonName", "Lab Gateway"),)),
    "subjectAltName": (("DNS", "lab.stm.example"), ("IP Address", "10.2.0.7")),
}


def certificate(text: str) -> str:
    return str(TypeAdapter(AllowedCertificate).validate_python(text))


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.2.0.7", True),
        ("10.2.1.7", False),
        ("::ffff:10.2.0.7", True),
        ("fe80::1%eth0", True),
        ("2001:db8::1", False),
    ],
)
def test_an_address_is_allowed_by_itself_or_by_its_network(address: str, allowed: bool) -> None:
    assert (address in AllowedAddresses(["10.2.0.0/24", "fe80::1"])) is allowed


def test_an_empty_list_lets_everybody_in_and_what_is_no_address_is_on_no_list() -> None:
    assert "" in AllowedAddresses([])
    assert "" not in AllowedAddresses(["10.2.0.0/24"])


@pytest.mark.parametrize("wrong", ["lab.stm.example", "10.2.0.7/24", "10.2.0", ""])
def test_a_misspelt_address_is_told_what_to_write(wrong: str) -> None:
    with pytest.raises(ValidationError, match=r"10\.20\.0\.0/24"):
        TypeAdapter(AllowedAddress).validate_python(wrong)


def test_a_certificate_is_allowed_by_a_name_in_it_or_by_its_fingerprint() -> None:
    digits = hashlib.sha256(DER).hexdigest()
    colons = ":".join(digits[place : place + 2] for place in range(0, 64, 2)).upper()
    for text in ("LAB.stm.example", "10.2.0.7", f"sha256:{digits}", f"SHA256:{colons}"):
        assert certificate_allowed([certificate(text)], SHOWN, DER), text
    for text in ("stm.example", "gateway", "sha256:" + "0" * 64):
        assert not certificate_allowed([certificate(text)], SHOWN, DER), text


def test_the_common_name_counts_only_where_there_is_no_other_name() -> None:
    assert not certificate_allowed(["lab gateway"], SHOWN, DER)
    assert certificate_allowed(["lab gateway"], {"subject": SHOWN["subject"]}, DER)


def test_without_a_list_every_certificate_will_do_and_with_one_none_will_not() -> None:
    assert certificate_allowed([], None, None)
    assert not certificate_allowed(["lab.stm.example"], None, None)


@pytest.mark.parametrize("wrong", ["sha256:12", "*.stm.example", ""])
def test_a_misspelt_certificate_is_told_what_to_write(wrong: str) -> None:
    with pytest.raises(ValidationError, match="sha256: and"):
        certificate(wrong)
