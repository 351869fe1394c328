"""What every record, file and message with a schema is made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """Values that nobody changes, without fields that are not known. Raises pydantic's ValidationError."""

    model_config = ConfigDict(extra="forbid", frozen=True)
