import pytest

from fer_utils.models import matched
from fer_utils.report import analysis_figures
from fer_utils.report.outputs import Figure
from tests.analysis.test_summary import table_of

ACCURACIES = (0.50, 0.53, 0.60, 0.56, 0.58)
EQUALS = table_of(
    {
        name: [accuracy, accuracy + 0.01]
        for budget in (20_000, 46_000)
        for name, accuracy in zip(matched.chain(budget), ACCURACIES, strict=True)
    }
)


@pytest.mark.parametrize("language", ["en", "zh-TW"])
def test_the_waterfall_leads_from_net_to_net(language: str) -> None:
    figure = analysis_figures.ablation(EQUALS, "ablation", language)
    assert isinstance(figure, Figure)
    rows = figure.data
    assert len(rows) == 8
    assert (rows["to"][:3].to_numpy() == rows["from"][1:4].to_numpy()).all()
    assert rows.after[:3].to_numpy() == pytest.approx(rows.before[1:4].to_numpy())
    gains = rows.after - rows.before
    assert gains[:4].tolist() == pytest.approx([3, 7, -4, 2], abs=0.1)
    assert ((rows.low < gains) & (gains < rows.high)).all()
    assert rows.decided[:4].tolist() == [True, True, True, False]
    assert figure._repr_mimebundle_()[0]["image/svg+xml"].startswith("<?xml")


@pytest.mark.parametrize("language", ["en", "zh-TW"])
def test_nets_of_equal_size_are_drawn_with_their_seeds(language: str) -> None:
    figure = analysis_figures.equal_size(EQUALS, "equal-size", language)
    assert isinstance(figure, Figure)
    assert set(figure.data.family) == {"separable8", "cnn8", "cnn8fc"}
    assert set(figure.data.seeds) == {2}
    assert {"en": "2 seeds per model", "zh-TW": "2 個隨機種子"}[language] in figure.caption
    assert figure._repr_mimebundle_()[0]["image/svg+xml"].startswith("<?xml")


def test_costs_and_failures_are_drawn() -> None:
    table = table_of({"mobilenet-46k": 0.62, "cnn-48k": 0.50, "cnn-103k": 0.4})
    panels = analysis_figures.cost_panels(table, "costs", "en")
    assert panels.data.set_index("model").kilobytes_front.to_dict() == {
        "mobilenet-46k": True,
        "cnn-48k": True,
        "cnn-103k": False,
    }
    assert (panels.data.milliseconds > 0).all()
    shown = analysis_figures.confusion_panels(table, "confusion", "en").data
    assert shown.groupby("model").angry.size().to_dict() == {"cnn-103k": 7, "cnn-48k": 7, "mobilenet-46k": 7}
