"""No test here may depend on secrets of the machine that it runs on."""

import os

import pytest


@pytest.fixture(autouse=True)
def _no_secrets_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("ISLET_SECRET"):
            monkeypatch.delenv(name)
