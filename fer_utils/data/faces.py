"""The one form that every data set takes here: faces with labels and usages."""

from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b

import numpy as np
import pandas as pd

from fer_utils.errors import InputError

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
USAGES = ("Training", "PublicTest", "PrivateTest")
SIDE_PX = 48
UNLABELLED = -1
VALIDATION_SHARE = 0.1
# Of FER2013's PublicTest, 280 images are in Training pixel for pixel, and looked at by eye, pairs from 0.92 on are one
# photograph; between 0.90 and 0.92 some are two people.
NEARLY_THE_SAME = 0.92
CHUNK = 512  # images that are compared with Training at once
BLOCK_PX = 4  # comparing blocks of this side leaves 2 of 100,000 pairs of FER2013
ROUNDING = 1e-4  # more than float32 rounds a product of patterns


@dataclass(frozen=True, eq=False)
class FaceSet:
    """Gray faces: `images` uint8 `(N, 48, 48)`, `labels` int64 `(N,)` with -1 for unlabelled, `usage` str `(N,)`.

    `name` is that of their file, and `ids`, str `(N,)`, are the names of the rows, if they have any. `votes`, uint8
    `(N, 10)`, are FER+'s (columns `votes.BALLOT`), all 0 for a face without. `duplicate`, bool `(N,)`, marks the faces
    that Training also holds (`mark_duplicates`). The fingerprint depends on none of the four.
    """

    images: np.ndarray
    labels: np.ndarray
    usage: np.ndarray
    name: str = "faces"
    ids: np.ndarray | None = None
    votes: np.ndarray | None = None
    duplicate: np.ndarray | None = None

    def __post_init__(self) -> None:
        n = len(self.images)
        object.__setattr__(self, "labels", self.labels.astype(np.int64, copy=False))  # int32 is Windows' default
        if self.images.shape != (n, SIDE_PX, SIDE_PX) or self.images.dtype != np.uint8:
            raise ValueError(f"images are uint8 (N, 48, 48), not {self.images.dtype} {self.images.shape}")
        if self.labels.shape != (n,) or self.usage.shape != (n,):
            raise ValueError(f"{n} images, but labels {self.labels.shape} and usage {self.usage.shape}")
        for name in ("ids", "votes", "duplicate"):
            if (column := getattr(self, name)) is not None and len(column) != n:
                raise ValueError(f"{n} images, but {name} {column.shape}")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: np.ndarray) -> "FaceSet":
        """The faces at `index`, a mask `(N,)` of bool or positions of int."""
        columns = ("images", "labels", "usage", "ids", "votes", "duplicate")
        chosen = {name: column[index] for name in columns if (column := getattr(self, name)) is not None}
        return replace(self, **chosen)

    def part(self, usage: str) -> "FaceSet":
        """The labelled faces of one usage; may be empty."""
        return self[(self.usage == usage) & (self.labels != UNLABELLED)]

    @cached_property
    def digests(self) -> np.ndarray:
        """A 64-bit hash of each image's pixels, uint64 `(N,)`: equal for identical images."""
        hashes = b"".join(blake2b(image, digest_size=8).digest() for image in np.ascontiguousarray(self.images))
        return np.frombuffer(hashes, np.uint64)

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that depend on images, labels and usages, and not on their order, file or layout."""
        usage = np.searchsorted(sorted(USAGES), self.usage)
        rows = np.stack([self.digests, self.labels.astype(np.uint64), usage.astype(np.uint64)])
        ordered = np.ascontiguousarray(rows[:, np.lexsort(rows)])
        return blake2b(ordered.astype("<u8").tobytes(), digest_size=8).hexdigest()

    @cached_property
    def votes_fingerprint(self) -> str:
        """16 hexadecimal digits that depend on pixels and votes, and not on the order of the faces."""
        ordered = canonical(self)
        assert ordered.votes is not None, "only faces with votes have a fingerprint of them"
        return blake2b(ordered.digests.tobytes() + ordered.votes.tobytes(), digest_size=8).hexdigest()


def split(faces: FaceSet) -> tuple[FaceSet, FaceSet]:
    """Training and validation: a tenth of the Training faces of every class is held out.

    Both depend on pixels, labels and votes alone, order included: everybody who has FER2013, in any layout, gets the
    same two parts and trains the same network. Identical images are always on one side.
    """
    training = canonical(faces.part("Training"))
    if not len(training):
        raise InputError(f"{faces.name} has no labelled Training faces, so there is nothing to train on")
    rows = pd.DataFrame({"digest": training.digests, "label": training.labels})
    # Identical images with different labels count for one class, so that they are drawn once.
    rows["label"] = rows.groupby("digest").label.transform("min")
    rows["place"] = rows.groupby("label").cumcount()
    rows["place"] = rows.groupby("digest").place.transform("min")
    size = rows.groupby("label").label.transform("size")
    held_out = (rows.place < (VALIDATION_SHARE * size).round()).to_numpy()
    if not held_out.any() or held_out.all():
        raise InputError(
            f"{faces.name}: {len(training)} Training faces are too few: a tenth of each class is held out, identical "
            "images together, and that leaves none on one side"
        )
    return training[~held_out], training[held_out]


def canonical(faces: FaceSet) -> FaceSet:
    """The same faces, sorted by pixels' hash, label and votes."""
    votes = () if faces.votes is None else tuple(faces.votes.T)
    return faces[np.lexsort((*votes, faces.labels, faces.digests))]


def mark_duplicates(faces: FaceSet) -> FaceSet:
    """The same faces with `duplicate` set: True for faces of Training, and for those that `leaked` finds there.

    Without Training faces nobody can know, and all are marked.
    """
    training, duplicate = faces.usage == "Training", np.ones(len(faces), bool)
    if training.any():
        duplicate[~training] = leaked(faces[~training], faces[training])
    return replace(faces, duplicate=duplicate)


def leaked(faces: FaceSet, training: FaceSet) -> np.ndarray:
    """Which of `faces` Training also holds, pixel for pixel or nearly: bool `(N,)`.

    Nearly means a correlation of the pixels of at least `NEARLY_THE_SAME` with some Training image: the same photograph
    cut or lit a little differently. `_outlines` exclude most Training images at a sixteenth of the cost.
    """
    same = np.isin(faces.digests, training.digests)
    pieces = np.array_split(training.images, len(training) // (8 * CHUNK) + 1)
    outlines = [_outlines(_patterns(images)) for images in pieces]
    for rows in np.array_split(np.flatnonzero(~same), len(faces) // CHUNK + 1):
        patterns = _patterns(faces.images[rows])
        own = _outlines(patterns)
        for images, others in zip(pieces, outlines, strict=True):
            near = (others @ own.T).max(1, initial=-1.0) >= NEARLY_THE_SAME - ROUNDING
            same[rows] |= (patterns @ _patterns(images[near]).T).max(1, initial=-1.0) >= NEARLY_THE_SAME
    return same


def _outlines(patterns: np.ndarray) -> np.ndarray:
    """What bounds the products of patterns: float32 `(N, 145)`, of which a product is at least that of the patterns.

    The projection P of a pattern onto blocks of 4 x 4 pixels, and the length of the rest. By Cauchy and Schwarz,
    a b <= Pa Pb + |a - Pa| |b - Pb|.
    """
    side = SIDE_PX // BLOCK_PX
    blocks = patterns.reshape(-1, side, BLOCK_PX, side, BLOCK_PX)
    means = blocks.mean((2, 4), keepdims=True)
    rest = np.linalg.norm((blocks - means).reshape(patterns.shape), axis=1, keepdims=True)
    return np.concatenate([BLOCK_PX * means.reshape(len(patterns), side**2), rest], 1)


def _patterns(images: np.ndarray) -> np.ndarray:
    """Each image's pixels less their mean, at length 1 (0 for a flat one): float32 `(N, 2304)`."""
    pixels = images.reshape(len(images), SIDE_PX**2).astype(np.float32)
    pixels -= pixels.mean(1, keepdims=True)
    pixels /= np.maximum(np.linalg.norm(pixels, axis=1, keepdims=True), 1e-6)
    return pixels


def counts(faces: FaceSet) -> pd.DataFrame:
    """Faces per class (rows, `unlabelled` where there are any) and usage (columns), with totals."""
    names = np.array([*CLASSES, "unlabelled"])[faces.labels]
    table = pd.crosstab(names, faces.usage)
    table = table.reindex(index=[n for n in (*CLASSES, "unlabelled") if n in table.index or n in CLASSES], fill_value=0)
    table = table.reindex(columns=[u for u in USAGES if u in table.columns])
    table.loc["all"] = table.sum()
    table["all"] = table.sum(axis=1)
    return table.rename_axis(index="class", columns=None)


def repeats(faces: FaceSet) -> dict[str, int]:
    """What is doubtful about the faces, each as a count of images (the last but one: of groups)."""
    found = {}
    parts = {usage: faces.digests[faces.usage == usage] for usage in USAGES if (faces.usage == usage).any()}
    for usage, digests in parts.items():
        found[f"repeated within {usage}"] = len(digests) - len(np.unique(digests))
    for i, usage in enumerate(parts):
        for other in list(parts)[:i]:
            found[f"{usage} images that {other} also holds"] = int(np.isin(parts[usage], parts[other]).sum())
        if usage != "Training" and "Training" in parts:
            assert faces.duplicate is not None, "loaded faces have their duplicates marked"
            near = faces.duplicate[faces.usage == usage]
            found[f"{usage} images that Training also holds, or nearly"] = int(near.sum())
    labelled = pd.DataFrame({"digest": faces.digests, "label": faces.labels})[faces.labels != UNLABELLED]
    found["groups of identical images with different labels"] = int(
        (labelled.groupby("digest").label.nunique() > 1).sum()
    )
    found["flat images (one colour)"] = int((np.ptp(faces.images, axis=(1, 2)) == 0).sum())
    return found
