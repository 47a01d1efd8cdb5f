"""SIGKILL at random moments loses at most the last second, and the next attempt finds whole files."""

from __future__ import annotations

import pytest
from kills import kills, told

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
