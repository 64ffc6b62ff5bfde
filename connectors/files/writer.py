"""`file_writer`: each delivery becomes one file, whole or not at all."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from connectors.files.durable import in_words, rehearsed, sync_folder, write_whole
from connectors.files.naming import ENDINGS, check_template, file_name
from engine import sdk

Ending = Annotated[str, Field(pattern=r"^\.[A-Za-z0-9._-]{1,20}$")]


class FileWriterSettings(sdk.Settings):
    """Where files go and what they are called."""

    folder: Path = Field(description="An existing folder")
    file_name: Annotated[str, AfterValidator(lambda value: check_template(value, must=["id"]))] = Field(
        "{id}", description="From {id}, {channel} and {received:%Y%m%d}; must hold {id}"
    )
    ending: Ending | None = Field(None, description="By default that of the message's shape, such as .json")


class FileWriter:
    """Destination: a file for each delivery. See FileWriterSettings.

    The name comes from the delivery's id, so a repeat finds its file there and writes nothing. A file appears under
    its name in one step, and is on the disk when `send` returns.
    """

    def __init__(self, settings: FileWriterSettings, context: sdk.PluginContext) -> None:
        self._settings = settings
        self._context = context

    async def open(self) -> None:
        """Nothing to do: a folder that is away is for `send` to find out."""

    async def send(self, delivery: sdk.Delivery) -> sdk.Answer:
        """Raises Unavailable if the disk is full or the folder cannot be written to."""
        ending = self._settings.ending or ENDINGS[delivery.shape]
        path = self._settings.folder / (file_name(self._settings.file_name, delivery) + ending)
        try:
            existing = await asyncio.to_thread(_put, path, delivery.body)
        except OSError as error:
            raise in_words(error, "write into", self._settings.folder) from error
        return sdk.Answer("existing" if existing else "written", location=path.name, existing=existing)

    def rehearse(self, delivery: sdk.Delivery, word: str) -> sdk.Answer:  # noqa: ARG002
        """See `connectors.files.durable.rehearsed`: for channel tests."""
        raise rehearsed(word, self._settings.folder)

    def rehearse_in(self, folder: Path) -> "FileWriter":
        """One like this that writes into another folder: for channel tests."""
        return FileWriter(self._settings.model_copy(update={"folder": folder}), self._context)

    async def close(self) -> None:
        """Nothing stays open."""


def _put(path: Path, body: bytes) -> bool:
    """Was the file there before? Under its name there are whole files only."""
    if os.path.lexists(path):
        sync_folder(path.parent)  # a crash may have come between its rename and that
        return True
    write_whole(path, body)
    return False


plugin = sdk.destination("file_writer", FileWriter, settings=FileWriterSettings, side_by_side=True)
