"""Runs whose process is gone are closed; runs that live are left alone, also when a pid was used again."""

import os
import subprocess
import sys
import time

import dagster as dg
import psutil
import pytest

from platform_assets.defs.platform import PROCESS_TAG, process_lives, process_mark
from platform_assets.defs.sensors import close_lost_runs, lost_runs


@dg.op(pool="warehouse")
def any_op():
    pass


@dg.job
def any_job():
    any_op()


@pytest.fixture
def instance(tmp_path):
    """With storage of its own: an ephemeral one keeps no concurrency slots."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as found:
        yield found


@pytest.fixture
def dead() -> int:
    """The pid of a process that is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def started(instance, *, tags=None, status=dg.DagsterRunStatus.STARTED, said: str | None = None) -> dg.DagsterRun:
    run = instance.create_run_for_job(any_job, tags=tags, status=dg.DagsterRunStatus.NOT_STARTED)
    if said:
        instance.report_engine_event(said, run)
    if status in (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED):
        kinds = [dg.DagsterEventType.RUN_STARTING, dg.DagsterEventType.RUN_START][: 1 + (status == dg.DagsterRunStatus.STARTED)]
        for kind in kinds:
            instance.report_dagster_event(dg.DagsterEvent(kind.value, run.job_name), run.run_id)
    return instance.get_run_by_id(run.run_id)


def status_of(instance, run) -> dg.DagsterRunStatus:
    return instance.get_run_by_id(run.run_id).status


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED])
def test_a_run_whose_process_is_gone_is_closed_and_says_what_to_do(status, instance, dead):
    run = started(instance, tags={PROCESS_TAG: f"{dead}:1000.00"}, status=status)
    assert close_lost_runs(instance) == [run.run_id]
    assert status_of(instance, run) == dg.DagsterRunStatus.FAILURE
    assert any("Run it again" in entry.message for entry in instance.all_logs(run.run_id))
    assert close_lost_runs(instance) == [], "it is closed once"


def test_a_run_of_a_living_process_is_left_alone(instance):
    run = started(instance, tags={PROCESS_TAG: process_mark()})
    assert close_lost_runs(instance) == []
    assert status_of(instance, run) == dg.DagsterRunStatus.STARTED


def test_a_pid_that_another_process_uses_by_now_is_not_the_runs_process(instance):
    run = started(instance, tags={PROCESS_TAG: f"{os.getpid()}:{psutil.Process().create_time() - 100:.2f}"})
    assert close_lost_runs(instance) == [run.run_id]


def test_a_run_without_a_mark_is_known_by_the_pid_in_its_events(instance, dead):
    """A run that died before its first step: only Dagster's own words name its process."""
    gone = started(instance, said=f"Started process for run (pid: {dead}).")
    lives = started(instance, said=f"Started process for run (pid: {os.getpid()}).")
    assert close_lost_runs(instance) == [gone.run_id]
    assert status_of(instance, lives) == dg.DagsterRunStatus.STARTED


def test_a_run_of_which_no_process_is_known_yet_is_left_alone(instance):
    run = started(instance)
    assert close_lost_runs(instance) == []
    assert status_of(instance, run) == dg.DagsterRunStatus.STARTED


@pytest.mark.parametrize("marked", [True, False])
def test_a_run_that_never_began_is_closed_when_its_process_is_known_and_gone(marked, instance, dead):
    """One that waits in the queue has no process yet; one of `ingest` has, from its creation on."""
    tags = {PROCESS_TAG: f"{dead}:1.00"} if marked else None
    run = instance.create_run_for_job(any_job, tags=tags, status=dg.DagsterRunStatus.NOT_STARTED)
    assert close_lost_runs(instance) == ([run.run_id] if marked else [])
    assert status_of(instance, run) == (dg.DagsterRunStatus.FAILURE if marked else dg.DagsterRunStatus.NOT_STARTED)


def test_a_lost_run_gives_its_slot_back(instance, dead):
    storage = instance.event_log_storage
    storage.set_concurrency_slots("warehouse", 1)
    run = started(instance, tags={PROCESS_TAG: f"{dead}:1000.00"})
    assert storage.claim_concurrency_slot("warehouse", run.run_id, "any_op").is_claimed
    waiting = started(instance, tags={PROCESS_TAG: process_mark()})
    assert not storage.claim_concurrency_slot("warehouse", waiting.run_id, "any_op").is_claimed
    close_lost_runs(instance)
    assert storage.claim_concurrency_slot("warehouse", waiting.run_id, "any_op").is_claimed


def test_the_sensor_says_what_it_closed(instance, dead):
    run = started(instance, tags={PROCESS_TAG: f"{dead}:1000.00"})
    with dg.build_sensor_context(instance=instance) as context:
        assert run.run_id in lost_runs(context).skip_message
        assert lost_runs(context).skip_message == "no run is lost"


@pytest.mark.parametrize("mark", ["", "x", "12", "0x1:2", ":"])
def test_a_mark_that_is_none_is_of_no_living_process(mark):
    assert not process_lives(mark)


def test_a_zombie_does_not_live():
    """Its parent has not asked for its exit code yet: a code server that was killed leaves such run workers."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    born = psutil.Process(process.pid).create_time()
    until = time.monotonic() + 10
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert not process_lives(f"{process.pid}:{born:.2f}")
    process.wait()
