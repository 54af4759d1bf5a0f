"""Makes the ZIP dumps of the sample source `lms`: `python platform_tests/samples.py` writes them into data/dumps/lms.

The other samples are text and are kept by hand. ZIPs cannot be reviewed in a diff, so their content stands here and test_samples.py
compares. One application in three regions: eu writes MySQL's type names, us and apac those of SQL Server; us has columns that the others
lack, apac has no enrolments; schemas list the columns in another order than the data and some end in a trailing comma.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "data" / "dumps" / "lms"
WRITTEN = (2024, 5, 6, 3, 0, 0)
"""The time of every member: a ZIP made twice is the same ZIP."""

Row = Sequence[str | None]


@dataclass(frozen=True)
class SampleTable:
    """`types` in the order of the JSON schema, `rows` in the order of `header`; None is an unquoted NULL."""

    name: str
    types: tuple[tuple[str, str], ...]
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    trailing_comma: bool = False

    def schema(self) -> str:
        lines = [f'    {{"column_name": "{name}", "column_type": "{kind}"}}' for name, kind in self.types]
        return "[\n" + ",\n".join(lines) + (",\n]\n" if self.trailing_comma else "\n]\n")

    def data(self) -> str:
        lines = ["|".join(self.header)]
        lines += ["|".join(_quoted(value) for value in row) for row in self.rows]
        return "\n".join(lines) + "\n"


def _quoted(value: str | None) -> str:
    return "NULL" if value is None else "`" + value.replace("`", "``") + "`"


EU = (
    SampleTable(
        "learners",
        (
            ("learner_id", "int"),
            ("is_active", "bool"),
            ("full_name", "varchar(120)"),
            ("email", "varchar(200)"),
            ("country", "char(2)"),
            ("credit", "decimal(10,2)"),
            ("created_stamp", "datetime"),
        ),
        ("learner_id", "full_name", "email", "is_active", "country", "created_stamp", "credit"),
        (
            ("1", "Anaïs Petit", "anais@example.org", "1", "FR", "Dec 22 2000 11:04PM", "120.50"),
            ("2", "Bo Lind", "bo@example.org", "1", "SE", "Jan 28 2019  5:55AM", "0.00"),
            ("3", "Carla | Conti", "carla@example.org", "0", "IT", "Feb  3 2020 12:00AM", None),
            ("4", "Dora Król", None, "1", "PL", "Mar 14 2021 12:30PM", "75.25"),
            ("5", "Emil Weiß", "emil@example.org", "1", None, "Apr  9 2021  9:05AM", "10.00"),
            ("6", "Fay `Fee` Byrne", "fay@example.org", "1", "IE", "May 30 2022  6:45PM", "-4.99"),
            ("7", "NULL", "", "0", "ES", "Jun 11 2023  1:15PM", None),
        ),
        trailing_comma=True,
    ),
    SampleTable(
        "courses",
        (
            ("course_id", "int"),
            ("title", "varchar(120)"),
            ("category", "varchar(40)"),
            ("mandatory", "bool"),
            ("price", "decimal(10,2)"),
            ("created_stamp", "datetime"),
        ),
        ("course_id", "title", "category", "created_stamp", "mandatory", "price"),
        (
            ("1", "Passwords", "Security", "Feb 14 2017 11:04PM", "1", "0.00"),
            ("2", "Phishing", "Security", "May 26 2018 11:04PM", "1", "0.00"),
            ("3", "Fire drill", "Safety", "Sep  1 2019  8:00AM", "1", None),
            ("4", "Writing well", "Skills", "Oct 12 2020 10:10AM", "0", "49.90"),
        ),
    ),
    SampleTable(
        "enrolments",
        (
            ("enrolment_id", "bigint"),
            ("learner_id", "int"),
            ("course_id", "int"),
            ("score", "decimal(5,2)"),
            ("assigned_date", "datetime"),
            ("started_date", "datetime"),
            ("completed_date", "datetime"),
        ),
        ("enrolment_id", "learner_id", "course_id", "assigned_date", "started_date", "completed_date", "score"),
        (
            ("1001", "1", "1", "Jan  8 2024  9:00AM", "Jan  9 2024  9:30AM", "Jan  9 2024 10:15AM", "92.50"),
            ("1002", "1", "4", "Jan  8 2024  9:00AM", None, None, None),
            ("1003", "2", "1", "Jan  8 2024  9:00AM", "Jan 20 2024  4:10PM", "Jan 20 2024  5:00PM", "71.00"),
            ("1004", "2", "2", "Jan 15 2024  9:00AM", "Feb  1 2024 11:59PM", None, None),
            ("1005", "4", "2", "Jan 15 2024  9:00AM", "Jan 16 2024 12:05AM", "Jan 16 2024  1:00AM", "100.00"),
            ("1006", "4", "3", "Feb 12 2024  9:00AM", None, None, None),
            ("1007", "5", "3", "Feb 12 2024  9:00AM", "Feb 29 2024 12:00PM", "Feb 29 2024 12:45PM", "64.75"),
            ("1008", "6", "4", "Mar  4 2024  9:00AM", "Mar  5 2024  8:20AM", None, None),
            ("1009", "7", "1", "Mar  4 2024  9:00AM", None, None, None),
        ),
        trailing_comma=True,
    ),
)

US = (
    SampleTable(
        "learners",
        (
            ("learner_id", "int"),
            ("full_name", "nvarchar(120)"),
            ("email", "nvarchar(200)"),
            ("phone", "varchar(30)"),
            ("department", "nvarchar(60)"),
            ("country", "nchar(2)"),
            ("is_active", "bit"),
            ("credit", "money"),
            ("created_stamp", "datetime"),
        ),
        ("learner_id", "is_active", "full_name", "email", "phone", "department", "country", "credit", "created_stamp"),
        (
            ("1", "1", "Gus Hale", "gus@example.org", "555-0101", "Sales", "US", "1249.5000", "Jul  4 2018  7:15AM"),
            ("2", "1", "Hana Ito", "hana@example.org", None, "Research", "US", "20.0000", "Aug 19 2018  2:40PM"),
            ("3", "0", "Ian O'Neil", "ian@example.org", "555-0103", None, "CA", None, "Nov 30 2019 12:01AM"),
            ("4", "1", "Joy Park", "joy@example.org", "555-0104", "Sales", "US", "0.0100", "Jan  1 2020 12:00PM"),
            ("5", "1", "Ken Ruiz\nJr.", "ken@example.org", "555-0105", "Support", "MX", "310.2500", "Dec 31 2022 11:59PM"),
        ),
    ),
    SampleTable(
        "courses",
        (
            ("course_id", "int"),
            ("title", "nvarchar(120)"),
            ("category", "nvarchar(40)"),
            ("language", "nchar(2)"),
            ("mandatory", "bit"),
            ("price", "money"),
            ("created_stamp", "datetime"),
        ),
        ("course_id", "title", "category", "language", "mandatory", "price", "created_stamp"),
        (
            ("1", "Passwords", "Security", "en", "1", "0.0000", "Mar  2 2017  3:30PM"),
            ("2", "Phishing", "Security", "en", "1", "0.0000", "Mar  2 2017  3:35PM"),
            ("3", "Forklift licence", "Safety", "es", "0", "180.0000", "Aug  8 2021  8:08AM"),
        ),
        trailing_comma=True,
    ),
    SampleTable(
        "enrolments",
        (
            ("enrolment_id", "bigint"),
            ("course_id", "int"),
            ("learner_id", "int"),
            ("assigned_date", "datetime"),
            ("started_date", "datetime"),
            ("completed_date", "datetime"),
            ("score", "decimal(5,2)"),
        ),
        ("enrolment_id", "learner_id", "course_id", "score", "assigned_date", "started_date", "completed_date"),
        (
            ("1001", "1", "1", "88.00", "Feb  5 2024  8:00AM", "Feb  6 2024 10:00AM", "Feb  6 2024 11:00AM"),
            ("1002", "2", "1", None, "Feb  5 2024  8:00AM", "Feb  7 2024  1:20PM", None),
            ("1003", "4", "2", "95.50", "Feb 19 2024  8:00AM", "Feb 19 2024  8:05AM", "Feb 19 2024  8:50AM"),
            ("1004", "5", "3", None, "Mar 18 2024  8:00AM", None, None),
            ("1005", "3", "2", None, "Mar 18 2024  8:00AM", None, None),
            ("1006", "1", "3", "79.25", "Mar 18 2024  8:00AM", "Apr  1 2024  7:00AM", "Apr  3 2024  4:30PM"),
        ),
    ),
)

APAC = (
    SampleTable(
        "learners",
        (
            ("learner_id", "int"),
            ("is_active", "flag"),
            ("full_name", "nvarchar(120)"),
            ("email", "nvarchar(200)"),
            ("country", "nchar(2)"),
            ("credit", "money"),
            ("created_stamp", "datetime"),
        ),
        ("created_stamp", "learner_id", "full_name", "email", "country", "is_active", "credit"),
        (
            ("Sep 17 2016 10:20AM", "1", "Liu Wei", "liu@example.org", "CN", "1", "15.0000"),
            ("Oct  5 2017  4:44PM", "2", "Mina Rao", "mina@example.org", "IN", "1", "0.0000"),
            ("Nov  2 2018  9:09PM", "3", "Noah Tan", None, "SG", "0", None),
            ("Dec 25 2019 12:12AM", "4", "Olivia Reid", "olivia@example.org", "AU", "1", "42.4200"),
        ),
    ),
    SampleTable(
        "courses",
        (
            ("course_id", "int"),
            ("title", "nvarchar(120)"),
            ("category", "nvarchar(40)"),
            ("mandatory", "flag"),
            ("price", "money"),
            ("created_stamp", "datetime"),
        ),
        ("course_id", "mandatory", "title", "category", "price", "created_stamp"),
        (
            ("1", "1", "Passwords", "Security", "0.0000", "Apr 10 2017  5:00PM"),
            ("5", "0", "Public speaking", "Skills", "65.0000", "Jun 21 2022 11:30AM"),
            ("6", "1", "Typhoon drill", "Safety", None, "Jul 15 2023  2:00PM"),
        ),
    ),
)

DUMPS: dict[str, tuple[SampleTable, ...]] = {
    "lms_eu_2024-05.zip": EU,
    "lms_us_2024-05.zip": US,
    "lms_apac_2024-05.zip": APAC,
}


def members(tables: Sequence[SampleTable]) -> dict[str, bytes]:
    """Name and content of each member: first the schemas, then the data, as an exporter writes them."""
    schemas = {f"{table.name}.json": table.schema().encode() for table in tables}
    return schemas | {f"{table.name}.dat": table.data().encode() for table in tables}


def archive(tables: Sequence[SampleTable]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name, content in members(tables).items():
            info = zipfile.ZipInfo(name, WRITTEN)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            info.create_system = 3
            target.writestr(info, content, compresslevel=9)
    return buffer.getvalue()


def write_samples(folder: Path) -> None:
    for name, tables in DUMPS.items():
        (folder / name).write_bytes(archive(tables))


if __name__ == "__main__":
    write_samples(FOLDER)
