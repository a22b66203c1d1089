"""The common form of all data sets: gray faces with labels and usages."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b

import numpy as np
import pandas as pd

from fer_utils.errors import InputError

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
USAGES = ("Training", "PublicTest", "PrivateTest")
COLUMNS = ("images", "labels", "usage", "ids", "votes", "duplicate", "rows")  # of a `FaceSet`
SIDE_PX = 48
UNLABELLED = -1
VALIDATION_SHARE = 0.1
NEARLY_THE_SAME = 0.92  # correlation from which two images show one photograph; see figures/EXPERIMENTS.md
CHUNK = 512  # images that are compared with Training at once
BLOCK_PX = 4  # side of the averaged blocks; see figures/EXPERIMENTS.md
ROUNDING = 1e-4  # exceeds the float32 rounding error of a product of patterns


@dataclass(frozen=True, eq=False)
class FaceSet:
    """Gray faces. The fingerprint depends on images, labels and usages only."""

    images: np.ndarray  # uint8 (N, 48, 48)
    labels: np.ndarray  # int64 (N,), -1 for unlabelled
    usage: np.ndarray  # str (N,), of `USAGES`
    name: str = "faces"  # of the file
    ids: np.ndarray | None = None  # str (N,), names of the rows
    votes: np.ndarray | None = None  # uint8 (N, 10), FER+ votes with the columns `votes.BALLOT`, all 0 for none
    duplicate: np.ndarray | None = None  # bool (N,), whether Training also holds the face; set by `mark_duplicates`
    rows: np.ndarray | None = None  # int64 (N,), the rows of the file, if some were left out
    reading: tuple[str, ...] = ()  # how labels and usages were understood
    skipped: tuple[str, ...] = ()  # what was not read

    def __post_init__(self) -> None:
        n = len(self.images)
        object.__setattr__(self, "labels", self.labels.astype(np.int64, copy=False))  # int32 is the default on Windows
        if self.images.shape != (n, SIDE_PX, SIDE_PX) or self.images.dtype != np.uint8:
            raise ValueError(f"images must be uint8 (N, 48, 48), not {self.images.dtype} {self.images.shape}")
        if self.labels.shape != (n,) or self.usage.shape != (n,):
            raise ValueError(f"{n} images, but labels {self.labels.shape} and usage {self.usage.shape}")
        for name in ("ids", "votes", "duplicate", "rows"):
            if (column := getattr(self, name)) is not None and len(column) != n:
                raise ValueError(f"{n} images, but {name} {column.shape}")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: np.ndarray) -> "FaceSet":
        """The faces at `index`, a boolean mask `(N,)` or integer positions."""
        return replace(self, **{k: column[index] for k in COLUMNS if (column := getattr(self, k)) is not None})

    def noted(self, *skipped: str) -> "FaceSet":
        """The same faces, with notes on what was not read."""
        return replace(self, skipped=(*self.skipped, *skipped))

    def part(self, usage: str) -> "FaceSet":
        """The labelled faces of one usage; may be empty."""
        return self[(self.usage == usage) & (self.labels != UNLABELLED)]

    @cached_property
    def digests(self) -> np.ndarray:
        """A 64-bit hash of the pixels of each image: uint64 `(N,)`."""
        hashes = b"".join(blake2b(image, digest_size=8).digest() for image in np.ascontiguousarray(self.images))
        return np.frombuffer(hashes, np.uint64)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of images, labels and usages in any order: 16 hexadecimal digits."""
        usage = np.searchsorted(sorted(USAGES), self.usage)
        rows = np.stack([self.digests, self.labels.astype(np.uint64), usage.astype(np.uint64)])
        ordered = np.ascontiguousarray(rows[:, np.lexsort(rows)])
        return blake2b(ordered.astype("<u8").tobytes(), digest_size=8).hexdigest()

    @cached_property
    def votes_fingerprint(self) -> str:
        """Hash of images and votes in any order: 16 hexadecimal digits."""
        ordered = canonical(self)
        assert ordered.votes is not None, "only faces with votes have a votes fingerprint"
        return blake2b(ordered.digests.tobytes() + ordered.votes.tobytes(), digest_size=8).hexdigest()


def split(faces: FaceSet) -> tuple[FaceSet, FaceSet]:
    """Hold out a tenth of each Training class: training and validation sets.

    Both depend only on pixels, labels and votes, not on row order or file layout. Identical images stay on one side.
    Raises `InputError` if either side would be empty.
    """
    training = canonical(faces.part("Training"))
    if not len(training):
        raise InputError(f"{faces.name} has no labelled Training faces: give a data set that has them")
    rows = pd.DataFrame({"digest": training.digests, "label": training.labels})
    # Identical images with different labels count for one class, so that they are drawn once.
    rows["label"] = rows.groupby("digest").label.transform("min")
    rows["place"] = rows.groupby("label").cumcount()
    rows["place"] = rows.groupby("digest").place.transform("min")
    size = rows.groupby("label").label.transform("size")
    held_out = (rows.place < (VALIDATION_SHARE * size).round()).to_numpy()
    if not held_out.any() or held_out.all():
        rule = "validation takes a tenth of each class, identical images together. Add faces"
        raise InputError(f"{faces.name}: {len(training)} Training faces are too few: {rule}")
    return training[~held_out], training[held_out]


def joined(parts: Sequence[FaceSet], name: str) -> FaceSet:
    """The faces of several data sets without votes, one after the other; with ids if all have them."""
    if len(parts) == 1:
        return replace(parts[0], name=name)
    ids = [part.ids for part in parts if part.ids is not None]
    return FaceSet(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.usage for part in parts]),
        name,
        np.concatenate(ids) if len(ids) == len(parts) else None,
        reading=tuple(dict.fromkeys(line for part in parts for line in part.reading)),
        skipped=tuple(dict.fromkeys(line for part in parts for line in part.skipped)),
    )


def canonical(faces: FaceSet) -> FaceSet:
    """Sort faces by the hash of their pixels, label and votes."""
    votes = () if faces.votes is None else tuple(faces.votes.T)
    return faces[np.lexsort((*votes, faces.labels, faces.digests))]


def mark_duplicates(faces: FaceSet) -> FaceSet:
    """Mark Training faces and those that `leaked` finds; all if there is no Training."""
    training, duplicate = faces.usage == "Training", np.ones(len(faces), bool)
    if training.any():
        duplicate[~training] = leaked(faces[~training], faces[training])
    return replace(faces, duplicate=duplicate)


def leaked(faces: FaceSet, training: FaceSet) -> np.ndarray:
    """Find faces with an identical or near-identical Training image: bool `(N,)`.

    Near-identical images, such as two crops of one photograph, have a pixel correlation of at least `NEARLY_THE_SAME`.
    `_outlines` excludes most Training images at a sixteenth of the cost.
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
    """Vectors whose products bound those of the patterns: float32 `(N, 145)`.

    Cauchy-Schwarz: a·b <= Pa·Pb + |a - Pa| |b - Pb|, where P averages blocks of 4x4 pixels.
    """
    side = SIDE_PX // BLOCK_PX
    blocks = patterns.reshape(-1, side, BLOCK_PX, side, BLOCK_PX)
    means = blocks.mean((2, 4), keepdims=True)
    rest = np.linalg.norm((blocks - means).reshape(patterns.shape), axis=1, keepdims=True)
    return np.concatenate([BLOCK_PX * means.reshape(len(patterns), side**2), rest], 1)


def _patterns(images: np.ndarray) -> np.ndarray:
    """Pixels less their mean, at norm 1 (0 if flat): float32 `(N, 2304)`."""
    pixels = images.reshape(len(images), SIDE_PX**2).astype(np.float32)
    pixels -= pixels.mean(1, keepdims=True)
    pixels /= np.maximum(np.linalg.norm(pixels, axis=1, keepdims=True), 1e-6)
    return pixels


def counts(faces: FaceSet) -> pd.DataFrame:
    """Count faces per class (rows, with `unlabelled` if any) and usage, with totals."""
    names = (*CLASSES, "unlabelled")
    table = pd.crosstab(np.array(names)[faces.labels], faces.usage)
    rows = names if "unlabelled" in table.index else CLASSES
    table = table.reindex(index=rows, columns=[usage for usage in USAGES if usage in table], fill_value=0)
    table.loc["all"] = table.sum()
    table["all"] = table.sum(axis=1)
    return table.rename_axis(index="class", columns=None)


def repeats(faces: FaceSet) -> dict[str, int]:
    """Count duplicates and doubtful faces, in images (conflicting labels: in groups)."""
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
    conflicts = labelled.groupby("digest").label.nunique() > 1
    found["groups of identical images with different labels"] = int(conflicts.sum())
    found["flat images (one colour)"] = int((np.ptp(faces.images, axis=(1, 2)) == 0).sum())
    return found
