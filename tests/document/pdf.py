"""What a PDF shows."""

from pathlib import Path

import pypdfium2
from pypdfium2.raw import FPDF_PAGEOBJ_IMAGE

MARGIN_PT = 60  # 2.2 cm, less a little that glyphs stand out


def pages_of(pdf: bytes | Path) -> list[str]:
    """The text of each page."""
    texts = (page.get_textpage().get_text_bounded() for page in pypdfium2.PdfDocument(pdf))
    return [text.replace("\r\n", "\n").replace("\u2060", "") for text in texts]


def pictures_of(pdf: bytes | Path) -> int:
    """The number of pictures made of pixels."""
    return sum(len(list(page.get_objects([FPDF_PAGEOBJ_IMAGE]))) for page in pypdfium2.PdfDocument(pdf))


def is_inside(pdf: bytes) -> bool:
    """Whether all text and pictures stand left of the right margin of their page, and no lower than it ends."""
    return all(map(_is_inside, pypdfium2.PdfDocument(pdf)))


def _is_inside(page: pypdfium2.PdfPage) -> bool:
    text = page.get_textpage()
    boxes = [text.get_rect(i) for i in range(text.count_rects())]
    boxes += [picture.get_bounds() for picture in page.get_objects([FPDF_PAGEOBJ_IMAGE])]
    return all(right < page.get_width() - MARGIN_PT and bottom > 0 for _, bottom, right, _ in boxes)
