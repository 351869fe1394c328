"""What a record says of its data. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gptcore.schema import Part


class DatasetFacts(Part):
    """The data of a run."""

    name: str
    fingerprint: str = Field(description="SHA-256 over label names and the three splits, in order")
    source_fingerprint: str = Field(description="SHA-256 over the labelled rows before they were split")
    n_train: int = Field(ge=1)
    n_validation: int = Field(ge=1)
    n_test: int = Field(ge=1)
    label_names: tuple[str, ...]
    test_label_counts: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        description="test examples of each class"
    )
    duplicates: int = Field(ge=0, description="distinct texts that occur in more than one split")
    label_counts: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(
        default=None, description="texts of each class in all three splits; null in older records"
    )
    n_test_seen: int | None = Field(
        default=None, ge=0, description="test texts that also occur in train or validation, exactly"
    )
    n_test_seen_alike: int | None = Field(
        default=None, ge=0, description="the same, ignoring case and whitespace"
    )
    limit: int | None = Field(default=None, ge=1, description="--limit: training texts kept for a first look")
    splits: Literal["random", "kfold"] = Field(
        default="random", description="kfold: five split seeds in a row test every text once"
    )
    test_given: bool = Field(
        default=False, description="whether no seed changes the test part; false in older records"
    )
    n_test_groups: int | None = Field(default=None, ge=1, description="groups of the test texts, if any")
    test_groups_count_as: float | None = Field(
        default=None,
        ge=1,
        description="groups of equal size that they are worth (Kish); null in older records",
    )

    @model_validator(mode="after")
    def _counts_fit(self) -> Self:
        if len(self.test_label_counts) != len(self.label_names) or not sum(self.test_label_counts):
            raise ValueError("test_label_counts needs a count for every label, and not only zeros")
        if self.label_counts is not None and len(self.label_counts) != len(self.label_names):
            raise ValueError("label_counts needs a count for every label")
        return self
