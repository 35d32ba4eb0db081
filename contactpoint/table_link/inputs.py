"""Files as one table, described by LINK.toml or guessed: one under the other, the file's name in each row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from contactpoint.table_link.by_words import is_wordy, of_the_same
from contactpoint.table_link.config import LinkConfig
from contactpoint.table_link.guess import INPUT_FILE, Guess, guess_config, guess_kinds, guess_record_id
from contactpoint.table_link.reading import FALLBACK, Table, encoding_of, read_file, texts
from schemas.errors import ConfigurationError

ROW_NUMBER: Final = "row_number"
"""What `record_id` says where rows are numbered from 1, in each file."""

OWN_ID: Final = "id_in_file"
"""The column, of several files stacked, with the record id as it stands in its file."""

_ONE_OF_A_KIND: Final = frozenset({"given_name", "surname", "date", "sex", "postcode"})


def read_table(paths: Sequence[Path], config: LinkConfig) -> Table:
    """Read the named columns of files, CSV values as text; several are one under the other (`inputs.stacked`).

    Raises ConfigurationError when a file cannot be read, a column is missing, or a record id is missing or repeated.
    """
    read = [renamed(read_file(path, config.delimiter, config.encoding), config.rename) for path in paths]
    if config.record_id == ROW_NUMBER:
        read = [numbered(table) for table in read]
    wanted = [name for name in config.used if name != INPUT_FILE]
    for path, table in zip(paths, read, strict=True):
        others = [name for other in read if other is not table for name in other.column_names]
        missing = [name for name in wanted if name not in table.column_names]
        if any(name not in others or name == config.record_id for name in missing):
            message = f"{path}: no column {', '.join(map(repr, missing))}; there are: {', '.join(table.column_names)}"
            raise ConfigurationError(message)
        _check_ids(path, table, config.record_id)
    return _one([table.select([n for n in wanted if n in table.column_names]) for table in read], paths, config)


def _one(tables: Sequence[Table], paths: Sequence[Path], config: LinkConfig) -> Table:
    names = file_names(paths)
    if len(tables) > 1:
        return stacked(dict(zip(names, tables, strict=True)), config.record_id)
    if INPUT_FILE in config.used:
        return with_file(tables[0], names[0])
    return tables[0]


def guessed_table(paths: Sequence[Path]) -> tuple[Table, Guess]:
    """Read files that nobody has described, and guess what their columns hold and which are the same.

    Where no column names each row of a file once, the rows are numbered. Raises ConfigurationError as `read_table`.
    """
    read = [read_file(path) for path in paths]
    notes = [
        f"{path} is not UTF-8 and was read as {FALLBACK}: look at letters such as é, or set encoding in LINK.toml"
        for path, table in zip(paths, read, strict=True)
        if encoding_of(table) == FALLBACK
    ]
    rename = guess_rename(read)
    tables = [renamed(table, rename) for table in read]
    ids = {guess_record_id(table) for table in tables}
    record_id = ids.pop() if len(ids) == 1 else None
    if record_id is None:
        record_id, tables = ROW_NUMBER, [numbered(table) for table in tables]
        notes.append("no column names each row once, so the rows are numbered from 1 (row_number)")
    table = stacked(dict(zip(file_names(paths), tables, strict=True)), record_id) if len(tables) > 1 else tables[0]
    guess = guess_config(table.drop_columns([OWN_ID]) if len(tables) > 1 else table, record_id)
    read_as = {encoding_of(each) for each in read if encoding_of(each)}
    settings = {"rename": rename, "encoding": read_as.pop() if read_as == {FALLBACK} else None}
    guess = replace(guess, config=guess.config.model_copy(update=settings), notes=tuple(notes))
    kept = [*guess.config.used, *([OWN_ID, INPUT_FILE] if len(tables) > 1 else [])]
    return table.select(list(dict.fromkeys(kept))), guess


def _check_ids(path: Path, table: Table, column: str) -> None:
    """Raise ConfigurationError unless the column names each row once."""
    counted = Counter(texts(table, column))
    missing = counted.pop("", 0)
    repeated = sum(count > 1 for count in counted.values())
    if missing or repeated:
        found = f"{missing} rows have none, {repeated} ids stand in several rows"
        remedy = 'mend them, or set record_id = "row_number"'
        message = f"{path}: column {column!r} (record_id) must name each row once, without gaps: {found}; {remedy}"
        raise ConfigurationError(message)


def file_names(paths: Sequence[Path]) -> list[str]:
    """Return a name for each file: its name without suffix, its whole path where two are called alike."""
    counted = Counter(path.stem for path in paths)
    return [path.stem if counted[path.stem] == 1 else str(path) for path in paths]


def numbered(table: Table) -> Table:
    """Return the table with its rows numbered from 1, unless a column of that name is there."""
    if ROW_NUMBER in table.column_names:
        return table
    return table.append_column(ROW_NUMBER, pa.array(np.arange(1, table.num_rows + 1)))


def renamed(table: Table, rename: Mapping[str, str]) -> Table:
    """Return the table with columns called anew, where the new name is not taken."""
    names = list(table.column_names)
    for place, name in enumerate(names):
        if rename.get(name, name) not in names:
            names[place] = rename[name]
    return table.rename_columns(names)


def guess_rename(tables: Sequence[Table]) -> dict[str, str]:
    """Return what later files call the columns of the first: the same but for signs and case, or alone of a kind."""
    first, rename = tables[0], dict[str, str]()
    first_id = guess_record_id(first)
    plain = {_plain(name): name for name in first.column_names}
    of_kind = _only_of_kind(first, first_id)
    for table in tables[1:]:
        own_id = guess_record_id(table)
        said = {own_id: first_id} if own_id and first_id else {}
        said |= {name: plain[_plain(name)] for name in table.column_names if _plain(name) in plain and name != own_id}
        free = {kind: name for kind, name in of_kind.items() if name not in said.values()}
        alike = {name: free[kind] for kind, name in _only_of_kind(table, own_id).items() if kind in free}
        found = {**alike, **said}
        found |= _same_text(table, first, known={*found, own_id}, taken={*found.values(), first_id})
        rename |= {name: known for name, known in found.items() if name != known}
    return rename


def _same_text(
    table: Table, first: Table, *, known: Collection[str | None], taken: Collection[str | None]
) -> dict[str, str]:
    """Return what is called otherwise in the first file though it is the one text left in both, of the same words."""
    left = [name for name in table.column_names if name not in known and is_wordy(texts(table, name))]
    free = [name for name in first.column_names if name not in taken and is_wordy(texts(first, name))]
    alone = len(left) == len(free) == 1 and of_the_same(texts(table, left[0]), texts(first, free[0]))
    return {left[0]: free[0]} if alone else {}


def stacked(tables: Mapping[str, Table], record_id: str) -> Table:
    """Return the rows of all files, in order, as text; ids carry the file's name, so no two are the same.

    A column that a file lacks is empty in its rows.
    """
    names = list(dict.fromkeys(name for table in tables.values() for name in table.column_names))
    parts = [_as_text(name, table, names, record_id) for name, table in tables.items()]
    return pa.concat_tables(parts)


def _as_text(file: str, table: Table, names: Sequence[str], record_id: str) -> Table:
    nothing = pa.nulls(table.num_rows, pa.string())
    columns: dict[str, Any] = {
        name: pa.array(texts(table, name), pa.string()) if name in table.column_names else nothing for name in names
    }
    columns[OWN_ID] = columns[record_id]
    columns[record_id] = pa.array([f"{file}:{each}" for each in columns[OWN_ID].to_pylist()], pa.string())
    return with_file(pa.table(columns), file)


def with_file(table: Table, file: str) -> Table:
    """Return the table with a column of the file's name, in the place of one that is called so."""
    others = table.select([name for name in table.column_names if name != INPUT_FILE])
    return others.append_column(INPUT_FILE, pa.array([file] * table.num_rows, pa.string()))


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _only_of_kind(table: Table, record_id: str | None) -> dict[str, str]:
    """Return the columns that alone are of their kind, by kind."""
    try:
        kinds = guess_kinds(table, record_id)
    except ConfigurationError:
        return {}
    counted = Counter(kinds.values())
    return {kind: name for name, kind in kinds.items() if counted[kind] == 1 and kind in _ONE_OF_A_KIND}
