"""What runs logged besides numbers and texts: images, sounds, histograms, tables."""

from exptools.viewing.media.contents import content, histogram
from exptools.viewing.media.entry import Entry, Origin
from exptools.viewing.media.look import Found, entries, read

__all__ = ["Entry", "Found", "Origin", "content", "entries", "histogram", "read"]
