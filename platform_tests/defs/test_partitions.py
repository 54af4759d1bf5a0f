"""Which partition keys share a run."""

from hypothesis import given
from hypothesis import strategies as st

from platform_assets.operations.run_plans import BATCH, PARTITION, RANGE_END, RANGE_START, plan_runs, run_tags

KEYS = [f"k{n:03}" for n in range(80)]


def test_few_keys_run_alone():
    assert plan_runs(KEYS[:4], KEYS) == [[key] for key in KEYS[:4]]


@given(st.lists(st.sampled_from(KEYS), unique=True, min_size=5).map(sorted))
def test_every_key_runs_once_and_only_neighbours_share_a_run(wanted):
    runs = plan_runs(wanted, KEYS)
    assert sorted(key for run in runs for key in run) == wanted
    for run in runs:
        first, last = KEYS.index(run[0]), KEYS.index(run[-1])
        assert run == KEYS[first : last + 1]
        assert len(run) <= BATCH


def test_tags_name_one_partition_or_a_range():
    assert run_tags(["a"]) == {PARTITION: "a"}
    assert run_tags(["a", "b"]) == {RANGE_START: "a", RANGE_END: "b"}
