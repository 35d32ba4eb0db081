"""Writing what came out, whole or not at all, after a look before the work whether it can be written."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from contactpoint.table_link.config import LinkConfig
from contactpoint.table_link.guess import INPUT_FILE
from contactpoint.table_link.inputs import OWN_ID
from contactpoint.table_link.reading import Table
from contactpoint.table_link.table import record_ids
from schemas.errors import ConfigurationError

_TABLES: Final = frozenset({"--out", "--pairs"})


def check_outputs(outputs: Mapping[str, Path | None], inputs: Sequence[Path | None]) -> None:
    """Make the folders of the files to be written. Raises ConfigurationError, by option, if one could not be written.

    So hours of work do not end in a mistake that could be seen at once.
    """
    taken = {path.resolve(): "the input" for path in inputs if path is not None}
    for option, path in outputs.items():
        if path is None:
            continue
        if path.resolve() in taken:
            _refuse(option, path, f"is {taken[path.resolve()]} too; name another file")
        if path.is_dir():
            _refuse(option, path, "is a folder; name a file in it")
        if option in _TABLES and path.suffix.lower() not in {"", ".csv", ".parquet", ".pq"}:
            _refuse(option, path, "is written as CSV or Parquet; let its name end in .csv or .parquet")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            _refuse(option, path, f"cannot be written: {error.strerror}")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            _refuse(option, path, "cannot be written: no permission")
        taken[path.resolve()] = option


def write_clusters(path: Path, table: Table, config: LinkConfig, clusters: np.ndarray[Any, Any]) -> None:
    """Write `record_id, cluster_id` of each row, in order; a cluster is named by the id of its first row.

    Of several files also the file's name and the id as it stands there.
    """
    ids = record_ids(table, config)
    columns = {"record_id": ids, "cluster_id": ids.take(pa.array(clusters))}
    if OWN_ID in table.column_names:
        columns |= {name: table[name] for name in (INPUT_FILE, OWN_ID)}
    _write(path, pa.table(columns))


def write_pairs(path: Path, columns: dict[str, Any]) -> None:
    """Write the scored pairs."""
    _write(path, pa.table(columns))


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all. Raises ConfigurationError if it cannot be written."""
    _whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def _write(path: Path, table: Table) -> None:
    if path.suffix.lower() == ".csv":
        _whole(path, lambda part: pa_csv.write_csv(table, part))
    else:
        _whole(path, lambda part: pq.write_table(table, part, compression="zstd"))


def _whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside the file and put it in its place: who reads it sees the old one or the new one."""
    direct = path.is_symlink() or (path.exists() and not path.is_file())  # /dev/stdout
    part = path if direct else path.with_name(f".{path.name}.part")
    try:
        write(part)
        part.replace(path)
    except OSError as error:
        if not direct:
            part.unlink(missing_ok=True)
        message = f"{path}: cannot be written: {error.strerror or error}"
        raise ConfigurationError(message) from error


def _refuse(option: str, path: Path, what: str) -> None:
    message = f"{option}: {path} {what}"
    raise ConfigurationError(message)
