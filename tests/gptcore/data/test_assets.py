"""Fetching: verified, cached, one source after the other. Everything here runs against this machine only."""

import hashlib
import io
import socket
import zipfile
from pathlib import Path

import pytest

from gptcore.data import assets, pip
from gptcore.data.assets import ASSETS, Asset, Url, Wheel, cache_dir, fetch, unreachable
from gptcore.errors import UserError
from gptcore.files import write_whole

CONTENT = b"ham\tOk lar\n"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def asset(*sources: Url | Wheel) -> Asset:
    return Asset("file.txt", sha256(CONTENT), sources)


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A wheel `toy==1.0` in a folder which is all that pip is allowed to look at."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    info = "toy-1.0.dist-info"
    content = zipped(
        **{
            "toy/data.txt": CONTENT.upper(),
            f"{info}/METADATA": b"Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n",
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": b"",
        }
    )
    (folder / "toy-1.0-py3-none-any.whl").write_bytes(content)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return content


def test_a_download_is_cached_and_asked_for_once(server, cache):
    server.files["/file"] = CONTENT
    wanted = asset(Url(f"{server.url}/file"))
    assert fetch(wanted) == cache / "file.txt"
    assert fetch(wanted).read_bytes() == CONTENT
    assert server.asked == ["/file"]
    assert [path.name for path in cache.iterdir()] == ["file.txt"]  # no temporary file is left


@pytest.mark.usefixtures("cache")
def test_what_is_fetched_is_said_with_its_size_and_a_cached_file_is_not(
    server, caplog: pytest.LogCaptureFixture
):
    server.files["/file"] = CONTENT
    wanted = asset(Url(f"{server.url}/file", n_bytes=31_990_481))
    with caplog.at_level("INFO", "gptcore.data.assets"):
        fetch(wanted)
        fetch(wanted)
    assert [record.getMessage() for record in caplog.records] == [
        f"fetching file.txt: {server.url}/file (32 MB)"
    ]


def test_a_damaged_cached_file_is_fetched_anew(server, cache):
    server.files["/file"] = CONTENT
    write_whole(cache / "file.txt", CONTENT[:-1])
    assert fetch(asset(Url(f"{server.url}/file"))).read_bytes() == CONTENT


def test_a_file_that_a_user_put_in_the_cache_needs_no_source(cache):
    write_whole(cache / "file.txt", CONTENT)
    assert fetch(asset()) == cache / "file.txt"


def test_a_member_is_taken_out_of_a_zip_archive_by_its_exact_name(server, cache):
    server.files["/a.zip"] = zipped(**{"file": CONTENT, "../file": b"elsewhere"})
    assert fetch(asset(Url(f"{server.url}/a.zip", member="file"))).read_bytes() == CONTENT
    assert [path.name for path in cache.parent.iterdir()] == ["cache"]


@pytest.mark.parametrize(
    ("served", "reason"),
    [
        (None, "the server answers 404"),
        (b"<html>log in first</html>", "File is not a zip file"),
        (zipped(other=CONTENT), "no item named 'file'"),
        (zipped(file=b"changed"), f"SHA-256 is {sha256(b'changed')}"),
        (zipped(file=CONTENT)[:40], "File is not a zip file"),
    ],
    ids=["404", "login page", "no member", "wrong bytes", "cut off"],
)
def test_the_next_source_is_tried_and_the_reason_kept(server, cache, served, reason):
    if served is not None:
        server.files["/bad"] = served
    server.files["/good"] = CONTENT
    bad = Url(f"{server.url}/bad", member="file")
    assert fetch(asset(bad, Url(f"{server.url}/good"))).read_bytes() == CONTENT
    (cache / "file.txt").unlink()
    with pytest.raises(UserError, match=reason):
        fetch(asset(bad))


def test_an_archive_member_beyond_the_limit_is_not_unpacked(server, monkeypatch):
    monkeypatch.setattr(assets, "MEMBER_LIMIT_BYTES", 1000)
    server.files["/bomb.zip"] = zipped(file=bytes(1001))
    with pytest.raises(UserError, match="file is 1001 bytes in the archive"):
        fetch(asset(Url(f"{server.url}/bomb.zip", member="file")))


def test_a_host_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(assets, "TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = Url(f"http://127.0.0.1:{silent.getsockname()[1]}/file")
        with pytest.raises(UserError, match="no answer in time"):
            fetch(asset(url))


def test_a_download_that_takes_too_long_is_given_up(server, monkeypatch):
    monkeypatch.setattr(assets, "DOWNLOAD_LIMIT_S", -1.0)
    server.files["/file"] = CONTENT
    with pytest.raises(UserError, match="not done after"):
        fetch(asset(Url(f"{server.url}/file")))


def test_a_download_beyond_the_limit_is_given_up(server, monkeypatch):
    monkeypatch.setattr(assets, "DOWNLOAD_LIMIT_BYTES", len(CONTENT) - 1)
    server.files["/file"] = CONTENT
    with pytest.raises(UserError, match="more than 10 bytes: not the file that is wanted"):
        fetch(asset(Url(f"{server.url}/file")))


@pytest.fixture
def pauses(monkeypatch):
    """The seconds that were waited, which are not waited here."""
    waited = []
    monkeypatch.setattr(assets.time, "sleep", waited.append)
    return waited


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_is_busy_is_asked_again(server, fault, pauses, status):
    server.files["/file"] = CONTENT
    server.faults = [fault(status), fault(status)]
    assert fetch(asset(Url(f"{server.url}/file"))).read_bytes() == CONTENT
    assert server.asked == ["/file"] * 3
    assert pauses == list(assets.PAUSES_S)


def test_a_server_that_stays_busy_is_given_up(server, fault, pauses):
    server.faults = [fault(500)] * 9
    with pytest.raises(UserError, match="the server answers 500"):
        fetch(asset(Url(f"{server.url}/file")))
    assert server.asked == ["/file"] * 3
    assert len(pauses) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_server_that_says_no_is_asked_once(server, fault, pauses, status):
    server.faults = [fault(status)]
    with pytest.raises(UserError, match=f"the server answers {status}"):
        fetch(asset(Url(f"{server.url}/file")))
    assert (server.asked, pauses) == (["/file"], [])


def test_retry_after_is_kept_to_or_the_next_source_asked(server, fault, pauses):
    server.files |= {"/file": CONTENT, "/mirror": CONTENT}
    server.faults = [fault(429, {"Retry-After": "7"})]
    assert fetch(asset(Url(f"{server.url}/file"))).read_bytes() == CONTENT
    assert pauses == [7.0]
    (cache_dir() / "file.txt").unlink()
    server.faults = [fault(429, {"Retry-After": "3600"})]
    fetch(asset(Url(f"{server.url}/file"), Url(f"{server.url}/mirror")))
    assert server.asked[2:] == ["/file", "/mirror"]
    assert pauses == [7.0]


def test_a_download_that_is_cut_off_starts_anew(server, fault, pauses, cache):
    server.files["/file"] = CONTENT
    server.faults = [fault(200, {"Content-Length": str(len(CONTENT))}, CONTENT[:5])]
    assert fetch(asset(Url(f"{server.url}/file"))).read_bytes() == CONTENT
    assert server.asked == ["/file"] * 2
    assert pauses == [0.5]
    server.faults = [fault(200, {"Content-Length": str(len(CONTENT))}, CONTENT[:5])] * 9
    (cache / "file.txt").unlink()
    with pytest.raises(UserError, match=f"cut off after 5 of {len(CONTENT)} bytes"):
        fetch(asset(Url(f"{server.url}/file")))
    assert list(cache.iterdir()) == []  # half a file is nowhere


def test_a_server_that_falls_silent_in_the_middle_is_given_up(server, fault, monkeypatch, cache):
    monkeypatch.setattr(assets, "TIMEOUT_S", 0.1)
    server.faults = [fault(200, {"Content-Length": "100"}, b"ham", hang_s=0.5)]
    with pytest.raises(UserError, match="no answer in time"):
        fetch(asset(Url(f"{server.url}/file")))
    assert not cache.exists()


def test_a_wheel_is_fetched_by_pip_verified_and_converted(wheel):
    source = Wheel("toy==1.0", sha256(wheel), len(wheel), "toy/data.txt", convert=bytes.lower)
    lower = Asset("file.txt", sha256(CONTENT.lower()), (source,))
    assert fetch(lower).read_bytes() == CONTENT.lower()


def test_the_error_lists_every_source_and_the_remedy_in_one_line(server, cache, wheel):
    sources = (
        Url(f"{server.url}/file"),
        Wheel("toy==1.0", sha256(b"another wheel"), 0, "toy/data.txt"),
        Wheel("toy==2.0", sha256(wheel), len(wheel), "toy/data.txt"),
    )
    with pytest.raises(UserError) as caught:
        fetch(asset(*sources))
    message = str(caught.value)
    assert f"cache {cache / 'file.txt'}: not there" in message
    assert f"{server.url}/file: the server answers 404 (Not Found)" in message
    assert f"pip download toy==1.0: the wheel's SHA-256 is {sha256(wheel)}" in message
    assert "pip download toy==2.0: ERROR: No matching distribution found for toy==2.0" in message
    assert message.endswith(f"put the file with SHA-256 {sha256(CONTENT)} at {cache / 'file.txt'}")
    assert "\n" not in message


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch, server):
    server.files["/file"] = CONTENT
    (tmp_path / "taken").write_text("a file, not a folder")
    monkeypatch.setenv("GPTCORE_CACHE", str(tmp_path / "taken"))
    with pytest.raises(UserError, match=r"cannot write .*taken.*GPTCORE_CACHE"):
        fetch(asset(Url(f"{server.url}/file")))


def test_the_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("GPTCORE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    assert cache_dir() == tmp_path / ".cache" / "gptcore"
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_dir() == Path("/xdg/gptcore")
    monkeypatch.setenv("GPTCORE_CACHE", "/own")
    assert cache_dir() == Path("/own")


def test_every_asset_ends_with_a_wheel_of_one_version():
    for known in ASSETS:
        direct, wheel = known.sources
        assert isinstance(direct, Url)
        assert direct.url.startswith("https://")
        assert isinstance(wheel, Wheel)
        assert "==" in wheel.requirement


@pytest.mark.slow
@pytest.mark.parametrize("known", ASSETS, ids=lambda known: known.name)
@pytest.mark.parametrize("kind", [Url, Wheel])
def test_the_real_sources(known, kind):
    """Each source on its own; a source that cannot be reached from here is no failure of ours."""
    (source,) = (source for source in known.sources if isinstance(source, kind))
    try:
        path = fetch(Asset(known.name, known.sha256, (source,)))
    except UserError as error:
        if "SHA-256 is" in str(error):
            raise
        pytest.skip(str(error))
    assert sha256(path.read_bytes()) == known.sha256


# --- is a source there? ----------------------------------------------------------------------------------


def test_a_source_that_is_there_is_reachable_and_not_downloaded(server):
    server.files["/file"] = CONTENT
    assert unreachable(Url(f"{server.url}/file")) is None
    assert "404" in (unreachable(Url(f"{server.url}/gone")) or "")
    assert server.asked == []  # for the headers alone


def test_a_host_that_never_answers_is_unreachable(monkeypatch):
    monkeypatch.setattr(assets, "PROBE_LIMIT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "no answer in time" in (
            unreachable(Url(f"http://127.0.0.1:{silent.getsockname()[1]}/file")) or ""
        )


def test_an_index_is_asked_for_the_version(monkeypatch):
    asked = []
    monkeypatch.setattr(
        pip, "run_pip", lambda words, _limit: asked.append(words) or "toy (1.10)\nAvailable: 1.10, 1.0"
    )
    assert unreachable(Wheel("toy==1.0", "", 0, "")) is None
    assert asked[0][:3] == ["index", "versions", "toy"]
    assert unreachable(Wheel("toy==1.1", "", 0, "")) == "the index has no toy==1.1"


def test_a_slow_pip_is_one_line(monkeypatch):
    def hang(_words, limit_s):
        raise pip.subprocess.TimeoutExpired(["pip", "index"], limit_s)

    monkeypatch.setattr(pip, "run_pip", hang)
    assert unreachable(Wheel("toy==1.0", "", 0, "")) == "no answer within 10 s"


@pytest.mark.usefixtures("wheel")
def test_pip_without_the_package_says_so():
    assert unreachable(Wheel("no-such-toy==1.0", "", 0, "")) is not None
