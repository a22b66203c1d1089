import numpy as np
import pytest

from fer_utils.data.people import LESS_THAN_ONE, MORE_THAN_FIVE, has_panel, panel, worth
from fer_utils.data.votes import bundled, majority

FER2013_ROWS = bundled()


def test_the_people_of_publictest_agree_as_often_as_measured_before() -> None:
    rows = FER2013_ROWS.usage == "PublicTest"
    votes = FER2013_ROWS.votes[rows]
    votes = votes[(majority(votes) >= 0) & has_panel(votes)]
    assert len(votes) == 3199
    voters = panel(votes)
    np.testing.assert_allclose(voters.people.mean(0), [0.774, 0.775, 0.842, 0.865, 0.886], atol=0.002)
    assert (panel(votes).people == voters.people).all()


def test_people_who_all_see_the_same_always_agree() -> None:
    voters = panel(np.eye(10, dtype=int)[[3, 8]] * 10)
    assert voters.people.min() == 1
    assert voters.agreement(np.array([3, 3])).tolist() == [1, 0]  # "unknown" is an answer of people


def test_tied_answers_share_the_point() -> None:
    votes = np.zeros((2000, 10), int)
    votes[:, [0, 3]] = 5
    voters = panel(votes)
    np.testing.assert_allclose(voters.reference[:, [0, 3]].mean(0), 0.5, atol=0.01)
    assert voters.people[:, 4].max() == 0  # the others have what the reference lacks
    # Of 252 ways to draw five, 200 leave the winner two of the others and 50 one.
    assert voters.people[:, 0].mean() == pytest.approx((200 * 2 / 5 + 50 * 1 / 5) / 252, abs=0.01)


def test_faces_without_ten_votes_have_no_panel() -> None:
    votes = np.array([[10] + [0] * 9, [9] + [0] * 9])
    assert has_panel(votes).tolist() == [True, False]
    with pytest.raises(ValueError, match="ten votes"):
        panel(votes)


def test_worth_is_read_off_the_line_through_one_three_and_five_people() -> None:
    people = np.array([0.7, 0.1, 0.8, 0.2, 0.84])  # the even groups do not count
    found = worth(np.array([0.69, 0.7, 0.75, 0.8, 0.82, 0.84, 0.9]), people)
    np.testing.assert_allclose(found, [LESS_THAN_ONE, 1, 2, 3, 4, 5, MORE_THAN_FIVE])
