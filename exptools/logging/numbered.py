"""Tags that have their step in their name, as in `prefix(f"itr #{step} ")`: each is a curve of one point."""

from __future__ import annotations

import re

from exptools.say import say_once

MOST = 10  # steps that are found so before it is said: layer4, met at step 4, is none


class Numbered:
    """The steps of one run that were found in tags which came at that step for the first time."""

    def __init__(self) -> None:
        self._steps: set[int] = set()

    def meet(self, tag: str, step: int) -> None:
        """A tag that is new after `step`: that, or the one that is just beginning, may be in its name."""
        if len(self._steps) >= MOST or not any(letter.isdigit() for letter in tag):
            return
        numbers = {int(digits) for digits in re.findall(r"[0-9]{1,18}", tag)}
        self._steps |= numbers & {step, step + 1}
        if len(self._steps) >= MOST:
            say_once(
                f"tags have their step in their name, the last one is {tag!r}: each is a curve of one point. "
                "Give it by step= or set_step(); a prefix of texts alone is text_prefix()"
            )
