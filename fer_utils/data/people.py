"""People as a yardstick: how often a few voters of FER+ agree with five others.

A face's ten votes are split at random: five are the reference, whose most frequent answer is right; the first one to
five of the others are people. Tied answers share the point equally. "Unknown" and "not a face" are answers of people,
never of networks.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fer_utils.data.votes import BALLOT

VOTERS, REFERENCE = 10, 5
PEOPLE = VOTERS - REFERENCE
SPLITS = 40
ODD = (1, 3, 5)  # people; even groups tie more often
LESS_THAN_ONE, MORE_THAN_FIVE = 0.0, 6.0  # values of `worth` outside the scale


@dataclass(frozen=True, eq=False)
class Panel:
    """The voters of N faces, averaged over the splits of their votes.

    `reference[i, a]` is the share of face i's point that answer a wins; `people[i, k]` is what the most frequent answer
    of k + 1 people wins. `one_person[a, b]` counts faces where the reference is a and one person says b.
    """

    reference: np.ndarray  # float64 (N, 10), with the columns `BALLOT`
    people: np.ndarray  # float64 (N, 5)
    one_person: np.ndarray  # float64 (10, 10)

    def agreement(self, answers: np.ndarray) -> np.ndarray:
        """What answers `(N,)`, as numbers in `BALLOT`, win on each face: `(N,)`."""
        return self.reference[np.arange(len(answers)), answers]


def panel(votes: np.ndarray) -> Panel:
    """The panel of faces with ten votes each: `votes` is `(N, 10)`.

    The splits are random but always the same for the same votes. Raises `ValueError` for faces with other than ten.
    """
    if (votes.sum(1) != VOTERS).any():
        raise ValueError("a panel needs ten votes on every face")
    return _panel(votes.astype(np.uint8).tobytes())


@lru_cache(maxsize=8)  # tables and figures ask for the same faces many times
def _panel(counts: bytes) -> Panel:
    votes = np.frombuffer(counts, np.uint8).reshape(-1, len(BALLOT))
    ballots = np.repeat(np.tile(np.arange(len(BALLOT)), len(votes)), votes.ravel()).reshape(-1, VOTERS)
    rng = np.random.default_rng(0)
    reference, people = np.zeros(votes.shape), np.zeros((len(votes), PEOPLE))
    one_person = np.zeros((len(BALLOT), len(BALLOT)))
    for _ in range(SPLITS):
        drawn = np.eye(len(BALLOT))[rng.permuted(ballots, axis=1)]  # (N, 10 voters, 10 answers)
        right = _winners(drawn[:, :REFERENCE].sum(1))
        reference += right
        groups = drawn[:, REFERENCE:].cumsum(1)
        people += (_winners(groups) * right[:, None]).sum(2)
        one_person += right.T @ groups[:, 0]
    return Panel(reference / SPLITS, people / SPLITS, one_person / SPLITS)


def worth(agreement: np.ndarray, people: np.ndarray) -> np.ndarray:
    """The number of people that agree as often, between 1 and 5: `(...)` and `(..., 5)` -> `(...)`.

    Interpolated between one, three and five people. Below and above, `LESS_THAN_ONE` and `MORE_THAN_FIVE`.
    """
    one, three, five = (people[..., k - 1] for k in ODD)
    lower = 1 + 2 * (agreement - one) / np.maximum(three - one, 1e-9)
    upper = 3 + 2 * (agreement - three) / np.maximum(five - three, 1e-9)
    parts = [agreement < one, agreement < three, agreement < five, agreement == five]
    return np.select(parts, [LESS_THAN_ONE, lower, upper, 5], MORE_THAN_FIVE)


def has_panel(votes: np.ndarray) -> np.ndarray:
    """Which faces have ten votes: bool `(N,)`."""
    return votes.sum(1) == VOTERS


def _winners(counts: np.ndarray) -> np.ndarray:
    """The most frequent answers of `(..., 10)`: they share 1, the others have 0."""
    most = counts == counts.max(-1, keepdims=True)
    return most / most.sum(-1, keepdims=True)
