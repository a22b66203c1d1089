"""Demo data: faces drawn by a seeded generator, for runs without FER2013.

The expressions move brows, eyes, nose and mouth roughly as the action units of Ekman and Friesen's Facial Action Coding
System (1978). Pose, light, hair, glasses, hands and noise make them hard to classify. They say nothing about people.
"""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from fer_utils.data.faces import CLASSES, SIDE_PX, FaceSet

# Training counts of FER2013 (Goodfellow et al. 2013, arXiv 1307.0414), in the order of CLASSES.
FER2013_COUNTS = np.array([3995, 436, 4097, 7215, 4830, 3171, 4965])
SIZES = {"Training": 1800, "PublicTest": 600}
SEED = 2013  # gives the same faces on every machine, up to the rounding of pixels
NAME = "drawn demo faces"  # marks results on demo data; not a likely file name
Array = np.ndarray
Shape = Array | float
Face = SimpleNamespace  # per face: the features, the shades `skin` and `dark`, and pixel coordinates `x` and `y`
Uniform = Callable[[float, float], Array]  # one uniform random number per face: (N, 1, 1)

# Displacement of each feature from the neutral face, in units of its own.
FEATURES = ("brow_inner", "brow_outer", "eye_open", "wrinkle", "mouth_curve", "mouth_open", "mouth_width", "lip_raise")
EXPRESSIONS = {
    "angry": (-1.0, 0.25, -0.3, 0.5, -0.4, 0.1, -0.2, 0.0),
    "disgust": (-0.6, -0.3, -0.6, 1.0, -0.4, 0.3, -0.1, 0.9),
    "fear": (0.9, 0.2, 0.7, 0.0, -0.35, 0.5, 0.2, 0.0),
    "happy": (0.1, 0.0, -0.3, 0.0, 1.0, 0.4, 0.4, 0.0),
    "sad": (0.6, -0.5, -0.5, 0.0, -0.8, 0.0, -0.15, 0.0),
    "surprise": (0.9, 0.9, 0.9, 0.0, 0.0, 1.0, -0.4, 0.0),
    "neutral": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
}


def demo_faces() -> FaceSet:
    """The demo data set, deterministic and with the class proportions of FER2013."""
    rng = np.random.default_rng(SEED)
    labels = np.concatenate([_labels(n) for n in SIZES.values()])
    usage = np.repeat(list(SIZES), list(SIZES.values()))
    order = rng.permutation(len(labels))
    return FaceSet(draw(labels[order], rng), labels[order], usage[order], NAME)


def demo_samples(n: int) -> FaceSet:
    """Drawn faces of Training, n of each class."""
    labels = np.repeat(np.arange(len(CLASSES)), n)
    return FaceSet(draw(labels, np.random.default_rng(SEED)), labels, np.full(len(labels), "Training"), NAME)


def _labels(n: int) -> Array:
    ends = np.round(n * np.cumsum(FER2013_COUNTS) / FER2013_COUNTS.sum()).astype(int)
    return np.repeat(np.arange(len(CLASSES)), np.diff(ends, prepend=0))


def draw(labels: Array, rng: np.random.Generator) -> Array:
    """Draw one face per label `(N,)`: uint8 `(N, 48, 48)`."""
    n = len(labels)

    def uniform(low: float, high: float) -> Array:
        return rng.uniform(low, high, (n, 1, 1)).astype(np.float32)

    moved = np.array([EXPRESSIONS[name] for name in CLASSES])[labels]
    moved = moved * rng.uniform(0.42, 1.12, (n, 1)) + rng.normal(0, 0.13, moved.shape)
    face = Face(**{name: moved[:, i, None, None].astype(np.float32) for i, name in enumerate(FEATURES)})
    face.x, face.y = _pose(uniform, n)
    background, face.skin = uniform(0.1, 0.9), uniform(0.4, 0.9)
    picture = np.broadcast_to(background, face.x.shape).copy()
    hair, face.dark = uniform(0.02, 0.6), face.skin * uniform(0.2, 0.45)
    wide, long = uniform(0.62, 0.8), uniform(0.82, 0.95)
    _paint(picture, _ellipse(face, 0, -0.12, wide + 0.12, long + uniform(0, 0.15)), hair)
    _paint(picture, _ellipse(face, 0, 0.05, wide, long), face.skin)
    _paint(picture, _ellipse(face, 0, -1.0, wide, uniform(0.25, 0.55)), hair)
    _eyes(picture, face, uniform)
    _nose(picture, face, uniform)
    _mouth(picture, face, uniform)
    _glasses(picture, face, (uniform(0, 1) < 0.15) * uniform(0.4, 1), uniform)
    _hand(picture, face, uniform(0, 1) < 0.12, uniform)
    return _photograph(picture, uniform, rng)


def _pose(uniform: Uniform, n: int) -> tuple[Array, Array]:
    """Face coordinates x, y of every pixel; an upright, full-size face spans -1..1."""
    grid = (np.arange(SIDE_PX, dtype=np.float32) + 0.5) / SIDE_PX * 2 - 1
    x, y = np.broadcast_to(grid, (n, SIDE_PX, SIDE_PX)), np.broadcast_to(grid[:, None], (n, SIDE_PX, SIDE_PX))
    x, y = x - uniform(-0.14, 0.14), y - uniform(-0.14, 0.14)
    angle, size = uniform(-0.25, 0.25), uniform(0.85, 1.15)
    x, y = (np.cos(angle) * x + np.sin(angle) * y) / size, (np.cos(angle) * y - np.sin(angle) * x) / size
    turn = uniform(-0.25, 0.25)
    return x * (1 + turn * x) + turn * 0.3, y  # a turned head is wider on one side


def _paint(picture: Array, cover: Array, shade: Shape) -> None:
    picture += cover * (shade - picture)


def _edge(distance: Array) -> Array:
    """Pixel coverage 0..1 by signed distance from an edge, soft over 1.5 pixels."""
    return np.clip(0.5 - distance * SIDE_PX / 3, 0, 1)


def _ellipse(face: Face, cx: Shape, cy: Shape, rx: Shape, ry: Shape) -> Array:
    return _edge((np.hypot((face.x - cx) / rx, (face.y - cy) / ry) - 1) * np.minimum(rx, ry))


def _stroke(face: Face, cx: Shape, cy: Shape, half_width: Shape, slope: Shape, bend: Shape, thickness: Shape) -> Array:
    """A curved line y = cy + slope t + bend t^2, with t in -1..1 along x."""
    t = (face.x - cx) / half_width
    return _edge(np.abs(face.y - cy - slope * t - bend * t**2) - thickness) * _edge((np.abs(t) - 1) * half_width)


def _eyes(picture: Array, face: Face, uniform: Uniform) -> None:
    apart, level, size = uniform(0.27, 0.34), uniform(-0.24, -0.14), uniform(0.12, 0.155)
    opened = np.clip(0.085 * (1 + 0.7 * face.eye_open), 0.02, 0.2)
    gaze, white, brow_up, thick = uniform(-0.05, 0.05), uniform(0.75, 1), uniform(0.2, 0.28), uniform(0.025, 0.045)
    inner, outer = 0.12 * face.brow_inner, 0.12 * face.brow_outer
    for side in (-1, 1):
        _paint(picture, _ellipse(face, side * apart, level, size, opened), white)
        _paint(picture, _ellipse(face, side * apart + gaze, level, 0.065, np.minimum(opened, 0.075)), face.dark * 0.5)
        _paint(picture, _stroke(face, side * apart, level - opened, size, 0, 0.3 * opened, 0.012), face.dark)
        middle, slope = level - brow_up - (inner + outer) / 2, side * (inner - outer) / 2
        _paint(picture, _stroke(face, side * apart, middle, size * 1.25, slope, 0.05, thick), face.dark)


def _nose(picture: Array, face: Face, uniform: Uniform) -> None:
    tip = uniform(0.12, 0.22)
    _paint(picture, _stroke(face, 0, tip, uniform(0.08, 0.13), 0, -0.05, 0.015), face.dark)
    _paint(picture, _ellipse(face, uniform(0.04, 0.09), tip / 2 - 0.1, 0.02, 0.18), face.skin * 0.8)
    for side in (-1, 1):  # the folds beside a wrinkled nose
        fold = _stroke(face, side * 0.14, tip - 0.1, 0.08, side * 0.1, 0, 0.015)
        _paint(picture, fold * np.clip(face.wrinkle, 0, 1), face.dark)


def _mouth(picture: Array, face: Face, uniform: Uniform) -> None:
    x, y = face.x, face.y
    level, width = uniform(0.46, 0.56), 0.3 * (1 + 0.6 * face.mouth_width) * uniform(0.85, 1.15)
    bend = -0.14 * face.mouth_curve
    opened = np.clip(0.19 * face.mouth_open, 0, 0.3)
    t = np.clip(x / width, -1, 1)
    middle = level + bend * (t**2 - 0.5)  # a smile lifts the corners
    inside = _edge(np.abs(y - middle) - opened * np.sqrt(1 - t**2)) * _edge(np.abs(x) - width)
    _paint(picture, inside * (opened > 0.015), face.dark * 0.4)
    teeth = _edge(np.abs(y - middle + opened * 0.45) - opened * 0.3) * inside * (opened > 0.05)
    _paint(picture, teeth * np.clip(face.mouth_curve + 0.3, 0, 1), 0.95)
    for lip in (-1, 1):
        raised = np.where(lip < 0, 0.07 * face.lip_raise * (1 - t**2), 0)
        line = _edge(np.abs(y - middle - lip * opened * np.sqrt(1 - t**2) + raised) - 0.022) * _edge(np.abs(x) - width)
        _paint(picture, line, (face.dark + face.skin) / 2.6)


def _glasses(picture: Array, face: Face, strength: Array, uniform: Uniform) -> None:
    radius, shade = uniform(0.2, 0.25), uniform(0.0, 0.3)
    for side in (-1, 1):
        ring = _edge(np.abs(np.hypot(face.x - side * 0.31, face.y + 0.18) - radius) - 0.015)
        _paint(picture, ring * strength, shade)
    _paint(picture, _stroke(face, 0, -0.2, 0.09, 0, 0, 0.015) * strength, shade)


def _hand(picture: Array, face: Face, visible: Array, uniform: Uniform) -> None:
    blob = _ellipse(face, uniform(-0.9, 0.9), uniform(0.1, 0.9), uniform(0.15, 0.35), uniform(0.15, 0.35))
    _paint(picture, blob * visible, face.skin * uniform(0.8, 1.1))


def _photograph(picture: Array, uniform: Uniform, rng: np.random.Generator) -> Array:
    """Add uneven light, contrast and noise; convert to uint8 `(N, 48, 48)`."""
    grid = np.linspace(-1, 1, SIDE_PX, dtype=np.float32)
    light = 1 + uniform(-0.3, 0.3) * grid[:, None] + uniform(-0.3, 0.3) * grid
    picture = (picture * light - 0.5) * uniform(0.7, 1.2) + uniform(0.4, 0.6)
    picture += rng.standard_normal(picture.shape, np.float32) * uniform(0.01, 0.06)
    return (np.clip(picture, 0, 1) * 255).round().astype(np.uint8)
