"""What is said of a failed download is what a user can act on."""

import email.message
import socket
import ssl
import subprocess
import urllib.error

import pytest

from gptcore.data.network_errors import plain_reason

CERTIFICATE = ssl.SSLCertVerificationError()
CERTIFICATE.verify_message = "self-signed certificate"
NO_NAME = socket.gaierror(-2, "Name or service not known")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            urllib.error.URLError(NO_NAME),
            "the name of its host cannot be looked up: no network, or no name server",
        ),
        (NO_NAME, "the name of its host cannot be looked up: no network, or no name server"),
        (urllib.error.URLError(CERTIFICATE), "its certificate is not trusted here: self-signed certificate"),
        (urllib.error.URLError(ConnectionRefusedError(111, "refused")), "the connection is refused"),
        (urllib.error.URLError(TimeoutError("timed out")), "no answer in time"),
        (TimeoutError("The read operation timed out"), "no answer in time"),
        (TimeoutError("not done after 60 s"), "not done after 60 s"),
        (
            urllib.error.HTTPError("http://localhost", 503, "busy", email.message.Message(), None),
            "the server answers 503 (busy)",
        ),
        (urllib.error.URLError("unknown url type"), "<urlopen error unknown url type>"),
        (OSError(101, "Network is unreachable"), "Network is unreachable"),
        (FileNotFoundError(2, "No such file or directory", "a"), "[Errno 2] No such file or directory: 'a'"),
        (subprocess.TimeoutExpired(["pip"], 10), "no answer within 10 s"),
        (ValueError("two\nlines"), "two lines"),
        (ValueError(), "ValueError"),
    ],
)
def test_plain_words(error: Exception, said: str) -> None:
    assert plain_reason(error) == said
