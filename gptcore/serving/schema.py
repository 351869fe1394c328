"""What is sent and answered as JSON, and its OpenAPI document. Imports no torch."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from gptcore.schema import Part


class PredictRequest(Part):
    """Texts to classify."""

    texts: list[str]


class ExplainRequest(Part):
    """One text."""

    text: str


class Answer(Part):
    """Of one text. label: null, with probability 0, for a text without anything to see."""

    label: str | None
    probability: float = Field(description="of the label, calibrated")
    probabilities: dict[str, float] = Field(description="of every label")
    cut: bool = Field(description="whether the text is longer than what the model reads")


class PredictResponse(Part):
    """The answers in the order of the texts."""

    answers: list[Answer]


class Word(Part):
    """text[begin:end] and how much it speaks for the label, in logits against the other."""

    text: str
    begin: int
    end: int
    weight: float


class ExplainResponse(Part):
    """The answer, and which words moved it."""

    answer: Answer
    against: str = Field(description="the most probable other label")
    words: list[Word]


class Health(Part):
    """That the server answers, and how busy it is."""

    status: str
    name: str
    labels: list[str]
    waiting: int = Field(description="texts that are not answered yet")


class Problem(Part):
    """Why there is no answer."""

    error: str


_PROBLEMS = {
    "400": "the body is not JSON",
    "413": "the request is larger than a limit",
    "422": "the request is not of this shape, or a text cannot be read",
    "429": "too many texts are waiting: try again later",
}


def openapi() -> dict[str, Any]:
    """The document at /openapi.json."""
    models = (PredictRequest, PredictResponse, ExplainRequest, ExplainResponse, Health, Problem)
    _, definitions = models_json_schema(
        [(model, "serialization") for model in models], ref_template="#/components/schemas/{model}"
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Text classifier", "version": "1"},
        "paths": {
            "/predict": {"post": _post("Classify texts", PredictRequest, PredictResponse)},
            "/explain": {"post": _post("Show which words moved an answer", ExplainRequest, ExplainResponse)},
            "/predict-file": {
                "post": {
                    "summary": "Classify the rows of a file: the same file comes back with label, probability and cut",
                    "parameters": [
                        _query("kind", {"enum": ["csv", "tsv", "jsonl"], "default": "csv"}),
                        _query("text_column", {"type": "string"}),
                        _query("encoding", {"type": "string"}),
                    ],
                    "requestBody": {"content": {"application/octet-stream": {}}, "required": True},
                    "responses": {"200": {"description": "the file, in UTF-8"}, **_problems()},
                }
            },
            "/health": {"get": {"summary": "Whether the server answers", "responses": _ok(Health)}},
        },
        "components": {"schemas": definitions["$defs"]},
    }


def _post(summary: str, asked: type[BaseModel], answered: type[BaseModel]) -> dict[str, Any]:
    body = {"content": {"application/json": {"schema": _ref(asked)}}, "required": True}
    return {"summary": summary, "requestBody": body, "responses": {**_ok(answered), **_problems()}}


def _ok(model: type[BaseModel]) -> dict[str, Any]:
    return {"200": {"description": "the answer", "content": {"application/json": {"schema": _ref(model)}}}}


def _problems() -> dict[str, Any]:
    content = {"application/json": {"schema": _ref(Problem)}}
    return {code: {"description": about, "content": content} for code, about in _PROBLEMS.items()}


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}
