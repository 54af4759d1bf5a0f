"""Loads that are killed, lose their database, meet each other or run out of room: the old rows or the new ones, and a retry mends it."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from ingesting import ask, command, finished, ingest, leftovers, mysql, put

from platform_assets.defs import database_loss
from platform_assets.defs.platform import PROCESS_TAG
from platform_assets.defs.runs import Runner
from platform_assets.defs.sensors import close_lost_runs
from platform_assets.errors import DatabaseUnavailable
from platform_assets.operations.ingest import anything_to_do, report_of
from platform_assets.settings import Settings
from platform_assets.storage.home import Home
from platform_assets.storage.server.embedded import EmbeddedServer
from platform_assets.storage.warehouse.protocol import claim

ROWS = 50_000
KILLS = 9
COLUMNS = "`id` int NOT NULL, `v` int, `updated_at` datetime, `t` varchar(60)"


def generation(number: int, rows: int = ROWS) -> str:
    """All rows of `big` as of one moment: every one has v = number."""
    moment = f"2024-01-{1 + number // 24:02d} {number % 24:02d}:00:00"
    return mysql("big", ((i, number, moment, f"{number} text of row {i}") for i in range(rows)), COLUMNS)


@pytest.fixture
def short_home() -> Iterator[Home]:
    """A home with its own embedded server, which is stopped afterwards."""
    root = Path(tempfile.mkdtemp(prefix="pa-"))
    root.chmod(0o755)
    try:
        yield Home(root)
    finally:
        EmbeddedServer(Home(root)).stop(force=True)
        shutil.rmtree(root, ignore_errors=True)


def state(url: str) -> tuple[int, int, int]:
    return ask(url, "SELECT count(*), min(v), max(v) FROM s.big")[0]


def by_version(url: str) -> list[tuple[int, int]]:
    return ask(url, "SELECT v, count(*) FROM s_versions.big GROUP BY 1 ORDER BY 1")


def advisory_locks(url: str) -> int:
    return ask(url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")[0][0]


def kill_after(process: subprocess.Popen[str], seconds: float) -> bool:
    """Whether the process had to be killed."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


@pytest.mark.long
def test_a_load_killed_at_any_moment_shows_the_old_rows_or_the_new_and_the_next_one_completes_it(short_home):
    url = EmbeddedServer(short_home).ensure_running().url("warehouse")
    put(short_home.dumps / "s" / "g0.sql", generation(0))
    code, printed = finished(command(short_home.root, "ingest"))
    assert code == 0, printed
    moments, number, killed = random.Random(20240101), 0, 0
    while killed < KILLS:
        number += 1
        put(short_home.dumps / "s" / f"g{number}.sql", generation(number))
        while killed < KILLS:
            killed += kill_after(command(short_home.root, "ingest"), moments.uniform(1.2, 3.6))
            assert state(url) in ((ROWS, number - 1, number - 1), (ROWS, number, number))
            assert by_version(url) in ([(v, ROWS) for v in range(number)], [(v, ROWS) for v in range(number + 1)])
            if state(url)[1] == number:
                break
    code, printed = finished(command(short_home.root, "ingest"))
    assert code == 0, printed
    assert state(url) == (ROWS, number, number)
    assert by_version(url) == [(v, ROWS) for v in range(number + 1)]
    put(short_home.dumps / "s" / "last.sql", mysql("small", [(1, "a")]))
    code, printed = finished(command(short_home.root, "ingest"))
    assert (code, leftovers(short_home), advisory_locks(url)) == (0, [], 0), printed
    assert ask(url, "SELECT count(*) FROM pg_tables WHERE tablename LIKE '\\_loading\\_%%'") == [(0,)]


class Interrupted:
    """A load in this process during which something happens once: when a stage has put its first rows through."""

    def __init__(self, settings: Settings, stage: str, happens) -> None:
        self.settings, self.stage, self.happens, self.happened = settings, stage, happens, False

    def __call__(self, stage: str, table: str, rows: int) -> None:
        if stage.startswith(self.stage) and not self.happened:
            self.happened = True
            self.happens(stage.split()[-1])

    def run(self):
        with Runner(self.settings, progress=self) as runner:
            work = anything_to_do(self.settings, runner.platform.catalog, (), None, say=lambda line: None)
            errors = runner.ingest(work, say=lambda line: None)
            report = report_of(runner.platform.catalog, work, errors)
        assert self.happened, f"the load never came to {self.stage!r}"
        return report


@pytest.fixture
def quiet_environment(monkeypatch):
    """What a Runner sets in the environment is taken back."""
    for name in ("DAGSTER_HOME", "PLATFORM_HOME", "DAGSTER_EVENT_BATCH_SIZE", "DAGSTER_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, os.environ.get(name, ""))


def kill_server(home: Home) -> None:
    pid = EmbeddedServer(home).status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("stage", ["parse", "publish"])
def test_a_server_killed_under_a_load_is_waited_for_and_the_load_is_done(stage, short_home, quiet_environment):
    put(short_home.dumps / "s" / "g1.sql", generation(1))
    report = Interrupted(Settings.load(short_home.root), stage, lambda _: kill_server(short_home)).run()
    url = EmbeddedServer(short_home).ensure_running().url("warehouse")
    assert (report.exit_code, report.facts["errors"]) == (0, {})
    assert (state(url), by_version(url)) == ((ROWS, 1, 1), [(1, ROWS)])
    assert ask(url, "SELECT state FROM catalog.versions") == [("published",)]
    assert advisory_locks(url) == 0


def test_a_connection_cut_in_the_middle_of_a_copy_is_made_again(home, platform_database):
    put(home.dumps / "s" / "g1.sql", generation(1))

    def cut(_: str) -> None:
        ask(
            platform_database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY %%' AND datname = current_database()",
        )

    report = Interrupted(Settings.load(home.root), "publish", cut).run()
    assert (report.exit_code, report.facts["errors"]) == (0, {})
    assert (state(platform_database), by_version(platform_database)) == ((ROWS, 1, 1), [(1, ROWS)])


def test_a_server_that_stays_away_leaves_the_version_waiting_and_the_next_ingest_loads_it(home, short_home, quiet_environment, monkeypatch):
    server = EmbeddedServer(short_home)
    monkeypatch.setenv("PLATFORM_DATABASE_URL", server.ensure_running().with_password("postgres"))
    monkeypatch.setattr(database_loss, "BACK_SECONDS", 0.5)
    put(home.dumps / "s" / "g0.sql", generation(0))
    assert ingest(Settings.load(home.root)).exit_code == 0
    put(home.dumps / "s" / "g1.sql", generation(1))
    with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
        Interrupted(Settings.load(home.root), "publish", lambda _: server.stop(force=True)).run()
    url = server.ensure_running().with_password("postgres")
    monkeypatch.setenv("PLATFORM_DATABASE_URL", url)
    assert (state(url), by_version(url)) == ((ROWS, 0, 0), [(0, ROWS)])
    assert ask(url, "SELECT state, error FROM catalog.versions WHERE label = 'g1'") == [("running", None)]
    assert ingest(Settings.load(home.root)).exit_code == 0
    assert (state(url), by_version(url)) == ((ROWS, 1, 1), [(0, ROWS), (1, ROWS)])


def test_a_run_that_is_fenced_out_is_no_failure_and_what_it_left_is_done_by_the_next(home, platform_database):
    put(home.dumps / "s" / "g1.sql", generation(1))
    settings = Settings.load(home.root)
    report = Interrupted(settings, "publish", lambda key: claim(platform_database, f"version_table/{key}", "another run")).run()
    assert (report.exit_code, report.facts["errors"]) == (0, {})
    assert ask(platform_database, "SELECT state, error FROM catalog.versions") == [("running", None)]
    assert ingest(settings).exit_code == 0
    assert state(platform_database) == (ROWS, 1, 1)


def test_two_ingests_at_once_both_end_well_and_every_row_is_there_once(home, platform_database):
    for number in range(3):
        put(home.dumps / "s" / f"g{number}.sql", generation(number, 20_000))
    both = [command(home.root, "ingest", url=platform_database) for _ in range(2)]
    ends = [finished(process) for process in both]
    assert [code for code, _ in ends] == [0, 0], ends
    assert sum("waiting until it has ended" in printed for _, printed in ends) == 1, ends
    assert (state(platform_database), by_version(platform_database)) == ((20_000, 2, 2), [(v, 20_000) for v in range(3)])
    assert ask(platform_database, "SELECT state, attempts FROM catalog.versions") == [("published", 1)] * 3


def test_a_reader_never_sees_a_mixture_while_versions_are_published_and_replaced(home, platform_database):
    rows, settings = 5_000, Settings.load(home.root)
    put(home.dumps / "s" / "g0.sql", generation(0, rows))
    ingest(settings)
    seen, wrong, stop = [], [], threading.Event()

    def read() -> None:
        with psycopg.connect(platform_database, autocommit=True) as connection:
            while not stop.is_set():
                latest = connection.execute("SELECT count(*), min(v), max(v) FROM s.big").fetchone()
                versions = connection.execute("SELECT v, count(*) FROM s_versions.big GROUP BY v ORDER BY v").fetchall()
                seen.append(latest)
                whole = latest[0] == rows and latest[1] == latest[2] and {count for _, count in versions} == {rows}
                if not whole or [v for v, _ in versions] != list(range(len(versions))):
                    wrong.append((latest, versions))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(1, 4):
            put(home.dumps / "s" / f"g{number}.sql", wider(number, rows) if number == 2 else generation(number, rows))
            assert ingest(settings).exit_code == 0
        with Runner(settings) as runner:
            keys = [record.version for record in runner.platform.catalog.versions()]
            outcomes = runner.run_versions(keys, done=lambda outcome: None)
        assert [outcome.error for outcome in outcomes] == [None] * 4
    finally:
        stop.set()
        reader.join()
    assert wrong == []
    assert len(set(seen)) == 4, "the reader saw every state"


def wider(number: int, rows: int) -> str:
    """A generation with a column more: the latest state is altered, not only filled."""
    values = ((i, number, f"2024-01-01 {number:02d}:00:00", "t", i) for i in range(rows))
    return mysql("big", values, f"{COLUMNS}, `later` int")


def test_a_store_without_room_says_so_keeps_the_old_state_and_gives_the_space_back(home, platform_database):
    put(home.dumps / "s" / "g0.sql", generation(0, 1_000))
    assert ingest(Settings.load(home.root)).exit_code == 0
    noise = random.Random(1)
    big = mysql("big", ((i, 1, "2024-01-01 01:00:00", f"{noise.getrandbits(200):050x}") for i in range(80_000)), COLUMNS)
    put(home.dumps / "s" / "g1.sql", big)
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)); from platform_assets.cli import main; main()"
    )
    environment = os.environ | {"PLATFORM_DATABASE_URL": platform_database}
    words = [sys.executable, "-c", script, "--home", str(home.root), "ingest"]
    process = subprocess.run(words, capture_output=True, text=True, env=environment, cwd="/", timeout=90)
    printed = process.stdout + process.stderr
    assert process.returncode == 2, printed
    assert "cannot take more files: File too large" in printed and "make room" in printed and "Traceback" not in printed, printed
    assert leftovers(home) == []
    assert state(platform_database) == (1_000, 0, 0)
    assert ask(platform_database, "SELECT state, error FROM catalog.versions WHERE label = 'g1'") == [("running", None)]
    assert ingest(Settings.load(home.root)).exit_code == 0
    assert ask(platform_database, "SELECT v, count(*) FROM s.big GROUP BY v ORDER BY v") == [(1, 80_000)]


def test_a_run_that_was_killed_before_it_started_does_not_block_its_keys(home, platform_database):
    with Runner(Settings.load(home.root)) as runner:
        job = runner.definitions.resolve_job_def("ingest_dumps")
        run = runner.instance.create_run_for_job(job, tags={PROCESS_TAG: "999999:1.00"})
        assert close_lost_runs(runner.instance) == [run.run_id]
        assert runner.instance.get_run_by_id(run.run_id).is_finished
