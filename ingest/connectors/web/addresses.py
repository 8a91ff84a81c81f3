"""One spelling for each address, which of them belong to the site, and which look like an endless row."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from urllib.parse import parse_qsl, quote, unquote, urlencode, urljoin, urlsplit, urlunsplit

_TRACKING = re.compile(
    r"utm_.*|gclid|fbclid|msclkid|mc_[ce]id|yclid|_ga|_gl|igshid|phpsessid|jsessionid|sid|sessionid", re.I
)
_SESSION_IN_PATH = re.compile(r";jsessionid=[^/;?]*", re.I)
_SAFE = ":@!$&'()*+,;=~-._"
_MAX_LENGTH = 2_000
_MAX_SEGMENTS = 30
_MAX_REPEATS = 3
_PAGE_SUFFIXES = frozenset(
    [*(".php", ".asp", ".aspx", ".jsp", ".jspx", ".cgi", ".pl", ".do", ".action"), ".cfm", ".shtml", ".xhtml"]
)
_MEDIA = re.compile(
    r"\.(png|jpe?g|gif|svg|webp|avif|ico|bmp|tiff?|mp3|mp4|m4[av]|mov|avi|mkv|webm|ogg|wav|css|m?js|map|woff2?"
    r"|ttf|otf|eot|exe|msi|dmg|iso|apk|deb|rpm|jar|war|gz|tgz|bz2|xz|7z|rar|tar|bin|swf|rss|atom|xml|wasm)",
    re.I,
)
_SIGN_IN = re.compile(
    r"(^|[/._-])(log-?in|log_in|sign-?in|sign_in|signon|sso|saml|oauth2?|authorize|adfs|wp-login\.php)([/._-]|$)",
    re.I,
)


def normalise(url: str, base: str | None = None) -> str | None:
    """The one spelling of an http address, without fragment and tracking, or nothing for anything else."""
    try:
        parts = urlsplit(urljoin(base, url.strip()) if base else url.strip())
        host = (parts.hostname or "").rstrip(".").encode("idna").decode() if parts.hostname else ""
        port = parts.port
    except (ValueError, UnicodeError):
        return None
    scheme = parts.scheme.lower()
    if scheme not in ("http", "https") or not host or len(url) > _MAX_LENGTH:
        return None
    shown = f"[{host}]" if ":" in host else host
    if port and port != {"http": 80, "https": 443}[scheme]:
        shown = f"{shown}:{port}"
    return urlunsplit((scheme, shown, _path(parts.path), _query(parts.query), ""))


def document_id(url: str) -> str:
    """What names a page for ever: its normal address without a slash at the end."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") or "/"))


def host_of(url: str) -> str:
    return urlsplit(url).hostname or ""


def path_of(url: str) -> str:
    """The path for patterns: without a slash at its start, readable."""
    return unquote(urlsplit(url).path).removeprefix("/")


def file_name_of(url: str) -> str:
    """The last part of the path, which may name a format."""
    return unquote(PurePosixPath(urlsplit(url).path).name) or "index.html"


def is_media(url: str) -> bool:
    """Whether the name says that it is a picture, a film, a style: nothing to read and not asked for."""
    return bool(_MEDIA.fullmatch(PurePosixPath(urlsplit(url).path).suffix))


def is_page_name(url: str) -> bool:
    """Whether the name's end says nothing of a format, or that a program makes the page."""
    suffix = PurePosixPath(urlsplit(url).path.lower()).suffix
    return not suffix or suffix in _PAGE_SUFFIXES


def is_sign_in(url: str) -> bool:
    """Whether an address looks like the page at which people sign in."""
    return bool(_SIGN_IN.search(urlsplit(url).path))


def same_site(url: str, hosts: Sequence[str], *, subdomains: bool) -> bool:
    host = host_of(url)
    return host in hosts or (subdomains and any(host.endswith(f".{known}") for known in hosts))


def pattern_of(url: str) -> str:
    """The address with each number as `#`: a calendar's months are one pattern."""
    parts = urlsplit(url)
    query = "&".join(f"{key}={re.sub(r'[0-9]+', '#', value)}" for key, value in parse_qsl(parts.query))
    path = re.sub(r"[0-9]+", "#", parts.path)
    return f"{parts.hostname}{path}?{query}"


def grows_by_itself(url: str) -> bool:
    """Whether the path repeats itself, as `/a/b/a/b/a/b/…` of a wrong relative link does."""
    segments = [segment for segment in urlsplit(url).path.split("/") if segment]
    repeats = max(Counter(segments).values(), default=0)
    return len(segments) > _MAX_SEGMENTS or repeats > _MAX_REPEATS


def _path(path: str) -> str:
    clean = _SESSION_IN_PATH.sub("", re.sub(r"/{2,}", "/", path or "/"))
    # One spelling for what may be written with or without a percent sign.
    segments = [
        quote(unquote(part, errors="surrogateescape"), _SAFE, errors="surrogateescape")
        for part in clean.split("/")
    ]
    out: list[str] = []
    for part in segments:
        if part == "..":
            if len(out) > 1:
                out.pop()
        elif part != ".":
            out.append(part)
    if segments[-1] in (".", ".."):
        out.append("")
    return "/".join(out) if out[:1] == [""] and len(out) > 1 else "/" + "/".join(filter(None, out))


def _query(query: str) -> str:
    pairs = [
        (key, value)
        for key, value in parse_qsl(query, keep_blank_values=True, errors="replace")
        if not _TRACKING.fullmatch(key)
    ]
    return urlencode(sorted(pairs))
