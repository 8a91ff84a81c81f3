"""The answer to PROPFIND, from any server: which entries a folder has."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote_to_bytes
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from app.core.errors import UnavailableError
from ingest.connectors.paths import printable, unprintable

_DAV, _OC = "{DAV:}", "{http://owncloud.org/ns}"
REQUEST = b"""<?xml version="1.0" encoding="utf-8"?>
<d:propfind xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns"><d:prop><d:resourcetype/><d:getetag/>
<d:getlastmodified/><d:getcontentlength/><d:getcontenttype/><oc:fileid/><oc:permissions/>
<oc:owner-display-name/></d:prop></d:propfind>"""
_SAFE = "/!$&'()*+,;=:@~"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder. `path` is as it is asked for; `name` is the last part of its id."""

    path: str
    name: str
    is_folder: bool
    revision: str
    size_bytes: int | None
    modified: datetime | None
    media_type: str | None
    file_id: str
    owner: str | None
    status: int


def read_entries(body: bytes, folder: str) -> tuple[Entry | None, list[Entry]]:
    """The folder itself and what is directly in it, in the order of their names; others are left out.

    Raises:
        UnavailableError: `unreadable_answer`.
    """
    try:
        root = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise UnavailableError(
            "The server's answer is not the XML of WebDAV; check that the address is the WebDAV address.",
            code="unreadable_answer",
        ) from error
    if root.tag != f"{_DAV}multistatus":
        raise UnavailableError(
            "The server's answer is not a WebDAV listing; check the address.", code="unreadable_answer"
        )
    found = [entry for response in root.findall(f"{_DAV}response") for entry in _entries(response)]
    base = _base(folder, [entry.path for entry in found])
    itself = next((entry for entry in found if entry.path.rstrip("/") == base.rstrip("/")), None)
    children = {entry.name: entry for entry in reversed(found) if _is_child(entry.path, base)}
    return itself, [children[name] for name in sorted(children)]


def request_path(text: str) -> str:
    """A path as requests have it, whichever signs the server escaped: one spelling for each path."""
    return quote(unquote_to_bytes(text), safe=_SAFE)


def path_of_id(external_id: str) -> str:
    """The path, from the folder of the source, that an id was made of."""
    parts = [unprintable(part).encode("utf-8", "surrogateescape") for part in external_id.split("/")]
    return "/".join(quote(part, safe=_SAFE.replace("/", "")) for part in parts)


def _entries(response: Element) -> Iterator[Entry]:
    status = _status(response.findtext(f"{_DAV}status"))
    props: dict[str, Element] = {}
    for stat in response.findall(f"{_DAV}propstat"):
        told = _status(stat.findtext(f"{_DAV}status"))
        if told == 200:
            props.update({prop.tag: prop for prop in stat.iterfind(f"{_DAV}prop/*")})
    for href in response.findall(f"{_DAV}href"):
        path = request_path(_path(href.text or ""))
        if path:
            yield _entry(path, props, status)


def _entry(path: str, props: dict[str, Element], status: int) -> Entry:
    def text(tag: str) -> str:
        found = props.get(tag)
        return (found.text or "").strip() if found is not None else ""

    kind = props.get(f"{_DAV}resourcetype")
    size, etag, modified = (
        text(f"{_DAV}{tag}") for tag in ("getcontentlength", "getetag", "getlastmodified")
    )
    last = unquote_to_bytes(path.rstrip("/").rpartition("/")[2]).decode("utf-8", "surrogateescape")
    # The same tag may come as weak once and as strong another time.
    etag = etag.removeprefix("W/").strip('"')
    return Entry(
        path=path,
        # Only an escaped slash can be one here, and no id may have a part that is no name.
        name=printable(last).replace("/", "\\x2f"),
        is_folder=kind is not None and kind.find(f"{_DAV}collection") is not None,
        revision=f"{etag or modified}-{size}" if etag or modified else "",
        size_bytes=int(size) if size.isdigit() else None,
        modified=_moment(modified),
        media_type=text(f"{_DAV}getcontenttype") or None,
        file_id=text(f"{_OC}fileid"),
        owner=text(f"{_OC}owner-display-name") or None,
        status=status,
    )


def _path(href: str) -> str:
    # Signs such as # and ? stand here for themselves: some servers leave them as they are.
    rest = href.strip()
    if "://" in rest.partition("/")[0] + "//" and rest.lower().startswith(("http://", "https://")):
        rest = "/" + rest.partition("://")[2].partition("/")[2]
    return rest


def _base(folder: str, paths: list[str]) -> str:
    """The folder as the server calls it: behind a proxy that may be another path."""
    wanted = request_path(folder).rstrip("/") + "/"
    if not paths or any((path.rstrip("/") + "/").startswith(wanted) for path in paths):
        return wanted
    shortest = min(paths, key=len).rstrip("/") + "/"
    return shortest if all((path.rstrip("/") + "/").startswith(shortest) for path in paths) else wanted


def _is_child(path: str, base: str) -> bool:
    rest = path.rstrip("/")[len(base) :]
    return path.startswith(base) and bool(rest) and "/" not in rest and rest not in (".", "..")


def _status(line: str | None) -> int:
    parts = (line or "").split()
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 200


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
