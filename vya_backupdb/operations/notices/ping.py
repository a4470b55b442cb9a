"""Tell a monitor that a run begins, and how it ended, in the manner of healthchecks.io.

Its convention (healthchecks.io/docs/http_api): a GET of the address is a success, `/start` and `/fail` behind
its path say the rest. Such a monitor raises the alarm when it hears nothing in time.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from typing import IO, Final, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from vya_backupdb.operations.notices.send import NotSent

Signal = Literal["start", "success", "fail"]

_TIMEOUT: Final = 5.0
"""Seconds that each step of it may take."""

_TRIES: Final = 2


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to the same scheme or to https: the address is a secret, and a redirect no way out of HTTP."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme not in ("https", urlsplit(req.full_url).scheme):
            raise urllib.error.URLError("redirects to an address of another kind")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def ping(address: SecretStr, signal: Signal) -> None:
    """Send a signal. Raises NotSent. An answer in many small pieces is not bounded here."""
    parts = urlsplit(address.get_secret_value())
    if signal != "success":
        parts = parts._replace(path=f"{parts.path.rstrip('/')}/{signal}")
    # the scheme is one of two: the configuration takes no other
    request = urllib.request.Request(urlunsplit(parts), headers={"User-Agent": "vya-backupdb"})  # noqa: S310
    opener = urllib.request.build_opener(_Redirects)
    reason = ""
    for _ in range(_TRIES):
        try:
            with opener.open(request, timeout=_TIMEOUT):
                return
        except urllib.error.HTTPError as error:
            error.close()
            reason = f"HTTP status {error.code}"
            if error.code < 500:  # it would say the same again
                break
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = _reason(error)
    raise NotSent(f"{parts.scheme}://{parts.hostname}: {reason}")


def _reason(error: Exception) -> str:
    """Say what went wrong; texts of http.client can hold the address."""
    inner = getattr(error, "reason", None)  # of URLError: a text, or what the system raised
    if isinstance(inner, Exception):
        return _reason(inner)
    if isinstance(error, OSError):
        return str(inner or error.strerror or error)
    return type(error).__name__
