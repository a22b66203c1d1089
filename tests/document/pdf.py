"""What a PDF shows."""

from pathlib import Path

import pypdfium2
from pypdfium2.raw import FPDF_PAGEOBJ_IMAGE

MARGIN_PT = 62  # 2.2 cm, and a little that glyphs stand out


def pages_of(pdf: bytes | Path) -> list[str]:
    """The text of each page."""
    texts = (page.get_textpage().get_text_bounded() for page in pypdfium2.PdfDocument(pdf))
    return [text.replace("\r\n", "\n").replace("\u2060", "") for text in texts]


def pictures_of(pdf: bytes | Path) -> int:
    """The number of pictures made of pixels."""
    return sum(len(list(page.get_objects([FPDF_PAGEOBJ_IMAGE]))) for page in pypdfium2.PdfDocument(pdf))


def is_inside(pdf: bytes) -> bool:
    """Whether the text of the first page ends left of its right margin."""
    page = pypdfium2.PdfDocument(pdf)[0]
    text = page.get_textpage()
    return all(text.get_rect(i)[2] < page.get_width() - MARGIN_PT for i in range(text.count_rects()))
