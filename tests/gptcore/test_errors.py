"""Complaints of pydantic in plain words: the field, the value and what is allowed."""

from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gptcore.errors import error_line, first_line, first_problem


class Inner(BaseModel):
    size: int = Field(default=1, gt=0)


class Toy(BaseModel):
    model_config = ConfigDict(extra="forbid")

    number: float = Field(default=1.0, ge=0, lt=2, allow_inf_nan=False)
    count: int = Field(default=1, ge=1, le=9)
    interval: int = 1  # begins like the name of a type
    yes: bool = True
    word: Literal["a", "b"] = "a"
    context: Literal["longest", "model"] | int = "model"
    names: list[str] = Field(default=["a"], min_length=1, max_length=2)
    table: dict[str, int] = {}
    inner: Inner = Inner()
    even: int = 2

    @field_validator("even")
    @classmethod
    def _is_even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("use an even number")
        return value


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"number": "x"}, "number = 'x': use a number"),
        ({"number": float("nan")}, "number = nan: use a finite number"),
        ({"number": -1}, "number = -1: use 0 or more"),
        ({"number": 2}, "number = 2: use less than 2"),
        ({"count": 1.5}, "count = 1.5: use a whole number"),
        ({"count": "many"}, "count = 'many': use a whole number"),
        ({"count": 10}, "count = 10: use 9 or less"),
        ({"interval": "x"}, "interval = 'x': use a whole number"),
        ({"yes": 3}, "yes = 3: use true or false"),
        ({"word": "c"}, "word = 'c': use 'a' or 'b'"),
        ({"context": "x"}, "context = 'x': use 'longest' or 'model' or a whole number"),
        ({"names": "a"}, "names = 'a': use a list"),
        ({"names": []}, "names = []: use 1 or more entries"),
        ({"names": [3]}, "names.0 = 3: use text"),
        ({"table": 3}, "table = 3: use a table"),
        ({"inner": 3}, "inner = 3: use a table of fields"),
        ({"inner": {"size": 0}}, "inner.size = 0: use more than 0"),
        ({"even": 3}, "even = 3: use an even number"),
        ({"count": 0, "number": -1}, "number = -1: use 0 or more (and 1 more)"),
    ],
)
def test_plain_words(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Toy.model_validate(values)
    assert first_problem(caught.value, Toy) == said


def test_unknown_and_missing_fields() -> None:
    with pytest.raises(ValidationError) as caught:
        Toy.model_validate({"nummer": 1})
    assert first_problem(caught.value, Toy).startswith("unknown field 'nummer'; known fields: number, count")

    class Needs(BaseModel):
        name: str

    with pytest.raises(ValidationError) as caught:
        Needs.model_validate({})
    assert first_problem(caught.value, Needs) == "name is missing"


def test_an_error_is_one_line() -> None:
    assert error_line(ValueError("\n no place\nfor this")) == "ValueError: no place"
    assert error_line(KeyboardInterrupt()) == "KeyboardInterrupt"
    assert first_line(ValueError("\n no place\nfor this")) == "no place"
    assert first_line(KeyboardInterrupt()) == "KeyboardInterrupt"
