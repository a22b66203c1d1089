"""Markdown as JupyterLab reads it, for pandoc, which reads some of it otherwise."""

import re
from collections.abc import Callable

from fer_utils.document.pictures import DRAWING, data_uri

FENCE = re.compile(r" {0,3}(`{3,}(?!.*`)|~{3,})")
# CommonMark's HTML blocks of kind 6, which end at a blank line; the Markdown after it is Markdown again.
BLOCK_TAG = re.compile(
    r" {0,3}</?(address|article|aside|blockquote|body|center|details|dialog|dd|div|dl|dt|fieldset|figcaption|figure|"
    r"footer|form|h[1-6]|header|hr|iframe|legend|li|link|main|menu|nav|ol|p|section|summary|table|tbody|td|tfoot|th|thead|"
    r"title|tr|ul)(\s|/?>|$)",
    re.IGNORECASE,
)
# Kind 1, up to the closing tag; drawings, too.
RAW_TAG = re.compile(r" {0,3}<(script|pre|style|textarea|svg)(\s|>|$)", re.IGNORECASE)
DELIMITERS = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-*:?\s*)*\|?\s*")  # the second line of a table
INLINE_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
MATH = re.compile(r"(?<![\\$])\$(?!\$)((?:[^$\n]|\n(?!\s*\n))+)(?<!\\)\$(?!\$)")
ITEM = re.compile(r"( *)(\d{1,9})([.)])(?=\s)")  # the number of an item
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
HEADING = re.compile(r" {0,3}#{1,6}(?:\s|$)")
RULE = re.compile(r" {0,3}(?:([*_])(?:[ \t]*\1){2,}|-(?:[ \t]+-){2,})[ \t]*")  # `---` may underline a heading
LIST_FENCE = re.compile(r" {4,}(`{3,}(?!.*`)|~{3,})")  # of a code block in a list
ITEM_FENCE = re.compile(r" *(?:[-*+]|\d{1,9}[.)])[ \t]+(`{3,}(?!.*`)|~{3,})")  # in its first line
LIST_ITEM = re.compile(r" *(?:[-*+]|\d{1,9}[.)])\s")
LANGUAGE = re.compile(r"\s*\{?\.?([A-Za-z][\w+-]*)(?=[\s},:]|$)")  # of a code block
COMMAND = re.compile(r"\\[A-Za-z]|[\^_]\{")  # only formulas have these
LABEL = re.compile(r"^( {0,3})(\[[^\]\n]+\]:)(.*)$", re.MULTILINE)
ADDRESS = re.compile(r"""\s*(?:<[^>]*>|\S+)?(?:\s+(?:"[^"]*"|'[^']*'|\([^)]*\)))?\s*""")  # and a title
NOTE = re.compile(r"\[\^([^\]\s]+)\]")
ARGUMENT = r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}"
MACROS = re.compile(rf"\$\$?\s*((?:\\(?:re)?newcommand\*?\s*\{{?\\\w+\}}?(?:\[\d\])*{ARGUMENT}\s*)+)\$\$?")


def for_pandoc(text: str, cell: int) -> str:
    """The Markdown of a cell, changed where pandoc would read it otherwise than JupyterLab.

    An open code block ends with its cell, HTML blocks end at a blank line, a table needs no blank line before it,
    formulas may have blanks inside their dollars, and `1)` begins a list. Footnotes are those of their cell.
    """
    shown: list[str] = []
    words: list[str] = []  # lines outside of code and HTML
    said: list[str] = []  # all of them

    def end_words() -> None:
        if words:
            said.extend(words)
            shown.append(_outside_code("\n".join(words), lambda part: _words(part, cell, notes)))
            words.clear()

    lines = text.split("\n")
    notes = set(re.findall(rf"^ {{0,3}}{NOTE.pattern}:", text, re.MULTILINE))
    notes &= set(re.findall(rf"{NOTE.pattern}(?!:)", text))  # one that no word refers to is a text
    place = 0
    while place < len(lines):
        end = _end_of_block(lines, place)
        if end is None and _is_code(lines[place], words):
            end_words()
            shown.append(lines[place])
            place += 1
            continue
        if end is None:
            if words and words[-1].strip() and _needs_blank_line(lines, place):
                words.append("")
            end = _end_of_list_code(lines, place, words) or place + 1
            if end > place + 1 and words and not LIST_ITEM.match(lines[place]):
                words.append("")
            words += lines[place:end]
            place = end
            continue
        end_words()
        block = lines[place:end]
        shown.append(_closed(block) if FENCE.match(block[0]) else _raw_html("\n".join(block)))
        place = end
    end_words()
    if "<!--" in COMMENT.sub("", INLINE_CODE.sub("", "\n".join(said))):  # an open one would hide the next cells
        shown.append("-->")
    return "\n".join(shown)


def _end_of_block(lines: list[str], place: int) -> int | None:
    """Where the code or HTML block that begins at a line ends; None if none begins."""
    line = lines[place]
    if fence := FENCE.match(line):
        return _end_of_fence(lines, place, fence, " {0,3}") or len(lines)
    if tag := RAW_TAG.match(line):
        closing = f"</{tag[1].lower()}"
        return next((i + 1 for i in range(place, len(lines)) if closing in lines[i].lower()), len(lines))
    if BLOCK_TAG.match(line):
        return next((i for i in range(place, len(lines)) if not lines[i].strip()), len(lines))
    return None


def _end_of_fence(lines: list[str], place: int, fence: re.Match[str], indented: str) -> int | None:
    """Where the code block ends whose fence is in a line; None if it is not closed."""
    ends = re.compile(rf"{indented}{re.escape(fence[1][0])}{{{len(fence[1])},}}\s*")
    return next((i + 1 for i in range(place + 1, len(lines)) if ends.fullmatch(lines[i])), None)


def _end_of_list_code(lines: list[str], place: int, before: list[str]) -> int | None:
    """Where the code block of a list ends that begins in an item's first line, or without a blank line before it.

    None if none begins.
    """
    if fence := ITEM_FENCE.match(lines[place]):
        return _end_of_fence(lines, place, fence, r"[ \t]*")
    fence = LIST_FENCE.match(lines[place])
    if fence is None or not before or not before[-1].strip() or not any(map(LIST_ITEM.match, before)):
        return None
    return _end_of_fence(lines, place, fence, " *")


def _closed(block: list[str]) -> str:
    """A code block that is closed."""
    fence = re.match(FENCE, block[0])
    assert fence
    if not (about := block[0][fence.end() :].strip()).startswith("{="):  # a raw block
        language = LANGUAGE.match(about)
        block = [fence[0] + (language[1] if language else ""), *block[1:]]
    is_closed = _end_of_fence(block, 0, fence, " {0,3}") is not None
    return "\n".join(["", *block, *([] if is_closed else [fence[1]]), ""])


def _raw_html(html: str) -> str:
    """A raw block of pandoc's."""
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", html)), 3)
    return f"\n{fence}{{=html}}\n{html}\n{fence}\n"


def _is_code(line: str, before: list[str]) -> bool:
    """Whether a line is code since it is indented: after a blank line, and in no list."""
    return (
        line.startswith(("    ", "\t")) and not "".join(before[-1:]).strip() and not any(map(LIST_ITEM.match, before))
    )


def _needs_blank_line(lines: list[str], place: int) -> bool:
    """Whether pandoc would not see that a block begins at a line, or that one has ended before it."""
    return (
        _begins_table(lines, place)
        or HEADING.match(lines[place - 1]) is not None  # else a rule below it would underline it
        or RULE.fullmatch(lines[place]) is not None
    )


def _begins_table(lines: list[str], place: int) -> bool:
    """Whether a line is the head of a table, and the line before it none of a table."""
    if place + 1 >= len(lines) or "|" not in lines[place] or "|" in lines[place - 1]:
        return False
    return "|" in lines[place + 1] and DELIMITERS.fullmatch(lines[place + 1]) is not None


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    """Change a text except for its inline code."""
    parts, place = [], 0
    for code in INLINE_CODE.finditer(text):
        parts += [change(text[place : code.start()]), code[0]]
        place = code.end()
    return "".join([*parts, change(text[place:])])


def _formulas(text: str) -> str:
    """Formulas in marks that pandoc cannot misread. A single dollar, as in a price, begins none.

    A formula may have blanks inside of its dollars, on both sides or if it has commands, and a digit after them. One
    with commands may have several lines.
    """
    parts, place = [], 0
    while found := MATH.search(text, place):
        inside, after = found[1].strip(), text[found.end() : found.end() + 1]
        sure = (len(inside) == 1 and inside.isalpha()) or bool(COMMAND.search(inside))
        one_line = "\n" not in found[1]
        both = one_line and found[1][0].isspace() and found[1][-1].isspace()
        plain = one_line and found[1] == inside and not after.isdigit()
        end = found.end() if inside and (sure or both or plain) else found.start() + 1
        parts.append(text[place : found.start()])
        apart = "<!-- -->" if after.isdigit() else ""  # pandoc ends no formula before a digit
        parts.append(rf"\\({inside}\\){apart}" if end == found.end() else "$")
        place = end
    return "".join([*parts, text[place:]])


def _items(text: str) -> str:
    """A text whose lists `1)` are lists `1.`; a number within a paragraph begins none unless it is 1."""
    lines, before = text.split("\n"), ""
    lists: set[int] = set()  # how far the items of open lists are indented
    for place, line in enumerate(lines):
        indented = len(line) - len(line.lstrip())
        if found := ITEM.match(line):
            if indented in lists or found[2] == "1" or not before.strip():
                lines[place] = ITEM.sub(r"\1\2.", line, count=1)
                lists = {each for each in lists if each < indented} | {indented}
            elif found[3] == ".":
                lines[place] = ITEM.sub(r"\1\2\\.", line, count=1)
        elif line.strip() and not before.strip():  # a paragraph ends the lists that it is not indented in
            lists = {each for each in lists if each < indented}
        before = line
    return "\n".join(lines)


def _defines(found: re.Match[str], notes: set[str]) -> bool:
    """Whether a line that begins as in `[1]: address` gives an address or a note, and no other words."""
    note = NOTE.fullmatch(found[2][:-1])
    return note[1] in notes if note else ADDRESS.fullmatch(found[3]) is not None


def _words(text: str, cell: int, notes: set[str]) -> str:
    text = LABEL.sub(lambda found: found[0] if _defines(found, notes) else rf"{found[1]}\{found[2]}{found[3]}", text)
    text = MACROS.sub(lambda found: f"\n\n{found[1]}\n\n", text)
    text = _items(_formulas(text))
    text = DRAWING.sub(lambda found: f"![]({data_uri(found[0])})", text)
    return NOTE.sub(lambda found: f"[^{cell}-{found[1]}]" if found[1] in notes else found[0], text)
