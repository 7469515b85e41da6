"""Lays what TFX wrote (root.tar.gz) into a folder, as if TFX had written it there."""

from __future__ import annotations

import shutil
import sqlite3
import tarfile
from pathlib import Path

HERE = Path(__file__).parent
_PATHS = {"Artifact": "uri", "ArtifactProperty": "string_value", "ExecutionProperty": "string_value"}


def unpack(folder: Path) -> None:
    """Unpacks root, metadata store and pushed models, and puts the data beside them; paths in the store lead there."""
    with tarfile.open(HERE / "root.tar.gz") as archive:
        archive.extractall(folder)
    for number in (1, 2):
        add_span(folder, number)
    before = (folder / "FOLDER").read_text()
    with sqlite3.connect(folder / "metadata.sqlite") as store:
        for table, column in _PATHS.items():
            store.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (before, str(folder)))
    store.close()


def add_span(folder: Path, number: int) -> None:
    """Lays the next data before the pipeline."""
    place = folder / "data" / f"span-{number}"
    place.mkdir(parents=True)
    # With its time: TFX's cache knows a file by it.
    shutil.copy2(HERE / "data" / f"span-{number}.csv", place / "flights.csv")
