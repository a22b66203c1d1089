import pytest
import torch

from fer_utils.errors import InputError
from fer_utils.models import zoo
from fer_utils.models.zoo import MODELS, build

# The counts of the original report (the VGG's also as Keras counts it).
PARAMETERS = {
    "mobilenet-46k": 45_959,
    "mobilenet-112k": 111_751,
    "mobilenet-158k": 157_831,
    "cnn-48k": 47_511,
    "cnn-103k": 103_079,
    "cnn-150k": 149_575,
    "cnn-852k": 851_911,
    "vgg-1.9m": 1_872_327,
}


@pytest.mark.parametrize(("name", "count"), PARAMETERS.items())
def test_the_originals_models_are_exact_to_the_parameter(name: str, count: int) -> None:
    assert zoo.parameters(build(name)) == count


def test_networks_of_others_have_their_sizes() -> None:
    assert zoo.parameters(build("minixception-57k")) == 56_951  # as Keras counts the authors' code
    assert zoo.keras_parameters(build("minixception-57k")) == 58_423
    assert zoo.parameters(build("mobilenetv2-158k")) == pytest.approx(PARAMETERS["mobilenet-158k"], rel=0.01)


def test_the_keras_count_of_the_vgg() -> None:
    assert zoo.keras_parameters(build("vgg-1.9m")) == 1_875_143


def test_a_model_is_counted_on_the_device_that_it_is_on() -> None:
    net = build("cnn-48k")
    assert zoo.multiply_adds(net.to("meta")) == zoo.multiply_adds(build("cnn-48k"))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("n", [1, 3])
def test_faces_in_logits_out(name: str, n: int) -> None:
    inputs = torch.randn(n, 1, 48, 48)
    with torch.inference_mode():
        outputs = build(name).eval()(inputs)
    assert outputs.shape == (n, 7)
    assert not torch.allclose(outputs.sum(1), torch.ones(n))  # logits, not probabilities


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_learns(name: str) -> None:
    model = build(name)
    model(torch.randn(3, 1, 48, 48)).square().sum().backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("name", MODELS)
def test_the_layers_hold_all_parameters(name: str) -> None:
    table = zoo.layers(name)
    assert table.parameters.sum() == zoo.parameters(build(name))
    assert table.output.iloc[-1] == "7"


def test_a_layer_is_called_what_it_is() -> None:
    kinds = [layer.split()[0] for layer in zoo.layers("vgg-1.9m").layer]
    convolutions = [kind for kind in kinds if kind.startswith("Conv")]
    assert convolutions == ["ConvBN", "ConvBN", "Conv", "Conv", "ConvBN", "ConvBN"]  # stage 2 has no BatchNorm


def test_multiply_adds_of_a_net_that_can_be_counted_by_hand() -> None:
    full, half, quarter, eighth = 48**2, 24**2, 12**2, 6**2
    by_hand = full * (9 * 32 + 9 * 32 * 32)
    by_hand += half * (9 * 32 + 32 * 64 + 9 * 64 + 64 * 64)
    by_hand += quarter * (9 * 64 + 64 * 80 + 9 * 80 + 80 * 80) + eighth * 2 * (9 * 80 + 80 * 80)
    assert zoo.multiply_adds(build("mobilenet-46k")) == by_hand + 80 * 7


def test_the_seed_decides_the_first_weights() -> None:
    first, same, other = (next(build("cnn-48k", seed).parameters()) for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_building_leaves_the_global_chance_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    build("cnn-48k", 3)
    assert torch.equal(torch.rand(1), expected)


def test_an_unknown_model_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"unknown model 'mobilenet46k'\. Did you mean 'mobilenet-46k'\? Known: mob"):
        build("mobilenet46k")


@pytest.mark.parametrize("name", MODELS)
def test_a_network_has_as_many_classes_as_are_asked_for(name: str) -> None:
    with torch.device("meta"):
        assert build(name, classes=8).eval()(torch.zeros(2, 1, 48, 48)).shape == (2, 8)
