"""Pictures of a notebook: files beside it, pasted ones, data in an address, and drawings in HTML."""

import io
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

from PIL import Image

from fer_utils.errors import FerError

SHOWN_AS_IS = {"PNG": ".png", "JPEG": ".jpg", "GIF": ".gif", "WEBP": ".webp"}  # Pillow's formats that Typst reads
DRAWING = re.compile(r"<svg\b[^>]*(?:/>|>.*?</svg\s*>)", re.DOTALL | re.IGNORECASE)
PAGE_PX = (627, 930)  # width and height of a page's text, 96 pixels an inch
PX_PER_UNIT = {"": 1, "px": 1, "in": 96, "inch": 96, "cm": 37.8, "mm": 3.78, "pt": 4 / 3, "pc": 16, "em": 16, "rem": 16}
SIZE = re.compile(r"\s*([\d.]+)\s*([a-z]*|%)\s*", re.IGNORECASE)
LONGEST_NAME = 80  # characters in messages


def data_uri(svg: str) -> str:
    """A drawing in HTML as the address of a picture."""
    if "xmlns=" not in svg:
        svg = f'<svg xmlns="http://www.w3.org/2000/svg"{svg[len("<svg") :]}'
    return f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}"


def add_picture(content: bytes, name: str, pictures: dict[str, bytes], where: str) -> str:
    """Add a picture to `pictures`, in a format that the exporters read; return its file name.

    Raises `FerError`, which begins with `where`, for a damaged picture.
    """
    if b"<svg" in content[:2000]:
        file = f"{name}.svg"
    else:
        try:
            with Image.open(io.BytesIO(content)) as image:
                suffix = SHOWN_AS_IS.get(image.format or "")
                if suffix is None:
                    suffix, drawn = ".png", io.BytesIO()
                    image.save(drawn, "png")
                    content = drawn.getvalue()
        except Exception as error:  # Pillow's readers raise almost anything on a damaged file
            told = "of no known format" if "BytesIO" in str(error) else error
            raise FerError(f"{where} is not a readable picture ({told})") from None
        file = f"{name}{suffix}"
    pictures[file] = content
    return file


def picture_at(source: str, folder: Path, pasted: Mapping[str, bytes], where: str) -> bytes:
    """The content of the picture at an address: one of those `pasted` into the cell, data, or a file in `folder`.

    Raises `FerError`, which begins with `where`, for one from the web or from elsewhere.
    """
    if name := next((n for n in (source, unquote(source)) if n.removeprefix("attachment:") in pasted), None):
        return pasted[name.removeprefix("attachment:")]
    named = f"{where}: the picture {shortened(source)}"
    if source.startswith("data:"):
        head, _, body = source.partition(",")
        try:
            return b64decode(body, validate=True) if head.endswith(";base64") else unquote_to_bytes(body)
        except Base64Error:
            raise FerError(f"{named} is not valid base64") from None
    if re.match(r"\s*(https?:)?//", source):
        raise FerError(f"{named} is on the web. Save it beside the notebook and name the file")
    try:
        for path in (unquote(source), source):
            file = (folder / path).resolve()
            if file.is_file() and folder.resolve() in file.parents:
                return file.read_bytes()
    except (OSError, ValueError):  # a name that is too long, or holds a NUL
        pass
    raise FerError(f"{named} is not a file in {folder.resolve()}. Put it there")


def shortened(source: str) -> str:
    """The address of a picture for a message."""
    return source if len(source) < LONGEST_NAME else f"{source[: LONGEST_NAME - 3]}..."


def styled_sizes(style: str) -> list[list[str]]:
    """The width and height in a style of CSS, as attributes."""
    return [list(pair) for pair in re.findall(r"(?:^|;)\s*(width|height)\s*:\s*([\d.]+[a-z%]*)", style)]


def fitting_sizes(attributes: list[list[str]]) -> list[list[str]]:
    """The attributes of a picture whose width and height fit on a page, in units that pandoc knows."""
    found = {name: match for name, size in attributes if (match := SIZE.fullmatch(size))}
    sizes = {
        name: float(size[1]) * PX_PER_UNIT[size[2].lower()]
        for name, size in found.items()
        if size[2].lower() in PX_PER_UNIT
    }
    shares = {name: float(size[1]) for name, size in found.items() if size[2] == "%"}
    if shares.get("width", 0) > 100 or sizes.get("width", 0) > PAGE_PX[0]:
        return [["width", "100%"]]
    if sizes.get("height", 0) > PAGE_PX[1]:
        return [["height", f"{PAGE_PX[1]}px"]]
    kept = [["width", f"{share:g}%"] for name, share in shares.items() if name == "width"]
    return kept + [[name, f"{size:g}px"] for name, size in sizes.items()]
