"""What fits on a page: long lines and words are broken, wide tables divided, and each character has a glyph."""

from functools import partial
from typing import Any
from unicodedata import east_asian_width

from fer_utils.document.tree import Element, Tree, each_list, text_of
from fer_utils.errors import FerError
from fer_utils.report.fonts import check_glyphs

LINE_CHARACTERS = 96  # of printed text
TABLE_CHARACTERS = 110  # of a row of a table
PADDING_CHARACTERS = 2  # of a cell
WORD_CHARACTERS = 24  # a longer word in a table may be broken
ZERO_WIDTH_SPACE = "\u200b"
NUMBER = set("0123456789.,+-−–% eE±()[]nan ")


def fit(tree: Tree) -> None:
    """Change the blocks of a tree so that they fit on a page; `FerError` for what cannot, with its cell."""
    blocks = []
    for number, block in tree.blocks:
        where = f"cell {number}"
        check_glyphs(text_of(block), where)
        changed = each_list([block], partial(_fitting, where=where))
        blocks += [(number, each) for each in changed]
    tree.blocks = blocks


def _fitting(elements: list[Element], where: str) -> list[Element]:
    return [new for element in elements for new in _fit_one(element, where)]


def _fit_one(element: Element, where: str) -> list[Element]:
    if element["t"] == "CodeBlock":
        attributes, text = element["c"]
        lines = [part for line in text.split("\n") for part in _parts(line, LINE_CHARACTERS)]
        return [{"t": "CodeBlock", "c": [attributes, "\n".join(lines)]}]
    return _tables(element, where) if element["t"] == "Table" else [element]


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


def _tables(table: Element, where: str) -> list[Element]:
    """A table as it is; with given widths of columns; or divided into several that repeat the first columns."""
    columns, head, bodies, foot = table["c"][2:]
    if any(column[1]["t"] == "ColWidth" for column in columns):
        return [table]  # as pandoc has laid it out
    rows = [row for part in (head, foot) for row in part[1]]
    rows += [row for body in bodies for part in body[2:] for row in part]
    least, whole = _widths(rows, len(columns))
    _align(columns, bodies)
    if sum(whole) <= TABLE_CHARACTERS:
        return [table]
    if sum(least) <= TABLE_CHARACTERS:
        spare = (TABLE_CHARACTERS - sum(least)) / (sum(whole) - sum(least))
        shares = [(few + spare * (many - few)) / TABLE_CHARACTERS for few, many in zip(least, whole, strict=True)]
        for column, share in zip(columns, shares, strict=True):
            column[1] = {"t": "ColWidth", "c": share}
        return [each_list(table, _broken)]
    if any(cell[3] > 1 for row in rows for cell in row[1]):
        raise FerError(
            f"{where}: a table of {len(columns)} columns and about {sum(least)} characters does not fit on the page, "
            f"which has {TABLE_CHARACTERS}. Select columns, or transpose it"
        )
    return [_selected(table, group) for group in _groups(least, max(1, *(body[1] for body in bodies)))]


def _cells(row: list) -> list[tuple[int, list]]:
    """The cells of a row, each with its column, if no cell reaches into it from the row above."""
    place, found = 0, []
    for cell in row[1]:
        found.append((place, cell))
        place += cell[3]
    return found


def _widths(rows: list, count: int) -> tuple[list[int], list[int]]:
    """The least and the whole width of each column, in half-width characters."""
    least, whole = [PADDING_CHARACTERS + 1] * count, [PADDING_CHARACTERS + 1] * count
    for row in rows:
        for place, cell in _cells(row):
            if cell[3] == 1 and place < count:
                text = text_of(cell[4]).strip()
                longest = max(map(width, text.split()), default=1)
                least[place] = max(least[place], PADDING_CHARACTERS + min(longest, WORD_CHARACTERS))
                whole[place] = max(whole[place], PADDING_CHARACTERS + max(map(width, text.split("\n"))))
    return least, whole


def _align(columns: list, bodies: list) -> None:
    """Set columns of numbers to the right, unless the table says how it is set."""
    if any(column[0]["t"] != "AlignDefault" for column in columns):
        return
    for place, column in enumerate(columns):
        texts = [text_of(cell[4]) for body in bodies for row in body[3] for at, cell in _cells(row) if at == place]
        if texts and all(set(text.strip()) <= NUMBER for text in texts):
            column[0] = {"t": "AlignRight"}


def _groups(least: list[int], repeated: int) -> list[list[int]]:
    """Columns in groups that fit on a page, each beginning with the repeated ones."""
    first = list(range(repeated)) if sum(least[:repeated]) <= TABLE_CHARACTERS / 2 else []
    groups: list[list[int]] = [list(first)]
    for place in range(len(first), len(least)):
        if len(groups[-1]) > len(first) and sum(least[at] for at in (*groups[-1], place)) > TABLE_CHARACTERS:
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


def _broken(elements: list[Any]) -> list[Any]:
    """Let long words break."""
    return [
        {"t": "Str", "c": ZERO_WIDTH_SPACE.join(_parts(each["c"], WORD_CHARACTERS))} if each["t"] == "Str" else each
        for each in elements
    ]
