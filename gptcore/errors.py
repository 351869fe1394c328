"""The one exception for what the user can fix, and the words for what is wrong and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails


class UserError(Exception):
    """Bad input: the message is one line that names the field or file, the value and the remedy.

    The command line prints it and exits with code 2; nothing else in the project catches it.
    """


def error_line(error: BaseException) -> str:
    """An error as one line: its type, and the first line of what it says."""
    kind = type(error).__name__
    return kind if (said := first_line(error)) == kind else f"{kind}: {said}"


def first_line(error: BaseException) -> str:
    """The first line of what an error says; its type where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def closest(name: str, known: Iterable[str]) -> str:
    """A remedy for an unknown name: the known ones that look like it, else all of them."""
    known = list(known)
    close = difflib.get_close_matches(name, known)
    return f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(known) or 'none'}"


def first_problem(error: ValidationError, schema: type[BaseModel]) -> str:
    """pydantic's first complaint as one line: field, value, what is allowed."""
    problem = error.errors()[0]
    if not problem["loc"]:
        return allowed([problem])
    field = _field(problem)
    if problem["type"] == "extra_forbidden":
        return f"unknown field {field!r}; known fields: {', '.join(schema.model_fields)}"
    if problem["type"] == "missing":
        return f"{field} is missing"
    of_field = [one for one in error.errors() if _field(one) == field]
    more = (
        "" if len(of_field) == error.error_count() else f" (and {error.error_count() - len(of_field)} more)"
    )
    return f"{field} = {problem['input']!r}: {allowed(of_field)}{more}"


def allowed(problems: Sequence[ErrorDetails]) -> str:
    """What pydantic's complaints about one value allow, each in a field of a union, in plain words: use 1 or more."""
    kinds = [_allowed(problem) for problem in problems]
    known = [kind for kind in dict.fromkeys(kinds) if kind is not None]
    if known:
        return f"use {' or '.join(known)}"
    return problems[0]["msg"].removeprefix("Value error, ")


_ALLOWED = {
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table of fields",
    "model_attributes_type": "a table of fields",
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "too_short": "{min_length} or more entries",
    "too_long": "{max_length} entries or fewer",
    "string_too_short": "{min_length} or more characters",
    "string_too_long": "{max_length} characters or fewer",
}  # pydantic's kind of complaint -> what is allowed, with its context


_KINDS = {"int", "float", "str", "bool"}
_KINDS_OF = ("literal[", "constrained-", "function-", "tuple[", "list[")


def _allowed(problem: ErrorDetails) -> str | None:
    if (kind := _ALLOWED.get(problem["type"])) is None:
        return None
    context = problem.get("ctx", {})
    return kind.format(**{k: f"{v:g}" if isinstance(v, float) else v for k, v in context.items()})


def _field(problem: ErrorDetails) -> str:
    """Its name, without the places that pydantic adds for the members of a union."""
    parts = map(str, problem["loc"])
    return ".".join(part for part in parts if part not in _KINDS and not part.startswith(_KINDS_OF))
