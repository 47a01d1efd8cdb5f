"""SIGKILL at random moments loses at most the last second, and the next attempt finds whole files."""

from __future__ import annotations

from pathlib import Path

import pytest
from kills import LONGEST_S, Trial, kills, told

N = 100


@pytest.mark.slow
def test_a_kill_at_any_moment_loses_at_most_the_last_second() -> None:
    found = kills(N, seed=0)

    print(told(found))
    assert len(found) == N
    assert sum(kill.n_logged for kill in found) > 20 * N
    # The disk and a busy machine come on top of the second.
    late = [kill for kill in found if kill.lost_s > 1.5]
    assert not late, told(found)


def test_a_kill_between_two_files_leaves_each_what_it_had(tmp_path: Path) -> None:
    kill = Trial(tmp_path, "between").kill(LONGEST_S)

    assert kill.lost_s > LONGEST_S / 4  # it ended after two seconds, and the event file has the first alone
    assert kill.torn == ()
