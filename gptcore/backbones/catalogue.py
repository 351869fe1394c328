"""The models that are known by name, from `catalogue.toml`: where their weights come from. Imports no torch."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from gptcore.schema import Part

Digest = str  # SHA-256, hex


class Terms(Part):
    """Terms that a user has to accept before anything of a model is fetched."""

    title: str
    url: str
    about: str


class WheelRef(Part):
    """One version of a package's wheel, with the SHA-256 and the size of the wheel itself."""

    requirement: str = Field(pattern=r"^[\w.-]+==[\w.]+$")
    sha256: Digest = Field(pattern=r"^[0-9a-f]{64}$")
    n_bytes: int = Field(gt=0)


class KnownFile(Part):
    """A file whose bytes are known.

    hub: "owner/name", or "owner/name@revision", of a repository that has it, as `hub_file` if not by the same name;
    members: what it is put together from, each in one of the model's wheels.
    """

    name: str = Field(pattern=r"^[\w.-]+$")
    sha256: Digest = Field(pattern=r"^[0-9a-f]{64}$")
    n_bytes: int = Field(gt=0)
    hub: str | None = None
    hub_file: str | None = None
    members: tuple[str, ...] = Field(min_length=1)


class KnownModel(Part):
    """A model known by name: read from the hub as it is there (`hub`), or made from known files (`convert`).

    terms: a key of TERMS; config: the content of config.json, where the files do not have it.
    """

    about: str
    licence: str
    terms: str | None = None
    how: str = ""
    hub: str | None = None
    n_bytes: int = 0
    convert: Literal["gguf", "onnx", "copy"] | None = None
    wheels: tuple[WheelRef, ...] = ()
    files: tuple[KnownFile, ...] = ()
    config: dict[str, Any] = Field(default={})

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.hub is None) == (self.convert is None):
            raise ValueError("a model has either hub or convert")
        if bool(self.files) != (self.convert is not None) or bool(self.wheels) != bool(self.files):
            raise ValueError("what is converted has files and wheels, and nothing else has")
        if (self.n_bytes > 0) != (self.hub is not None):
            raise ValueError("n_bytes is stated of models on the hub, and counted of others")
        return self

    @property
    def download_bytes(self) -> int:
        """About what a first use downloads."""
        return self.n_bytes or sum(wheel.n_bytes for wheel in self.wheels)

    @property
    def line(self) -> str:
        """What a list shows of it."""
        parts = (self.about, self.how, self.licence, f"{self.download_bytes / 1e6:,.0f} MB to download")
        return "; ".join(part for part in parts if part)


def _read() -> dict[str, Any]:
    text = resources.files("gptcore.backbones").joinpath("catalogue.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


_RAW = _read()
TERMS = {name: Terms.model_validate(raw) for name, raw in _RAW["terms"].items()}
CATALOGUE = {name: KnownModel.model_validate(raw) for name, raw in _RAW["models"].items()}
