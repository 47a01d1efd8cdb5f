"""What a scatter is over where nobody chose."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from exptools.viewing.figures import series

if TYPE_CHECKING:
    from exptools.viewing.api import Runs
    from exptools.viewing.web.view import View


def with_over(runs: Runs, asked: View) -> View:
    """The view, where it is a scatter over no key with the first one that varies, if one does.

    A figure on paper asks which of them; a page shows one, and the others are a click away.

    Raises:
        ViewError: a key that there is not.
    """
    if asked.tab != "scatter" or asked.over:
        return asked
    members = tuple(runs.members)
    taken = {*series.resolved([k for k in (*asked.split, *(asked.by or ())) if k != "tag"], members)}
    varying = [key for key in series.averaged(members) if key not in taken]
    return replace(asked, over=tuple(varying[:1]))
