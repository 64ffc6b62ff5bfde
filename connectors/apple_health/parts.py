"""An export on disk, plain or in its zip, read as bodies that each hold a part of it."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from clinical.vendors.apple_health_xml import Splitter
from clinical.vendors.parsing import Unreadable
from connectors.files.folder import Signature

_SLICE = 1 << 20
_XML = "export.xml"


def bodies(path: Path, expected: Signature, batch: int, largest: int) -> Iterator[bytes]:
    """The parts in order; memory does not grow with the file. Raises Unreadable, OSError."""
    if Signature.of(path.lstat()) != expected:
        raise Unreadable("the file has changed while it was read; put it in again", code="file-changed")
    splitter, read = Splitter(batch), 0
    with _opened(path) as file:
        try:
            while data := file.read(_SLICE):
                read += len(data)
                if read > largest:
                    raise Unreadable("the export is bigger than max_size allows", code="too-large")
                yield from splitter.feed(data)
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError):
            raise Unreadable("the zip is damaged or encrypted; export it again", code="zip-damaged") from None
    yield from splitter.finish()
    if Signature.of(path.lstat()) != expected:
        raise Unreadable("the file has changed while it was read; put it in again", code="file-changed")


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    if not zipfile.is_zipfile(path):
        with path.open("rb") as plain:
            yield plain
        return
    with zipfile.ZipFile(path) as packed:
        names = [name for name in packed.namelist() if name.rpartition("/")[2].lower() == _XML]
        names = names or [name for name in packed.namelist() if name.lower().endswith(".xml") and "cda" not in name]
        if not names:
            raise Unreadable("the zip holds no export.xml", code="not-apple-health")
        try:
            with packed.open(names[0]) as inside:
                yield inside
        except zipfile.BadZipFile:
            raise Unreadable("the zip is damaged; export it again", code="zip-damaged") from None
