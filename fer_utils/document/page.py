"""What fits on a page: long lines and words are broken, wide tables divided, and each character has a glyph."""

import re
from collections.abc import Callable
from functools import partial
from unicodedata import east_asian_width

from fer_utils.document.pictures import fitting_sizes
from fer_utils.document.tree import Element, Tree, each_list, text_of
from fer_utils.errors import FerError
from fer_utils.report.fonts import check_glyphs

LINE_CHARACTERS = 96  # of printed text
TABLE_CHARACTERS = {"en": 122, "zh-TW": 112}  # of a row of a table, by language: the Chinese font's letters are wider
PADDING_CHARACTERS = 2  # of a cell
WORD_CHARACTERS = 24  # a longer word in a table may be broken
LONG_CHARACTERS = 40  # of a word in a text, from which on it may be broken
STEP_CHARACTERS = 8  # between the places where it may be broken
ZERO_WIDTH_SPACE = "\u200b"
WORD_JOINER = "\u2060"
MARK = re.compile(r"[-+/]|=+|\d+\.")
LATIN_WORD = re.compile(r"[!-\u1fff\u2010-\u2e7f]+")  # Chinese breaks anywhere
SHORTHAND = re.compile(r"-[-?]+|\.\.\.")
NUMBER = set("0123456789.,+-−–% eE±()[]nan ")


def fit(tree: Tree, language: str = "en") -> None:
    """Change the blocks of a tree so that they fit on a page; `FerError` for what cannot, with its cell."""
    blocks = []
    room = TABLE_CHARACTERS[language]
    for number, block in tree.blocks:
        where = f"cell {number}"
        check_glyphs(text_of(block), where)
        changed = each_list([block], partial(_fitting, where=where, room=room))
        blocks += [(number, each) for each in changed]
    tree.blocks = blocks


def _fitting(elements: list[Element], where: str, room: int) -> list[Element]:
    return [new for element in elements for new in _fit_one(element, where, room)]


def _fit_one(element: Element, where: str, room: int) -> list[Element]:
    kind = element["t"]
    if kind in ("Str", "Code"):
        return _breaking([element], LONG_CHARACTERS)
    if kind == "Image":
        attributes = element["c"][0]
        attributes[2] = fitting_sizes(attributes[2])
    if kind == "CodeBlock":
        lines = [part for line in element["c"][1].split("\n") for part in _parts(line, LINE_CHARACTERS)]
        return [{"t": kind, "c": [element["c"][0], "\n".join(lines)]}]
    return _tables(element, where, room) if kind == "Table" else [element]


def _breaking(elements: list[Element], most: int) -> list[Element]:
    """Elements whose words may break if they are longer than `most` characters."""

    def broken(text: str) -> str:
        return LATIN_WORD.sub(lambda word: _in_steps(word[0]) if len(word[0]) > most else word[0], text)

    changed = {
        "Str": lambda content: _unmarked(broken(content)),
        "Code": lambda content: [content[0], broken(content[1])],
    }
    return [{"t": each["t"], "c": changed[each["t"]](each["c"])} if each["t"] in changed else each for each in elements]


def _in_steps(word: str) -> str:
    return ZERO_WIDTH_SPACE.join(word[i : i + STEP_CHARACTERS] for i in range(0, len(word), STEP_CHARACTERS))


def _unmarked(word: str) -> str:
    """A word that Typst takes for no markup: no mark of a list or heading, and no shorthand of a dash or ellipsis."""
    word = SHORTHAND.sub(lambda found: WORD_JOINER.join(found[0]), word)
    return WORD_JOINER + word if MARK.fullmatch(word) else word


def width(text: str) -> int:
    """The width of a text in half-width characters."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def _parts(line: str, most: int) -> list[str]:
    """A line in pieces of at most so many half-width characters."""
    pieces, piece, size = [], "", 0
    for character in line.expandtabs(4):
        if size + width(character) > most:
            pieces.append(piece)
            piece, size = "", 0
        piece, size = piece + character, size + width(character)
    return [*pieces, piece]


def _tables(table: Element, where: str, room: int) -> list[Element]:
    """A table as it is; with given widths of columns; or divided into several that repeat the first columns."""
    columns, head, bodies, foot = table["c"][2:]
    if any(column[1]["t"] == "ColWidth" for column in columns):
        return [table]  # as the notebook sets it
    heads = [*head[1], *(row for body in bodies for row in body[2])]
    rows = [*(row for body in bodies for row in body[3]), *foot[1]]
    _align(columns, rows)
    whole = _widths(heads + rows, len(columns), _line)
    if sum(whole) <= room:
        return [table]
    least = _widths(heads + rows, len(columns), _word)
    # Heads break into words before anything else does.
    firm = [max(pair) for pair in zip(_widths(rows, len(columns), _line), least, strict=True)]
    for narrow, wide in ((firm, whole), (least, firm)):
        if sum(narrow) <= room:
            for column, size in zip(columns, _between(narrow, wide, room), strict=True):
                column[1] = {"t": "ColWidth", "c": size / room}
            return [each_list(table, partial(_breaking, most=WORD_CHARACTERS))]
    if any(max(cell[2:4]) > 1 for row in heads + rows for cell in row[1]):  # cells that reach over others
        raise FerError(
            f"{where}: a table of {len(columns)} columns and about {sum(least)} characters does not fit on the page, "
            f"which has {room}. Select columns, transpose it, or reset its index"
        )
    parts = [_selected(table, group) for group in _groups(least, max(1, *(body[1] for body in bodies)), room)]
    for part in parts[1:]:
        part["c"][0] = ["", *part["c"][0][1:]]  # only one may have the table's name
    return parts


def _cells(row: list) -> list[tuple[int, list]]:
    """The cells of a row, each with its column, if no cell reaches into it from the row above."""
    place, found = 0, []
    for cell in row[1]:
        found.append((place, cell))
        place += cell[3]
    return found


def _widths(rows: list, count: int, measure: Callable[[str], int]) -> list[int]:
    """The width of each column, in half-width characters, if its cells are measured so."""
    widths = [1] * count
    for row in rows:
        for place, cell in _cells(row):
            if cell[3] == 1 and place < count:
                widths[place] = max(widths[place], measure(text_of(cell[4]).strip()))
    return [PADDING_CHARACTERS + each for each in widths]


def _between(narrow: list[int], wide: list[int], room: int) -> list[int]:
    """Widths of columns that together fit: all as wide as they would be but the widest, which share the rest."""

    def limited(most: int) -> list[int]:
        return [max(few, min(many, most)) for few, many in zip(narrow, wide, strict=True)]

    return next(widths for most in range(room, -1, -1) if sum(widths := limited(most)) <= room)


def _line(text: str) -> int:
    """The width of the longest line."""
    return max(map(width, text.split("\n")))


def _word(text: str) -> int:
    """The width of the longest word, if long ones may be broken; Chinese breaks at any character."""
    words = "".join(f" {character} " if width(character) == 2 else character for character in text).split()
    return min(max(map(width, words), default=1), WORD_CHARACTERS)


def _align(columns: list, rows: list) -> None:
    """Set columns of numbers to the right, unless the table says how it is set."""
    if any(column[0]["t"] != "AlignDefault" for column in columns):
        return
    for place, column in enumerate(columns):
        texts = [text_of(cell[4]) for row in rows for at, cell in _cells(row) if at == place]
        if texts and all(set(text.strip()) <= NUMBER for text in texts):
            column[0] = {"t": "AlignRight"}


def _groups(least: list[int], repeated: int, room: int) -> list[list[int]]:
    """Columns in groups that fit on a page, each beginning with the repeated ones."""
    first = list(range(repeated)) if sum(least[:repeated]) <= room / 2 else []
    groups: list[list[int]] = [list(first)]
    for place in range(len(first), len(least)):
        if len(groups[-1]) > len(first) and sum(least[at] for at in (*groups[-1], place)) > room:
            groups.append(list(first))
        groups[-1].append(place)
    return groups


def _selected(table: Element, places: list[int]) -> Element:
    """A table of some columns."""
    attributes, caption, columns, head, bodies, foot = table["c"]

    def rows(given: list) -> list:
        return [[row[0], [cell for place, cell in _cells(row) if place in places]] for row in given]

    chosen = [[body[0], body[1], rows(body[2]), rows(body[3])] for body in bodies]
    parts = [[head[0], rows(head[1])], chosen, [foot[0], rows(foot[1])]]
    return {"t": "Table", "c": [attributes, caption, [columns[place] for place in places], *parts]}
