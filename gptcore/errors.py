"""The one exception for what the user can fix, and what to offer for a name that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input: the message is one line that names the field or file, the value and the remedy.

    The command line prints it and exits with code 2; nothing else in the project catches it.
    """


def closest(name: str, known: Iterable[str]) -> str:
    """A remedy for an unknown name: the known ones that look like it, else all of them."""
    known = list(known)
    close = difflib.get_close_matches(name, known)
    return f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(known) or 'none'}"
