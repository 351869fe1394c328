"""The one exception for what the user can fix, and the words for what is wrong and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError


class UserError(Exception):
    """Bad input: the message is one line that names the field or file, the value and the remedy.

    The command line prints it and exits with code 2; nothing else in the project catches it.
    """


def closest(name: str, known: Iterable[str]) -> str:
    """A remedy for an unknown name: the known ones that look like it, else all of them."""
    known = list(known)
    close = difflib.get_close_matches(name, known)
    return f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(known) or 'none'}"


def first_problem(error: ValidationError, schema: type[BaseModel]) -> str:
    """pydantic's first complaint as one line: field, value, what is allowed."""
    problem = error.errors()[0]
    if not problem["loc"]:
        return problem["msg"]
    field = ".".join(str(part) for part in problem["loc"] if not str(part).startswith(("literal[", "int")))
    if problem["type"] == "extra_forbidden":
        return f"unknown field {field!r}; known fields: {', '.join(schema.model_fields)}"
    if problem["type"] == "missing":
        return f"{field} is missing"
    more = "" if error.error_count() == 1 else f" (and {error.error_count() - 1} more)"
    return f"{field} = {problem['input']!r}: {problem['msg']}{more}"
