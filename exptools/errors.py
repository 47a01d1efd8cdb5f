"""The errors that a user can cause: one line each, never a traceback at the command line."""

from __future__ import annotations


class ExptoolsError(Exception):
    """Base of all errors of exptools.

    The text is part of the product: what was given, what is allowed, what to do.
    """


class RunDirError(ExptoolsError):
    """A run directory cannot be used or read."""


class LaunchError(ExptoolsError):
    """Jobs cannot be started as asked."""


class AffinityError(LaunchError, ValueError):
    """The wanted division of cores and GPUs is impossible; the text shows the arithmetic."""


class LoggingError(ExptoolsError):
    """The logger cannot record what it was given."""


class ViewError(ExptoolsError):
    """What was asked of the viewer cannot be answered."""
