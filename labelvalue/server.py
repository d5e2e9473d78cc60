"""The one door to the network: a request to a server that the user named, over https or to this machine."""

import json
import os
import re
import time
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse
from typing import Any, TypeGuard
from urllib.parse import urlsplit

from labelvalue.problems import InputError, input_error, quote
from labelvalue.reading import parse_json

TIMEOUT = 30.0  # seconds without a byte
LONGEST = 600.0  # seconds of a whole answer
MOST = 256 * 1024**2  # bytes of an answer
_MOST_SAID = 4096  # bytes that are read of a refusal
_CHUNK = 1024**2
_LOCAL = ("localhost", "127.0.0.1", "::1")
_HOST = r"(https?)://(\[[0-9a-f:]+\]|[a-z0-9.-]+)(?::\d{1,5})?(?:/[\w.~-]+)*?"


def is_address(source: object) -> TypeGuard[str]:
    """Whether a source is the address of a server, not a path."""
    return isinstance(source, str) and re.match(r"https?://", source, re.IGNORECASE) is not None


def page(address: str, folder: str) -> tuple[str, str]:
    """Server, and number of what its page at ``https://host/folder/7`` shows; what is wrong is said without it."""
    found = re.fullmatch(rf"({_HOST})/{folder}/(\d{{1,20}})(?:[/?].*)?", address, re.IGNORECASE | re.ASCII)
    if found is None:
        why = "not the address of a page of the server, or one with a name, a password or a token in it"
        raise input_error(why, f"copy it from the browser, such as https://host/{folder}/7", column="address")
    if found[2].lower() == "http" and found[3].strip("[]").lower() not in _LOCAL:
        raise input_error("http is for this machine alone", "give an https address", column="address")
    return found[1], found[4]


def authorization(variable: str, scheme: str, *, needed: bool = True) -> dict[str, str]:
    """A header with the token in a variable of the environment; what is wrong with it is said without it."""
    token = os.environ.get(variable, "")
    if not token and not needed:
        return {}
    if re.fullmatch(r"[!-~]+", token) is None:
        why = "is not set" if not token else "holds a blank, or what no token has"
        raise input_error(f"{variable} {why}", "put your token of the server into that variable of the environment")
    return {"Authorization": f"{scheme} {token}"}


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: a token is for the server that was named."""

    def redirect_request(self, *_: object) -> None:
        return None


def send(
    url: str, variable: str, body: object = None, *, token: dict[str, str] | None = None, changes: bool = False
) -> bytes:
    """Send JSON to an address of :func:`page`, or ask without; what it ``changes`` may be done without an answer."""
    host = urlsplit(url)
    headers = {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": "labelvalue"}
    token = token or {}
    data = None if body is None else json.dumps(body, allow_nan=False).encode()
    proxies: dict[str, str] | None = None if host.scheme == "https" else {}  # to this machine through no other
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies), _Stay)
    unknown = "; whether it did what was asked is not known, so look before asking again" if changes else ""
    try:
        asked = urllib.request.Request(url, data, headers | token)
        with opener.open(asked, timeout=TIMEOUT) as answer:
            return _whole(answer, host.netloc)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(error, host.netloc, variable, token) from None
    except TimeoutError:
        why, fix = f"no whole answer from {host.netloc} in time{unknown}", "see whether the server runs, and try again"
    except urllib.error.URLError as error:
        late = isinstance(error.reason, TimeoutError)
        why, fix = f"{host.netloc} cannot be reached: {error.reason}", "check the address, and that the server runs"
        why = f"no answer from {host.netloc} in time{unknown}" if late else why
    except (OSError, HTTPException) as error:
        why, fix = f"the answer of {host.netloc} broke off ({type(error).__name__}){unknown}", "try again"
    raise input_error(why, fix)


def ask(url: str, variable: str, body: object = None, **how: Any) -> Any:
    """As :func:`send`, with the answer read as JSON."""
    try:
        return parse_json(send(url, variable, body, **how))
    except InputError:
        raise
    except ValueError:
        raise no_answer(url) from None


def no_answer(url: str) -> InputError:
    """Say that an answer is none of the server that was meant."""
    return input_error(f"{urlsplit(url).netloc} answers with something else", "check that the address is the server's")


def _whole(answer: HTTPResponse, host: str) -> bytes:
    """All of an answer that is neither too long nor too slow."""
    found, end = bytearray(), time.monotonic() + LONGEST
    while part := answer.read1(_CHUNK):
        found += part
        if len(found) > MOST:
            fix = "ask for less, or export to a file and import that"
            raise input_error(f"the answer of {host} is over the limit of {MOST} bytes", fix)
        if time.monotonic() > end:
            raise TimeoutError
    if answer.length:
        raise HTTPException
    return bytes(found)


def _refusal(error: urllib.error.HTTPError, host: str, variable: str, token: dict[str, str]) -> InputError:
    """What a server says that does not do what was asked, without the token, which it may repeat."""
    if 300 <= error.code < 400:
        there = urlsplit(error.headers.get("Location", "")).netloc or "another page"
        return input_error(f"{host} leads on to {quote(there)}, which was not named", "name that one, if you trust it")
    if error.code in (401, 403):
        why = f"{host} refuses the token in {variable}" if os.environ.get(variable) else f"{host} asks for a token"
        return input_error(f"{why} ({error.code})", f"put a token that may do this into {variable}")
    try:
        said = error.read(_MOST_SAID).decode(errors="replace")
    except (OSError, HTTPException):
        said = ""
    for secret in (os.environ.get(variable), *(value.partition(" ")[2] for value in token.values())):
        said = said.replace(secret, "…") if secret else said
    what = "" if not said or said.lstrip().startswith("<") else f": {quote(said, 300)}"  # a page is for browsers
    return input_error(f"{host} answers {error.code}{what}", "check the address, and what it is asked")
