"""What a page says of itself and where it leads, without reading its text as a document."""

import codecs
import re
from dataclasses import dataclass
from datetime import datetime
from email.message import Message

from lxml import etree, html  # type: ignore[import-untyped]

from ingest.connectors.web.addresses import normalise
from ingest.parsing.document import one_line, parse_moment

_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([a-zA-Z0-9_.:-]+)", re.I)
_NOTHING_TO_READ = frozenset(["script", "style", "noscript", "template", "svg", "head", "title", "iframe"])
_APP_ROOTS = frozenset(["root", "app", "__next", "__nuxt", "___gatsby", "main", "app-root", "application"])
_WAITING = re.compile(
    r"\W*((loading|please wait|just a moment|wird geladen|bitte warten|chargement|cargando)\b\W*)+"
    r"(the (app|application|page)\W*)?",
    re.I,
)
_LITTLE_TEXT, _SHORT_TEXT = 200, 1_000
_GONE = re.compile(
    r"^\s*404\b|\|\s*404\b|\berror\s*:?\s*404\b|\b404\s*[-:|]?\s*(error|not found)\b"
    r"|\b(page|document|site) (was |is |could |can )?(not|no longer) ?(be )?(found|available)\b"
    r"|\bseite (wurde )?nicht gefunden\b|\bpage (non trouvée|introuvable)\b|\bpágina no encontrada\b"
    r"|\bdoes(n't| not) exist\b",
    re.I,
)
# Python knows them as encodings; no page is in them, and some take very long.
_NO_CHARSETS = frozenset(["idna", "punycode", "unicode-escape", "raw-unicode-escape", "utf-7", "undefined"])
_MAX_LINKS = 20_000


@dataclass(frozen=True, slots=True)
class Page:
    """A page as its site describes it. Links are in the order in which they stand, each once."""

    title: str | None = None
    author: str | None = None
    updated_at: datetime | None = None
    canonical: str | None = None
    links: tuple[str, ...] = ()
    index: bool = True
    needs_javascript: bool = False
    asks_to_sign_in: bool = False
    says_not_found: bool = False


def to_text(content: bytes, content_type: str) -> str:
    """The letters of a page: by byte order mark, by the header, by its own meta, else UTF-8 or Western.

    Where a page is not what it says, the next guess is tried before letters are lost.
    """
    for mark, name in ((codecs.BOM_UTF8, "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(mark):
            return content.decode(name, errors="replace")
    said = _META_CHARSET.search(content[:4096])
    names: list[str | None] = [
        _header_charset(content_type),
        said[1].decode() if said else None,
        "utf-8",
        "cp1252",
    ]
    for name in filter(None, names):
        try:
            known = codecs.lookup(name).name
            if known not in _NO_CHARSETS:
                return content.decode("cp1252" if known == "iso8859-1" else known)
        except (UnicodeDecodeError, LookupError):
            continue
    return content.decode("latin-1")


def media_type_of(content_type: str) -> str:
    return content_type.split(";")[0].strip().lower()


def read_page(text: str, url: str, robots_header: str = "") -> Page:
    """What stands in a page's head, its links, and whether it is a page at all."""
    tree = _tree(text)
    if tree is None:
        return Page()
    head = _meta(tree)
    rules = set(
        re.split(r"[,\s]+", f"{head.get('robots', '')},{head.get('rung', '')},{robots_header}".lower())
    )
    base = _first(tree, "//base/@href")
    base = (normalise(base, url) if base else None) or url
    visible, title = _visible(tree), _first(tree, "//title//text()")
    heading = _first(tree, "//h1//text()") or ""
    short = len(visible) < _SHORT_TEXT
    modified = head.get("article:modified_time") or head.get("last-modified") or head.get("dcterms.modified")
    canonical = _first(tree, "//link[translate(@rel,'CANONICAL','canonical')='canonical']/@href")
    return Page(
        title=one_line(head.get("og:title") or title or heading)[:500] or None,
        author=one_line(head.get("author") or "")[:200] or None,
        updated_at=parse_moment(modified),
        canonical=normalise(canonical, base) if canonical else None,
        links=() if rules & {"nofollow", "none"} else _links(tree, base),
        index=not rules & {"noindex", "none"},
        needs_javascript=len(visible) < _LITTLE_TEXT and _is_application(tree, visible),
        asks_to_sign_in=short and bool(tree.xpath("//input[@type='password']")),
        says_not_found=short and bool(_GONE.search(f"{title or ''} | {heading}")),
    )


def _tree(text: str) -> "etree._Element | None":
    # The declaration of an encoding would contradict the letters that are here already.
    parser = html.HTMLParser(encoding="utf-8", no_network=True, huge_tree=False, remove_comments=True)
    try:
        return html.document_fromstring(text.encode("utf-8", errors="replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        return None


def _meta(tree: "etree._Element") -> dict[str, str]:
    found: dict[str, str] = {}
    for node in tree.xpath("//meta[@content][@name or @property]"):
        name = (node.get("name") or node.get("property") or "").lower()
        found.setdefault(name, node.get("content") or "")
    return found


def _first(tree: "etree._Element", path: str) -> str | None:
    found = [str(text) for text in tree.xpath(path) if str(text).strip()]
    return found[0] if found else None


def _links(tree: "etree._Element", base: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for node in tree.xpath("//a[@href] | //area[@href] | //frame[@src] | //iframe[@src]")[:_MAX_LINKS]:
        if "nofollow" not in (node.get("rel") or "").lower().split():
            link = normalise(node.get("href") or node.get("src") or "", base)
            if link is not None:
                found[link] = None
    return tuple(found)


def _visible(tree: "etree._Element") -> str:
    body = tree.find("body")
    if body is None:
        return ""
    parts, size = [], 0
    for event, node in etree.iterwalk(body, events=("start", "end")):
        if event == "start" and node.tag in _NOTHING_TO_READ:
            continue
        piece = (node.text if event == "start" else node.tail) or ""
        if event == "end" and node is body:
            break
        if piece.strip() and not (event == "start" and _hidden(node)):
            parts.append(piece.strip())
            size += len(piece)
        if size > 5 * _SHORT_TEXT:
            break
    return " ".join(parts)


def _hidden(node: "etree._Element") -> bool:
    return any(above.tag in _NOTHING_TO_READ for above in node.iterancestors())


def _is_application(tree: "etree._Element", visible: str) -> bool:
    """Whether scripts make the page: a root that they fill, a word to those without them, or nothing else."""
    if not tree.xpath("//script"):
        return False
    if "javascript" in " ".join(tree.xpath("//noscript//text()")).lower():
        return True
    if _WAITING.fullmatch(visible):
        return True
    if "enable javascript" in visible.lower() or "requires javascript" in visible.lower():
        return True
    roots = [node for node in tree.xpath("//body//*[@id]") if node.get("id", "").lower() in _APP_ROOTS]
    return any(not (node.text_content() or "").strip() for node in roots) or not visible


def _header_charset(content_type: str) -> str | None:
    message = Message()
    message["Content-Type"] = content_type.replace("\r", " ").replace("\n", " ")
    return message.get_content_charset()
