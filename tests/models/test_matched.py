import pytest
from torch import nn

from fer_utils.models import zoo
from fer_utils.models.matched import BUDGETS, FAMILIES, chain, width_for
from fer_utils.models.zoo import build


def convolutions(name: str) -> list[nn.Conv2d]:
    return [layer for layer in build(name).modules() if isinstance(layer, nn.Conv2d)]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("budget", BUDGETS)
def test_every_net_meets_its_budget(family: str, budget: int) -> None:
    nearly = 0.01 if budget >= 20_000 else 0.02  # of 10,000 parameters, one filter more is over 2 %
    assert zoo.parameters(build(f"{family}-{budget // 1000}k")) == pytest.approx(budget, rel=nearly)


def test_at_the_homeworks_size_the_separable_net_is_its_mobilenet() -> None:
    theirs, ours = ([c.weight.shape for c in convolutions(name)] for name in ("mobilenet-46k", "separable8-46k"))
    assert ours == theirs


def test_each_step_changes_one_thing() -> None:
    assert len(convolutions("cnn4fc-46k")) == 4
    deeper, mean, narrow = (convolutions(name) for name in ("cnn8fc-46k", "cnn8-46k", "narrow8-9k"))
    assert len(deeper) == len(mean) == 8
    assert len(narrow) == 2 + 2 * 6
    pools = [layer.output_size for net in chain(46_000) for layer in build(net) if hasattr(layer, "output_size")]
    assert pools == [1] * 5
    filters = [c for c in narrow if c.kernel_size == (3, 3)]
    assert [c.stride for c in filters] == [c.stride for c in mean] == [c.stride for c in deeper]
    widths = [c.out_channels for c in narrow if c.groups == 1]
    assert widths == [c.out_channels for c in mean]


def test_the_narrow_nets_are_named_by_their_parameters() -> None:
    names = [name for name in zoo.MODELS if name.startswith("narrow8")]
    assert len(names) == len(BUDGETS)
    for name in names:
        assert f"narrow8-{zoo.parameters(build(name)) / 1000:.0f}k" == name


def test_more_parameters_make_no_layer_narrower() -> None:
    widths = [width_for("cnn8", budget) for budget in BUDGETS]
    assert widths == sorted(widths)


@pytest.mark.parametrize("budget", BUDGETS)
def test_the_nets_of_a_chain_are_in_the_zoo(budget: int) -> None:
    assert len(chain(budget)) == 5
    assert set(chain(budget)) <= set(zoo.MODELS)
