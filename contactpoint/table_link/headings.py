"""What the heading of a column says of what it holds, in several languages and however it is written."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_HUMP: Final = re.compile(r"(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BETWEEN: Final = re.compile(r"[\W_]+")
_DROPPED: Final = str.maketrans("", "", ".'`")

_ID: Final = re.compile(r"(?:(?:record|rec|unique|row|source)_?)?(?:id|no|nr|key)|index|uid|guid|uuid")
_SOURCE: Final = re.compile(r"(?:data_?)?(?:source|src|set|system|file)(?:_(?:name|system|dataset|file))?")
_ENTITY: Final = r"cluster|group|label|entity|person|individual|truth|ground_?truth|match|duplicate|dup|gold(?:en)?"
_ANSWERS: Final = re.compile(
    rf"(?:(?:true|gold(?:en)?|real|actual)_?)?(?:{_ENTITY})s?(?:_?(?:id|no|nr|key|true|label))?"
    rf"|(?:gold(?:en)?|true|truth|gt)_(?:{_ENTITY}|id|person|key)(?:_?id)?"
    r"|(?:label|id|person|cluster|entity)_true|is_?(?:match|dup\w*)"
)
_KINDS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("years", r"birth_?year|year_?(?:of_?)?birth|yob|geburtsjahr|(?:^|_)ages?(?:$|_)"),
        ("date", r"dob|do_b(?:$|_)|birth_?(?:date|day|dt)|(?:date|day|dt)_?(?:of_?)?birth|bdate|born|^birth$"),
        ("date", r"geb(?:urts)?_?(?:datum|tag)|fecha_?(?:de_?)?nac|naissance|(?:^|_)ne_le|^(?:dates?|datum|fecha)$"),
        ("exact", r"date|datum|fecha|(?:^|_)(?:dt|time)$"),  # of something else than a birth: the same, or not
        (
            "given_name",
            r"(?:first|fore|given|christian|middle|midl|mid)_?(?:names?\d*(?:$|_)|$)|(?:^|_)[fm]name|nombre|prenom|vorname",
        ),
        (
            "surname",
            r"(?:sur|last|family)_?names?|(?:^|_)lname|(?:^|_)last(?:$|_)|apellido|nachname|familienname|(?:^|_)nom(?:$|_)",
        ),
        ("sex", r"(?:^|_)(?:sex|gender|geschlecht|sexe|sexo)"),
        ("postcode", r"post_?(?:al_?)?code|(?:^|_)zip|(?:^|_)plz|postleitzahl|code_postal"),
        ("identifier", r"nhs|upn|uln|ssn|soc_?sec|passport|licen[cs]e|national_?id"),
        ("short_string", r"phone|(?:^|_)tel|mobile|e_?mail"),  # families share these, unlike a number of one person
        (
            "address",
            r"addr|street|strasse|suburb|(?<!ethni)city|town|village|locality|(?:^|_)place|(?:^|_)(?:ort|rue|ville)(?:$|_)",
        ),
    )
)
_FORMER: Final = re.compile(
    r"maiden|former|previous|(?:^|_)(?:prev|nee|alias|geburtsname)(?:$|_)|birth_(?:sur|last_)?name"
)
_WHOLE: Final = re.compile(
    r"(?:(?:full|whole|complete)_?|(?:person|people|patient|client|customer|contact|member|student|pupil|child|employee"
    r"|voter)s?_?)names?|nombre_completo|nom_complet|name_(?:full|complete)"
)
_WRITTEN: Final = re.compile(
    r"(?:.*_)?(?:created|updated|modified|inserted|loaded|imported|exported|extracted|changed)"
    r"(?:_(?:at|on|date|time|ts|datetime|by))?|(?:.*_)?timestamp|(?:date|time)_(?:created|updated|modified|inserted|loaded)"
    r"|last_(?:update|change|modification|login|seen|contact)(?:_(?:at|on|date|time))?"
)
_PLAIN: Final = re.compile(r"names?|nom|naam")


def plain(heading: str) -> str:
    """Return a heading as small words with "_" between: "Post code", "postCode" and "POST-CODE" are post_code."""
    humps = _HUMP.sub("_", heading.translate(_DROPPED))
    letters = unicodedata.normalize("NFKD", humps.replace("ß", "ss"))
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return _BETWEEN.sub("_", bare).strip("_").lower()


def kind_of(heading: str) -> str | None:
    """Return the comparison kind that a heading names, None if it names none."""
    return next((kind for kind, pattern in _KINDS if pattern.search(plain(heading))), None)


def numbers_rows(heading: str) -> bool:
    """Tell whether a column called so numbers the records."""
    return _ID.fullmatch(plain(heading)) is not None


def names_source(heading: str) -> bool:
    """Tell whether a column called so names the source of a record."""
    return _SOURCE.fullmatch(plain(heading)) is not None


def holds_answer(heading: str) -> bool:
    """Tell whether a column called so says which records are one: what is looked for, so no evidence."""
    return _ANSWERS.fullmatch(plain(heading)) is not None


def former_name(heading: str) -> bool:
    """Tell whether a column called so holds a name that somebody had before."""
    return _FORMER.search(plain(heading)) is not None


def whole_name(heading: str) -> bool:
    """Tell whether a column called so holds forename and surname of a person."""
    return _WHOLE.fullmatch(plain(heading)) is not None


def plain_name(heading: str) -> bool:
    """Tell whether a column is called just "name": of a person, or of anything else."""
    return _PLAIN.fullmatch(plain(heading)) is not None


def when_written(heading: str) -> bool:
    """Tell whether a column called so says when (or by whom) a record was written, not what of whom."""
    return _WRITTEN.fullmatch(plain(heading)) is not None
