"""A directory that is claimed, and processes that are forked meanwhile."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

import pytest

from exptools import rundir
from exptools.errors import RunDirError


def is_claimed(path: Path) -> bool:
    try:
        with rundir.claimed(path, wait=False):
            return False
    except RunDirError as error:
        assert str(error) == f"{path} is in use by another process"
        return True


def test_a_child_that_was_forked_meanwhile_does_not_keep_the_claim(tmp_path: Path) -> None:
    with rundir.claimed(tmp_path):
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        child.start()
        assert is_claimed(tmp_path)

    still = is_claimed(tmp_path)
    child.kill()
    child.join()
    assert not still


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_that_leaves_the_block_leaves_the_claim_to_its_parent(tmp_path: Path) -> None:
    claim = rundir.claimed(tmp_path)
    claim.__enter__()
    pid = os.fork()
    if pid == 0:
        claim.__exit__(None, None, None)
        os._exit(0)
    os.waitpid(pid, 0)

    assert is_claimed(tmp_path)
    claim.__exit__(None, None, None)
    assert not is_claimed(tmp_path)
