"""pandoc's tree of a notebook: what its cells say becomes what a page can show.

Raw HTML and LaTeX turn into pandoc's own elements, pictures into files, and links lead to the web or to a place nearby.
Nothing that a notebook holds is run, and no file outside its folder is read. See pandoc-types, Text.Pandoc.Definition.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape, unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pypandoc

from fer_utils.document.cells import HTML, MARK, Cells
from fer_utils.document.formulas import LOST, environment, formula
from fer_utils.document.pictures import DRAWING, add_picture, data_uri, picture_at, shortened, styled_sizes
from fer_utils.errors import FerError

Element = dict[str, Any]
# As Jupyter reads it: an @ is no citation, a list needs no blank line before it, and no cell begins with YAML.
MARKDOWN = (
    "markdown-smart-citations-yaml_metadata_block-native_divs-native_spans-markdown_in_html_blocks-fancy_lists"
    "-definition_lists-line_blocks-example_lists-fenced_divs-bracketed_spans-header_attributes-inline_code_attributes"
    "-inline_notes-implicit_header_references-superscript-subscript-grid_tables-multiline_tables-simple_tables+pipe_tables+lists_without_preceding_blankline"
    "-blank_before_header-blank_before_blockquote+autolink_bare_uris+tex_math_double_backslash"
)
HTML_FORMAT = "html-native_divs-native_spans"
UNDIVIDED = "--columns=10000"  # so that pandoc sets no widths of columns
TAG = re.compile(r"<(/?)([A-Za-z][\w-]*)([^>]*)>")
WRAPPERS = {
    "b": "Strong", "strong": "Strong", "i": "Emph", "em": "Emph", "cite": "Emph", "var": "Emph", "sub": "Subscript",
    "sup": "Superscript", "s": "Strikeout", "del": "Strikeout", "strike": "Strikeout", "u": "Underline",
    "ins": "Underline", "small": "", "big": "", "font": "", "span": "", "mark": "", "center": "", "a": "", "div": "",
    "p": "", "kbd": "", "code": "", "tt": "", "samp": "", "abbr": "", "q": "", "dfn": "Emph", "picture": "", "ul": "",
    "ol": "", "time": "", "label": "", "bdi": "",
}  # fmt: skip
# Tags whose content must not or cannot be shown.
ACTIVE = re.compile(
    r"<(script|style|iframe|video|audio|object|canvas|form|button|template)\b.*?(?:</\1\s*>|\Z)|<(input|embed)\b[^>]*>",
    re.DOTALL | re.IGNORECASE,
)
COMPARISON = re.compile(r"\$[^$<>\n]*<[^$<>\n]*\$")  # in a formula, and no tag
CODE = re.compile(r"<(code|pre|kbd|samp|tt)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
DOLLAR, BACKSLASH = "\ue000", "\ue001"  # stand for those in code, where they begin no formula
# LaTeX's marks of formulas in HTML, and those between dollars.
HTML_MATH = re.compile(
    r"\$\$.*?\$\$|\$[^$\n]*\$|\\\((?P<inline>(?:(?!</?[A-Za-z]).)*?)\\\)|\\\[(?P<display>(?:(?!</?[A-Za-z]).)*?)\\\]"
    r"|(?P<whole>\\begin\{(\w+\*?)\}.*?\\end\{\4\})",
    re.DOTALL,
)
COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
COLOURS = re.compile(
    r"<(?:style[^<]*|[^<>]*)\b(?:background|color)[-\w]*\s*[:=]", re.IGNORECASE
)  # in a tag or style sheet
KEPT_ATTRIBUTES = ("width", "height")
HREF = re.compile(r"""href\s*=\s*(?:"([^"]*)"|'([^']*)'|([^"'\s>]+))""")
WEB = re.compile(r"\s*(https?|mailto):", re.IGNORECASE)
SCHEME = re.compile(r"\s*[A-Za-z][\w+.-]*:")


def pandoc(text: str, to: str, format: str, *options: str, strict: bool = True) -> str:
    """Convert a text with pandoc; `FerError` on any error, and on any warning if `strict`."""
    try:
        fails = ["--fail-if-warnings"] if strict else ["--quiet"]
        return pypandoc.convert_text(text, to, format, extra_args=[*fails, *options])
    except RuntimeError as error:
        said = str(error).partition("during conversion: ")[2] or str(error)
        raise FerError(f"pandoc says: {' '.join(said.replace('[WARNING] ', '').split())[:300]}") from None


def _read_html(text: str) -> list[Element]:
    """The blocks of HTML, with formulas between dollars, unless these are none, as in a column of texts."""
    text = CODE.sub(lambda found: found[0].replace("$", DOLLAR).replace("\\", BACKSLASH), text)
    text = HTML_MATH.sub(_in_dollars, text)
    for format in (f"{HTML_FORMAT}+tex_math_dollars", HTML_FORMAT):
        read = pandoc(text, "json", format).replace(DOLLAR, "$").replace(BACKSLASH, r"\\")
        try:
            if '"Math"' in read:
                pandoc(read, "typst", "json")
            break
        except FerError:
            pass
    return json.loads(read)["blocks"]


def _in_dollars(found: re.Match[str]) -> str:
    """A formula of HTML between dollars."""
    if found["inline"]:
        return f"${found['inline'].strip()}$"
    content = found["display"] or (environment(unescape(found["whole"] or "")) or ("", ""))[1]
    return f"$${escape(unescape(content))}$$" if content else found[0]


@dataclass
class Tree:
    """The blocks of a notebook, each with the number of its cell."""

    cells: Cells
    folder: Path  # of the notebook's own pictures
    tell: Callable[[str], None]  # hears what is left out
    blocks: list[tuple[int, Element]] = field(default_factory=list)
    version: list[int] = field(default_factory=list)
    number: int = 0  # of the cell at hand

    def __post_init__(self) -> None:
        # Its warnings are of notes and links that are named twice or not at all: as in JupyterLab, one is shown.
        read = json.loads(pandoc(self.cells.text, "json", MARKDOWN, UNDIVIDED, strict=False))
        self.version = read["pandoc-api-version"]
        self.places = _anchors(read["blocks"]) | {place: place for place in _places(read["blocks"])}
        for block in read["blocks"]:
            if block["t"] == "RawBlock" and block["c"][0] == MARK:
                self.number = int(block["c"][1])
            else:
                self.blocks += [(self.number, each) for each in self._clean([block])]

    def document(self, about: dict[str, str], cell: int | None = None) -> str:
        """pandoc's JSON of all cells or of one, with metadata of plain texts."""
        meta = {name: {"t": "MetaString", "c": value} for name, value in about.items() if value}
        blocks = [block for number, block in self.blocks if cell in (None, number)]
        return json.dumps({"pandoc-api-version": self.version, "meta": meta, "blocks": blocks})

    def _clean(self, elements: list) -> list:
        return _plain(each_list(elements, self._change))

    def _change(self, elements: list[Element]) -> list[Element]:
        """A list of elements, of blocks or of words, with all that needs it replaced."""
        return self._replaced(self._wrap_html(elements))

    def _replaced(self, elements: list[Element]) -> list[Element]:
        return [new for element in elements for new in self._replace(element)]

    def _replace(self, element: Element) -> list[Element]:
        kind, content = str(element["t"]), element.get("c", [])
        if kind in ("RawBlock", "RawInline"):
            return self._raw(*content, inline=kind == "RawInline")
        if kind == "Image":
            return [self._picture(element)]
        if kind == "Math":
            if LOST.search(content[1]):
                self.tell(f"cell {self.number}: the colours or lines of a formula are left out")
            return [{"t": "Math", "c": [content[0], formula(content[1])]}]
        if kind == "Figure" and not content[0][0]:  # a picture in a text, which Jupyter shows where it stands
            caption = [] if text_of(content[1]).strip() == text_of(content[2]).strip() else content[1][1]
            return _paragraphs([*content[2], *caption])
        if kind == "Link":
            return [element] if self._may_lead(content[2]) else content[1]
        return [element]

    def _raw(self, format: str, text: str, *, inline: bool) -> list[Element]:
        """Raw HTML and LaTeX as elements."""
        if format == HTML:
            return self._html(self.cells.fragments[int(text)])
        if format == "html":
            return self._literal(text) if inline else self._html(text)
        if format in ("tex", "latex"):
            return self._latex(text, inline=inline)
        self.tell(f"cell {self.number}: raw {format} is left out")
        return []

    def _html(self, text: str) -> list[Element]:
        """Blocks of HTML, read by pandoc."""
        text = COMPARISON.sub(lambda found: found[0].replace("<", "&lt;"), COMMENT.sub("", text))
        for name in sorted({(found[1] or found[2]).lower() for found in ACTIVE.finditer(text)} - {"style"}):
            self.tell(f"cell {self.number}: <{name}> is left out")
        text = DRAWING.sub(lambda found: f'<img src="{data_uri(found[0])}">', text)
        if COLOURS.search(text):
            self.tell(f"cell {self.number}: the colours of HTML are left out")
        return _paragraphs(self._clean(_read_html(ACTIVE.sub("", text))))

    def _literal(self, text: str) -> list[Element]:
        """A tag in a line of text: a picture or line break, or shown as it is if HTML has no such tag."""
        tag = TAG.fullmatch(text.strip())
        name = tag[2].lower() if tag else ""
        if name == "br":
            return [{"t": "LineBreak"}]
        if name == "li":
            return [] if tag and tag[1] else [{"t": "LineBreak"}, {"t": "Str", "c": "•"}, {"t": "Space"}]
        if name in ("img", "input") or ACTIVE.match(text):
            return inlines(self._html(text))
        if tag is None or name in WRAPPERS or name in ("hr", "wbr", "source", "script", "style"):
            return []  # a comment, or a tag without its partner
        return [{"t": "Str", "c": text}]

    def _wrap_html(self, elements: list[Element]) -> list[Element]:
        """Join pairs of tags in a line, such as <b> and </b>, and what stands between them."""
        shown: list[Element] = []
        opened: list[tuple[str, str, int]] = []  # name, attributes, place
        hidden = ""
        for element in elements:
            tag = TAG.fullmatch(element["c"][1].strip()) if _is_html(element) else None
            name = tag[2].lower() if tag else ""
            if hidden:
                hidden = "" if tag and tag[1] and name == hidden else hidden
            elif tag and name in ("script", "style", "iframe", "video", "audio") and not tag[1]:
                hidden = name
                if name != "style":
                    self.tell(f"cell {self.number}: <{name}> is left out")
            elif tag and name in WRAPPERS and not tag[1]:
                if COLOURS.match(tag[0]):
                    self.tell(f"cell {self.number}: the colours of HTML are left out")
                opened.append((name, tag[3], len(shown)))
            elif tag and tag[1] and name in (each[0] for each in opened):
                while opened:
                    last, attributes, place = opened.pop()
                    inside = shown[place:]
                    if (
                        _wrapped(last, attributes, inside) is not inside
                    ):  # else the list around it is changed as a whole
                        shown[place:] = _wrapped(last, attributes, self._replaced(inside))
                    if last == name:
                        break
            else:
                shown.append(element)
        return shown

    def _latex(self, text: str, *, inline: bool) -> list[Element]:
        """A formula, or LaTeX's text as it was written."""
        if found := environment(text):
            name, content = found
            if not content:
                raise FerError(f"cell {self.number}: LaTeX's {name} cannot be set. Write a formula, or Markdown")
            math = {"t": "Math", "c": [{"t": "DisplayMath"}, formula(content)]}
            return [math] if inline else [{"t": "Para", "c": [math]}]
        if re.match(r"\\(re)?newcommand|\\def\b|\\DeclareMathOperator", text.strip()):
            return []  # a macro, which pandoc has applied
        word = {"t": "Str", "c": text}
        return [word] if inline else [{"t": "Para", "c": [word]}]

    def _may_lead(self, target: list[str]) -> bool:
        """Whether a link is kept: to the web, to an address, to a place of this text or to a file nearby."""
        if not target[0].strip():
            return False
        if target[0].startswith("#"):
            place = unquote(target[0][1:])
            own = next((self.places[each] for each in (place, place.lower()) if each in self.places), None)
            target[0] = f"#{own}"
            if own is None:
                self.tell(f"cell {self.number}: the link to #{place} leads nowhere; its words are shown")
            return own is not None
        return bool(WEB.match(target[0]) or not SCHEME.match(target[0]))

    def _picture(self, image: Element) -> Element:
        """A picture as a file beside the text; `FerError` for one from the web or from elsewhere."""
        source = image["c"][2][0]
        if source not in self.cells.pictures:
            name, where = f"own-{len(self.cells.pictures)}", f"cell {self.number}"
            content = picture_at(source, self.folder, self.cells.attachments.get(self.number, {}), where)
            image["c"][2][0] = add_picture(content, name, self.cells.pictures, f"{where}: {shortened(source)}")
        if style := next((style for key, style in image["c"][0][2] if key == "style"), None):
            image["c"][0][2] += styled_sizes(style)
        return image


def each_list(node: Any, change: Callable[[list], list]) -> Any:
    """Apply `change` to every list of elements in a tree, the innermost first."""
    if isinstance(node, dict):
        return {key: each_list(value, change) for key, value in node.items()}
    if isinstance(node, list):
        node = [each_list(each, change) for each in node]
        return change(node) if node and all(isinstance(each, dict) and "t" in each for each in node) else node
    return node


def text_of(node: Any) -> str:
    """The words of a tree, formulas left out."""
    if isinstance(node, list):
        return "".join(map(text_of, node))
    if not isinstance(node, dict):
        return ""
    kind, content = node.get("t"), node.get("c", "")
    if kind in ("Space", "SoftBreak", "LineBreak"):
        return " "
    if kind == "Str":
        return content
    if kind in ("Code", "CodeBlock"):
        return content[1]
    if kind in ("Math", "RawBlock", "RawInline"):
        return ""
    return text_of(content) + ("\n" if kind in ("Para", "Plain", "Header") else "")


def inlines(blocks: list[Element]) -> list[Element]:
    """The words in some paragraphs."""
    return [each for block in blocks if block["t"] in ("Para", "Plain") for each in block["c"]]


def _paragraphs(blocks: list[Element]) -> list[Element]:
    """Blocks with words alone as paragraphs."""
    return [block | {"t": "Para"} if block["t"] == "Plain" else block for block in blocks]


def _plain(node: Any) -> Any:
    """A tree without attributes of HTML that load or run something; sizes stay."""
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items()}
    if not isinstance(node, list):
        return node
    if len(node) == 3 and isinstance(node[0], str) and all(isinstance(each, list) for each in node[1:]):
        return [node[0], node[1], [pair for pair in node[2] if pair[0] in KEPT_ATTRIBUTES]]
    return [_plain(each) for each in node]


def _is_html(element: Element) -> bool:
    return element["t"] == "RawInline" and element["c"][0] == "html"


def _wrapped(name: str, attributes: str, inside: list[Element]) -> list[Element]:
    """Words between two tags."""
    if name in ("code", "kbd", "tt", "samp"):
        inside = each_list(inside, lambda words: [_as_written(word) for word in words])
        return [{"t": "Code", "c": [["", [], []], text_of(inside)]}]
    if name == "a" and (target := HREF.search(attributes)):
        address = unescape(next(filter(None, target.groups()), ""))
        return [{"t": "Link", "c": [["", [], []], inside, [address, ""]]}]
    return [{"t": WRAPPERS[name], "c": inside}] if WRAPPERS[name] else inside


def _anchors(blocks: list[Element]) -> dict[str, str]:
    """The identifiers of headings by JupyterLab's names for them."""
    heads = [block["c"] for block in blocks if block["t"] == "Header"]
    return {text_of(words).strip().replace(" ", "-"): about[0] for _, about, words in heads}


def _as_written(element: Element) -> Element:
    """A word of code: what was read as a formula is none."""
    return {"t": "Str", "c": f"${element['c'][1]}$"} if element["t"] == "Math" else element


def _places(node: Any) -> list[str]:
    """The identifiers in a tree, to which links may lead."""
    if isinstance(node, list):
        if len(node) == 3 and isinstance(node[0], str) and isinstance(node[1], list) and isinstance(node[2], list):
            return [node[0]]
        return [place for each in node for place in _places(each)]
    return _places(node.get("c")) if isinstance(node, dict) else []
