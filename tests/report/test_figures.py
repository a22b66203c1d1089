from fer_utils.report.figures import size_scatter
from tests.report.test_analysis import table_of


def test_the_same_table_is_drawn_with_the_same_bytes() -> None:
    table = table_of({"cnn-48k": 0.5, "cnn-103k": 0.6})
    drawn = [size_scatter(table, "sizes", "en") for _ in range(2)]
    first, second = (figure._repr_mimebundle_()[0] for figure in drawn if figure)
    assert first == second
    assert first["image/svg+xml"].count("<path") > 10
