"""Fill the READMEs: `python -m figures.readme`, in the clone, after `fer report --figures figures`.

The tables of networks come from the bundled records, the answers from `figures/report-answers.md`.
"""

import re
import textwrap
from pathlib import Path

import pandas as pd

from fer_utils.analysis.people import agreements, answers_of, networks
from fer_utils.analysis.published import FORMATS, published_networks
from fer_utils.analysis.statistics import interval
from fer_utils.analysis.summary import final_measure
from fer_utils.errors import FerError
from fer_utils.files import atomic_write
from fer_utils.models import zoo
from fer_utils.models.bundled import BUNDLED, SUFFIX, bundled_names
from fer_utils.report.outputs import Table
from fer_utils.report.tables import in_people

README, FIGURES_README = Path("README.md"), Path("figures/README.md")
ANSWERS = Path("figures/report-answers.md")


def networks_block(table: pd.DataFrame, files: pd.DataFrame, family: str = "") -> str:
    """A Markdown table of the bundled networks, or those of one family: those from votes first, then by size.

    `table` has the published runs, `files` the latencies (`published.FORMATS`).
    """
    chosen = networks(table)
    chosen = chosen[chosen.family == family] if family else chosen
    chosen = chosen.sort_values(["target", "parameters"], ascending=[False, True], ignore_index=True)
    facts, measure = zoo.zoo(chosen.model.unique()).set_index("model"), final_measure(table)
    latency = files[files.format == "onnx"].set_index("model").milliseconds
    worth = agreements(answers_of(table)).loc[chosen.network]
    accuracy, faces = chosen[f"{measure}_accuracy"], chosen[f"{measure}_faces"]
    ends = [interval(share, n) for share, n in zip(accuracy, faces, strict=True)]
    rows = pd.DataFrame(
        {
            "network": chosen.network,
            "parameters": chosen.parameters,
            "million MACs": facts.multiply_adds[chosen.model].to_numpy() / 1e6,
            "KB": [f"{(BUNDLED / f'{name}{SUFFIX}').stat().st_size / 1000:,.0f}" for name in chosen.network],
            "latency (ms)": latency.reindex(chosen.model).map("{:.1f}".format, na_action="ignore").to_numpy(),
            "majority of votes": chosen[f"{measure}_votes_accuracy"],
            "worth in people": [in_people(row) for _, row in worth.iterrows()],
            f"{measure} labels": [
                f"{a:.4f} ({low:.3f}–{high:.3f})" for a, (low, high) in zip(accuracy, ends, strict=True)
            ],
            "deduplicated": chosen[f"{measure}_accuracy_without_leak"],
        }
    )
    return Table("networks", "", rows).markdown().partition("\n\n")[0] + "\n"


def fill(readme: Path, name: str, block: str | None = None) -> str:
    """Return the block `name` of the README, between its two comments.

    With `block`, write that instead. Raises `FerError` if the comments are missing.
    """
    text = readme.read_text(encoding="utf-8")
    found = re.search(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", text, re.DOTALL)
    if not found:
        raise FerError(f"{readme}: no place for the table: add <!-- {name} --> and <!-- /{name} -->")
    if block is not None:
        atomic_write(readme, text[: found.start()] + block + text[found.end() :])
    return found[0]


def answers_block(report: str) -> str:
    """The bold beginnings of a report's answers as a list, from its questions and answers in Markdown."""
    answers = re.findall(r"^## (\d+)\. .*\n+\*\*(.*?)\*\*", report, re.MULTILINE)
    if len(answers) != len(re.findall(r"^## \d+\.", report, re.MULTILINE)):
        raise FerError("an answer of the report does not begin with its bold result")
    return "".join(f"{number}. {wrap(answer.rstrip('.'))}.\n" for number, answer in answers)


def wrap(text: str, width: int = 117) -> str:
    """The text in lines of at most `width` characters, indented but for the first one."""
    return textwrap.fill(text, width, subsequent_indent="   ", break_long_words=False, break_on_hyphens=False)


def main() -> None:
    """Write the tables, the answers and the numbers of bundled files."""
    text = README.read_text(encoding="utf-8")
    text = re.sub(r"\d+(?= trained networks)", str(len(bundled_names())), text)
    atomic_write(README, re.sub(r"\d+(?= networks are bundled as ONNX)", str(len(list(BUNDLED.glob("*.onnx")))), text))
    fill(README, "networks", networks_block(published_networks(), FORMATS, "compact"))
    fill(FIGURES_README, "networks", networks_block(published_networks(), FORMATS))
    fill(README, "answers", answers_block(ANSWERS.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
