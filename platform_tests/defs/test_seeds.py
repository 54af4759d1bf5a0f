"""The whole way on real dumps: from files to latest state, through Dagster, as issue 2 states it to the row."""

import itertools
from datetime import datetime
from decimal import Decimal

import psycopg
import pytest

from platform_assets.defs.runs import Runner
from platform_assets.operations.ingest import anything_to_do, report_of
from platform_assets.settings import Settings
from platform_assets.storage.home import Home

LMS = r"""
sources:
  lms:
    pattern: 'dump_(?P<instance>v\d+)\.zip'
    delimited: {separator: "|", quote: "`", null: "NULL", formats: ["%b %d %Y %I:%M%p"]}
  hr:
    delimited: {header: false}
"""
KEYS = """
apiVersion: v3.1.0
kind: DataContract
id: lms
version: 1.0.0
status: active
schema:
  - {name: users, properties: [{name: user_id, logicalType: integer, physicalType: int, primaryKey: true, primaryKeyPosition: 1}]}
  - {name: courses, properties: [{name: course_id, logicalType: integer, primaryKey: true, primaryKeyPosition: 1}]}
  - name: user_assigned_courses
    properties: [{name: assign_course_id, logicalType: integer, primaryKey: true, primaryKeyPosition: 1}]
"""
HR = """
apiVersion: v3.1.0
kind: DataContract
id: hr
version: 1.0.0
status: active
schema:
  - name: departments
    properties:
      - {name: id, logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: department, logicalType: string, required: true}
  - name: jobs
    properties:
      - {name: id, logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: job, logicalType: string, required: true}
  - name: hired_employees
    properties:
      - {name: id, logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: name, logicalType: string, required: true}
      - {name: datetime, logicalType: timestamp, logicalTypeOptions: {timezone: true}, required: true}
      - {name: department_id, logicalType: integer, required: true, relationships: [{type: foreignKey, to: departments.id}]}
      - {name: job_id, logicalType: integer, required: true, relationships: [{type: foreignKey, to: jobs.id}]}
"""


@pytest.fixture
def settings(home: Home, platform_database: str) -> Settings:
    (home.root / "platform.yaml").write_text(LMS)
    home.dictionary.mkdir()
    (home.dictionary / "lms.odcs.yaml").write_text(KEYS)
    (home.dictionary / "hr.odcs.yaml").write_text(HR)
    return Settings.load(home.root)


def ingest(settings: Settings, paths, source, *, one_by_one=False):
    """What `platform-assets ingest` does; gives its report and a connection's answers."""
    messages: list[str] = []
    with Runner(settings) as runner:
        batches = [[path] for path in paths] if one_by_one else [paths]
        for batch in batches:
            work = anything_to_do(settings, runner.platform.catalog, batch, source, say=messages.append)
            errors = runner.ingest(work, say=messages.append)
            report = report_of(runner.platform.catalog, work, errors)
        return report


def rows(url, query):
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize("order", list(itertools.permutations(["mdp", "xpb", "xrf"])), ids="-".join)
def test_three_backups_give_one_state_in_every_order(order, settings, realdata, platform_database):
    paths = [realdata / "seeds" / "sql_backups" / f"backup_file_{name}.txt" for name in order]
    report = ingest(settings, paths, "shop", one_by_one=True)
    assert report.exit_code == (1 if order[-1] == "xrf" else 0)
    found = rows(platform_database, "SELECT id, quantity, updated_at FROM shop.compositions ORDER BY id")
    assert [row[0] for row in found] == [1, 2, 3, 4, 5, 8]
    by_id = {row[0]: row[1:] for row in found}
    assert by_id[3] == (Decimal("20.000"), datetime(2008, 7, 25, 10, 27, 34))
    assert by_id[4][1] == datetime(2008, 11, 26, 17, 0)
    recovered = rows(platform_database, "SELECT status, row_number, line, raw FROM catalog.rejects")
    assert [(status, number, line) for status, number, line, _ in recovered] == [("recovered", 2, 27)]
    assert recovered[0][3].startswith("(5,12,100,")


def test_three_instances_stand_side_by_side(settings, realdata, platform_database):
    report = ingest(settings, [realdata / "seeds" / "app_zips" / f"dump_v{n}.zip" for n in (1, 2, 3)], "lms")
    assert report.exit_code == 0, report.lines
    counts = {
        (version.split(".")[1], table): accepted
        for version, table, accepted in rows(platform_database, "SELECT version, table_name, accepted FROM catalog.snapshots")
    }
    assert counts == {
        ("dump_v1", "users"): 9,
        ("dump_v2", "users"): 9,
        ("dump_v3", "users"): 9,
        ("dump_v1", "courses"): 5,
        ("dump_v2", "courses"): 5,
        ("dump_v3", "courses"): 3,
        ("dump_v1", "user_assigned_courses"): 16,
        ("dump_v3", "user_assigned_courses"): 11,
    }
    mother = rows(
        platform_database,
        """SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'lms_versions' AND table_name = 'users'
           AND left(column_name, 1) <> '_' ORDER BY 1""",
    )
    assert dict(mother) == {
        "user_id": "integer",
        "is_active": "boolean",
        "first_name": "text",
        "last_name": "text",
        "email": "text",
        "country": "text",
        "instancecode": "text",
        "created_stamp": "timestamp without time zone",
    }
    assert rows(platform_database, "SELECT count(*) FROM lms_versions.users") == [(27,)]
    assert rows(platform_database, "SELECT count(*) FROM lms_versions.user_assigned_courses") == [(27,)]
    children = rows(
        platform_database,
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'lms_versions' AND table_name LIKE 'user_assigned%'"
        " AND table_type = 'BASE TABLE'",
    )
    assert len(children) == 3, "the mother and two children: the version without the table has none"
    assert rows(platform_database, "SELECT count(*), count(DISTINCT _instance) FROM lms.courses") == [(13, 3)]
    assert rows(platform_database, "SELECT created_stamp FROM lms.users WHERE user_id = 1") == [(datetime(2000, 12, 22, 23, 4),)]
    assert rows(
        platform_database, "SELECT assigned_date FROM lms.user_assigned_courses WHERE assign_course_id = 101 AND _instance = 'v1'"
    ) == [(datetime(2019, 1, 29, 5, 55),)]


def test_incomplete_hires_are_rejected_with_all_their_reasons(settings, realdata, platform_database):
    report = ingest(settings, [realdata / "seeds" / "csv_hr"], "hr")
    assert report.exit_code == 1
    assert {row["table"]: (row["rows_read"], row["accepted"], row["rejected"], row["latest_rows"]) for row in report.rows} == {
        "departments": (12, 12, 0, 12),
        "jobs": (183, 183, 0, 183),
        "hired_employees": (1999, 1929, 70, 1929),
    }
    rejects = rows(platform_database, "SELECT file, line, row_number, raw::json, violations FROM catalog.rejects ORDER BY line")
    assert len(rejects) == 70
    file, line, row, raw, violations = rejects[0]
    assert (file, line, row) == ("hired_employees.csv", 2, 2)
    assert raw == {"id": "2", "name": "Ty Hofer", "datetime": "2021-05-30T05:43:46Z", "department_id": "8", "job_id": None}
    assert [(violation["rule"], violation["code"]) for violation in violations] == [("required:job_id", "missing-value")]
    missing = {line: sum(value is None for value in raw.values()) for _, line, _, raw, _ in rejects}
    reasons = {line: len(violations) for _, line, _, _, violations in rejects}
    assert reasons == missing, "one reason for each missing value, none left out"
