"""People as a yardstick: how often a few voters of FER+ agree with five others.

A face's ten votes are split into five and five, in all ways. The most frequent answer of the first five counts as
right; the others are people, one to five at a time. Tied answers share the point equally. "Unknown" and "not a face"
are answers of people, never of networks.
"""

from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np

from fer_utils.data.votes import BALLOT

VOTERS, REFERENCE = 10, 5
PEOPLE = VOTERS - REFERENCE
ODD = (1, 3, 5)  # people; even groups tie more often
LESS_THAN_ONE, MORE_THAN_FIVE = 0.0, 6.0  # values of `worth` outside the scale


@dataclass(frozen=True, eq=False)
class Panel:
    """The voters of N faces, averaged over all splits of their votes.

    `reference[i, a]` is the share of face i's point that answer a earns, `people[i, k]` what the most frequent answer
    of k + 1 people earns. `one_person[a, b]` counts faces where the reference is a and one person says b.
    """

    reference: np.ndarray  # float64 (N, 10), with the columns `BALLOT`
    people: np.ndarray  # float64 (N, 5)
    one_person: np.ndarray  # float64 (10, 10)

    def agreement(self, answers: np.ndarray) -> np.ndarray:
        """What answers `(N,)`, as numbers in `BALLOT`, earn on each face: `(N,)`."""
        return self.reference[np.arange(len(answers)), answers]


def panel(votes: np.ndarray) -> Panel:
    """The panel of faces with ten votes each: `votes` is `(N, 10)`.

    It depends only on how often the answers were given, so the few patterns of ten sorted counts are computed once.
    Raises `ValueError` for faces with other than ten votes.
    """
    if (votes.sum(1) != VOTERS).any():
        raise ValueError("a panel needs ten votes on every face")
    order = np.argsort(-votes.astype(int), axis=1, kind="stable")
    patterns, pattern = np.unique(np.take_along_axis(votes, order, 1), axis=0, return_inverse=True)
    found = [_pattern(tuple(counts)) for counts in patterns.tolist()]
    reference, people, pairs = (np.array(part)[pattern] for part in zip(*found, strict=True))
    by_answer, one_person = np.empty(votes.shape), np.zeros((len(BALLOT), len(BALLOT)))
    np.put_along_axis(by_answer, order, reference, 1)
    np.add.at(one_person, (order[:, :, None], order[:, None, :]), pairs)
    return Panel(by_answer, people, one_person)


@cache
def _pattern(counts: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reference `(10,)`, people `(5,)` and pairs of reference and one person `(10, 10)` for ten sorted counts."""
    ballots = np.eye(len(counts))[np.repeat(np.arange(len(counts)), counts)]  # (voter, answer)
    splits = [list(chosen) for chosen in combinations(range(VOTERS), REFERENCE)]
    right = _winners(ballots[splits].sum(1))  # (split, answer)
    others = ballots[[[voter for voter in range(VOTERS) if voter not in chosen] for chosen in splits]]
    people = []
    for size in range(1, PEOPLE + 1):
        groups = others[:, list(combinations(range(PEOPLE), size))].sum(2)  # (split, group, answer)
        people.append((_winners(groups) * right[:, None]).sum(2).mean())
    return right.mean(0), np.array(people), right.T @ others.mean(1) / len(splits)


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
