"""What went wrong with a download, in plain words."""

from __future__ import annotations

import ssl
import subprocess
import urllib.error


def plain_reason(error: Exception) -> str:
    """One line that says what a user can act on; the error's own words where nothing plainer is known."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} ({' '.join(error.reason.split())})"
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        return plain_reason(error.reason)
    if type(error).__name__ == "gaierror":  # of the module socket, which only downloads may import
        return "the name of its host cannot be looked up: no network, or no name server"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted here: {error.verify_message}"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"no answer within {error.timeout:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "the connection is refused"
    if isinstance(error, TimeoutError) and (not _own_words(error) or _own_words(error).endswith("timed out")):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror and error.filename is None:
        return error.strerror
    return _own_words(error) or type(error).__name__


def _own_words(error: Exception) -> str:
    return " ".join(str(error).split())
