from fer_utils.report.figures import size_scatter
from tests.report.test_analysis import table_of


def test_the_same_table_is_drawn_with_the_same_bytes() -> None:
    table = table_of({"cnn-48k": 0.5, "cnn-103k": 0.6})
    first, second = (size_scatter(table, "sizes", "en")._repr_mimebundle_()[0] for _ in range(2))
    assert first == second
    assert first["image/svg+xml"].count("<path") > 10
