"""LINK.toml: what the columns of a table mean, and where the model comes from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from connectors.toml_file import read_toml
from schemas.settings import Settings

FieldKind = Literal[
    "given_name",
    "surname",
    "date",
    "years",
    "sex",
    "postcode",
    "address",
    "identifier",
    "short_string",
    "text",
    "exact",
]


FIELD_NAME: Final = re.compile(r"\w(?:[\w ]*\w)?")
"""What a field may be called: blocking rules name fields inside brackets, with commas between."""


class FieldConfig(Settings):
    """One field: its comparison kind, and the column (or columns, joined by a space) that hold it.

    A date may stand in one column or in `year`, `month` and `day` columns. `alternates` are columns with other values
    of the same field (a former surname): the closest agreement counts. `format` says how a date column is written
    (`%m/%d/%Y`); left out, the order of day, month and year is told from all dates of a source. `whole_name`: the
    column holds whole names (Ann Smith; Smith, Ann), of which a given_name or a surname takes its part.
    """

    kind: FieldKind
    column: str | None = None
    columns: tuple[str, ...] = ()
    alternates: tuple[str, ...] = ()
    year: str | None = None
    month: str | None = None
    day: str | None = None
    format: str | None = None
    whole_name: bool = False

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        parts = (self.year, self.month, self.day)
        if any(parts) and (self.kind != "date" or self.year is None):
            msg = "year, month and day are for a field of kind 'date', and year is needed"
            raise ValueError(msg)
        if self.format is not None and (self.kind != "date" or any(parts)):
            msg = "format is for a field of kind 'date' in one column"
            raise ValueError(msg)
        if self.whole_name and self.kind not in {"given_name", "surname"}:
            msg = "whole_name is for a field of kind 'given_name' or 'surname'"
            raise ValueError(msg)
        if (self.column is not None) + bool(self.columns) + any(parts) != 1:
            msg = "give one of: column, columns, or year/month/day"
            raise ValueError(msg)
        return self

    @property
    def used(self) -> tuple[str, ...]:
        """Every column that the field reads."""
        named = (self.column, self.year, self.month, self.day)
        return (*(name for name in named if name is not None), *self.columns, *self.alternates)


class TrainConfig(Settings):
    """How to train on the table: `unsupervised`; by agreement of `identifiers`; or with `labels`.

    Labels are either `pairs`, a file with columns `left`, `right` (record ids) and optionally `match` (1 or 0, default
    1), or `person`, a column of the table that names the person where known.
    """

    method: Literal["unsupervised", "identifiers", "labels"] = "unsupervised"
    pairs: Path | None = None
    person: str | None = None
    seed: int = Field(default=1, ge=0)

    @model_validator(mode="after")
    def _labels(self) -> Self:
        given = (self.pairs is not None) + (self.person is not None)
        if given != (1 if self.method == "labels" else 0):
            msg = "method 'labels' needs one of: pairs (a file), person (a column); the other methods need neither"
            raise ValueError(msg)
        return self


class LinkConfig(Settings):
    """The whole file. `unique_in_source`: whether a source holds each person once (`yes`, `mostly`, `no`).

    `keep_twins_apart`: true: records with one date of birth, surname and place but unlike forenames are never one
    person. For tables of children; among adults the same is mostly one person by two names. Left out: only where a
    source that holds each person once has two such records; no record then joins the two, whatever source it is from.
    `birth_order`: a column with the place in a multiple birth, 1 to 7; other values say nothing. `delimiter` of a CSV:
    found in its header if left out; `encoding`: UTF-8, UTF-16 or cp1252 by the file's bytes. `record_id` may be
    `row_number`, `source` may be `input_file`. `rename`: what columns of one file are called in the others.
    """

    record_id: str
    source: str | None = None
    unique_in_source: Literal["yes", "mostly", "no"] = "no"
    keep_twins_apart: bool | None = None
    birth_order: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    rename: dict[str, str] = Field(default_factory=dict)
    model: Path | None = None
    train: TrainConfig | None = None
    fields: dict[str, FieldConfig] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_of_fields(self) -> Self:
        wrong = [name for name in self.fields if not FIELD_NAME.fullmatch(name)]
        if wrong:
            msg = f"{wrong[0]!r} is no name for a field (letters, digits, _ and spaces); say the heading in `column`"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _model_or_training(self) -> Self:
        if (self.model is None) == (self.train is None):
            msg = 'give either model = "FILE.json" or a [train] table, not both'
            raise ValueError(msg)
        if self.unique_in_source != "no" and self.source is None:
            msg = "unique_in_source says something about sources, but `source` names no column"
            raise ValueError(msg)
        return self

    @property
    def used(self) -> tuple[str, ...]:
        """Every column that the configuration names."""
        person = self.train.person if self.train else None
        named = [name for name in (self.record_id, self.source, self.birth_order, person) if name is not None]
        named += [column for field in self.fields.values() for column in field.used]
        return tuple(dict.fromkeys(named))


def load_link_config(path: Path) -> LinkConfig:
    """Read LINK.toml; its paths are relative to it. Raises ConfigurationError naming file, key and what is allowed."""
    config = read_toml(path, LinkConfig)
    train = config.train
    if train is not None and train.pairs is not None:
        train = train.model_copy(update={"pairs": path.parent / train.pairs})
    model = path.parent / config.model if config.model is not None else None
    return config.model_copy(update={"model": model, "train": train})
