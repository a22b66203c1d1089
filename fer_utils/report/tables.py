"""Tables of the report, from a results table."""

import numpy as np
import pandas as pd

from fer_utils.analysis import confusion, people
from fer_utils.analysis.comparisons import matched_pairs
from fer_utils.analysis.compression import compressed
from fer_utils.analysis.method_facts import recipes
from fer_utils.analysis.published import FORMATS, original, peers_of
from fer_utils.analysis.summary import Results, earlier, final_measure, measures, shown_seed, stated_measures, summarize
from fer_utils.data.faces import CLASSES, FaceSet
from fer_utils.data.people import ODD
from fer_utils.models import blocks, weights, zoo
from fer_utils.models.bundled import DATA_OF_TARGET
from fer_utils.report.language import Labels, labels
from fer_utils.report.outputs import Absent, Table, note
from fer_utils.training.metrics import score_votes
from fer_utils.training.recipe import OPTIMIZERS, RECIPES, Recipe

ON_VOTES = ("accuracy", "balanced_accuracy", "log_loss", "calibration_error")  # of `score_votes`
EARLIER = " †"  # after the name of a network that was trained before the study
WORTH = ["people", "people_low", "people_high"]  # columns of `people.agreements`


def results_table(table: pd.DataFrame, name: str, language: str) -> Table:
    """Cost and accuracy of each model, and below one's own those of the published networks."""
    strings, summary, beside = labels(language), summarize(table), peers_of(table)
    if len(beside):
        published = summarize(beside)
        published["model"] = [strings("published_model", model=model) for model in published.model]
        summary = pd.concat([summary, published], ignore_index=True)
    shown = pd.DataFrame({strings["model"]: summary.model, strings["parameters"]: summary.parameters})
    shown[strings["million_multiply_adds"]] = summary.multiply_adds / 1e6
    for measure in measures(table):
        ends = summary[[f"{measure}_{end}" for end in ("accuracy", "low", "high")]].itertuples(index=False)
        shown[strings[measure]] = [
            "–" if np.isnan(accuracy) else f"{accuracy:.3f} ({low:.3f}–{high:.3f})" for accuracy, low, high in ends
        ]
        if (column := f"{measure}_accuracy_without_leak") in summary:
            shown[strings("without_leak", measure=measure)] = summary[column].map("{:.3f}".format, na_action="ignore")
    theirs = summary.model.map(original(table).validation_accuracy)
    if theirs.notna().any():
        shown[strings["original_validation"]] = theirs.map("{:.3f}".format, na_action="ignore")
    text = strings("results_caption", original=theirs.notna().any(), original_epochs=_original_epochs(summary))
    return Table(name, text, shown, note(table, language))


def _original_epochs(summary: pd.DataFrame) -> int | None:
    """The epochs of the original report's MobileNet, if the summary has MobileNets."""
    return RECIPES["original"].epochs if "mobilenet" in set(summary.family) else None


def architecture_table(table: pd.DataFrame, name: str, language: str) -> Table:
    """The models of a table side by side, one row per property."""
    strings, summary, rows = labels(language), summarize(table).set_index("model"), {}
    facts = zoo.zoo(table.model.unique()).set_index("model")
    measure = final_measure(table)
    for model in table.model.unique():
        fact, row = facts.loc[model], summary.loc[model]
        rows[model] = {
            strings["trainable_parameters"]: f"{fact.parameters:,}",
            strings["keras_parameters"]: f"{fact.keras_parameters:,}",
            strings["multiply_adds"]: f"{fact.multiply_adds:,}",
            strings["file_size"]: f"{fact.bytes / 1e3:,.0f}",
            strings("accuracy_on", measure="validation"): f"{row.validation_accuracy:.4f}",
            strings("accuracy_on", measure=measure): f"{row[f'{measure}_accuracy']:.4f}",
        }
        if not row.start:  # else its epochs and time are not all of its training
            rows[model] |= {strings["epochs"]: f"{row.epochs}", strings["seconds"]: f"{row.seconds:,.0f}"}
    data = pd.DataFrame(rows).fillna("–").rename_axis("").reset_index()
    return Table(name, strings["architectures_caption"], data, note(table, language))


def layer_table(table: pd.DataFrame, name: str, language: str) -> Table:
    """The layers of the models side by side, with their output shapes."""
    strings, columns, off = labels(language), [], not RECIPES[table.recipe.iloc[0]].dropout
    for model in table.model.unique():
        rows = zoo.layers(model)
        if off:
            rows["layer"] = [strings("off", layer=n) if n.startswith("Dropout") else n for n in rows.layer]
        rows["parameters"] = [f"{n:,}" if n else "" for n in rows.parameters]
        columns.append(rows.rename(columns=strings | {"layer": model}))
    return Table(name, strings["layers_caption"], pd.concat(columns, axis=1).fillna(""))


def separable_table(channels: int, name: str, language: str) -> Table:
    """The weights of a plain and a depthwise separable convolution, by formula and counted."""
    strings = labels(language)
    plain, separable = blocks.ConvBN(channels, channels)[0], blocks.ConvDW(channels, channels)
    depthwise, pointwise = (zoo.parameters(separable[i]) for i in (0, 3))
    rows = [
        ("plain_convolution", "9 C²", 9 * channels**2, zoo.parameters(plain)),
        ("depthwise", "9 C", 9 * channels, depthwise),
        ("pointwise", "C²", channels**2, pointwise),
        ("separable_sum", "9 C + C²", 9 * channels + channels**2, depthwise + pointwise),
    ]
    columns = ["layer", "formula", "weights", "counted"]
    shown = pd.DataFrame([(strings[key], *row) for key, *row in rows], columns=[strings[each] for each in columns])
    return Table(name, strings("separable_caption", channels=channels), shown)


def pairs_table(table: pd.DataFrame, name: str, language: str) -> Table | Absent:
    """Parameter-matched MobileNets and plain CNNs."""
    strings, results = labels(language), Results(table)
    columns = ["mobilenet", "cnn", "part", "mobilenet_accuracy", "cnn_accuracy", "difference", "p", "decided"]
    rows = []
    for pair in (pair for measure in stated_measures(table) for pair in matched_pairs(results, measure)):
        found = pair.difference
        low, high = found.interval
        rows.append(
            (
                pair.first.model,
                pair.second.model,
                strings[pair.measure],
                pair.first[f"{pair.measure}_accuracy"],
                pair.second[f"{pair.measure}_accuracy"],
                f"{found.points:+.1f} ({strings('range', low=f'{low:+z.1f}', high=f'{high:+z.1f}')})",
                f"{found.p:.3f}" if found.p >= 0.001 else "< 0.001",
                strings["yes" if found.decided else "no"],
            )
        )
    if not rows:
        return Absent(strings["no_pairs"])
    data = pd.DataFrame(rows, columns=[strings.get(column, column) for column in columns])
    return Table(name, strings["pairs_caption"], data, note(table, language))


def recall_table(table: pd.DataFrame, name: str, language: str) -> Table:
    """Recall by expression of three networks."""
    strings, shown = labels(language), {}
    for model in confusion.examples(table):
        found = confusion.recalls(confusion.predictions_of(table, model))
        shown[strings["expression"]] = [strings[CLASSES[label]] for label in found.index]
        shown[strings["faces"]] = list(found.faces)
        shown[model] = [f"{row.recall:.2f} ({row.low:.2f}–{row.high:.2f})" for row in found.itertuples()]
    text = strings("recall_caption", measure=final_measure(table), seed=shown_seed(table))
    return Table(name, text, pd.DataFrame(shown), note(table, language))


def people_table(table: pd.DataFrame, name: str, language: str) -> Table | None:
    """What people, FER2013's label and networks are worth; None if the faces have no votes."""
    strings, said = labels(language), people.answers_of(table)
    if not said:
        return None
    every, deduplicated = people.agreements(said), people.agreements(said, deduplicated=True)
    chosen = people.networks(table)
    sizes = chosen.set_index("network").parameters
    networks = sorted(said, key=lambda network: (network.rpartition(".")[2] != "ferplus", sizes[network]))
    old = set(chosen.network[earlier(chosen)])
    rows = []
    for who in (*map(str, ODD), people.LABEL, *networks):
        row = every.loc[who]
        scores = score_votes(said[who]) if who in said else None
        rows.append(
            {
                "who": strings("person", number=int(who))
                if who.isdigit()
                else strings.get(f"fer2013_{who}", who) + EARLIER * (who in old),
                "agreement": f"{row.agreement:.3f} ({row.agreement_low:.3f}–{row.agreement_high:.3f})",
                "worth": in_people(row),
                "worth_deduplicated": in_people(deduplicated.loc[who]) if len(deduplicated) else None,
                **{"majority_accuracy" if key == "accuracy" else key: (scores or {}).get(key) for key in ON_VOTES},
            }
        )
    text = strings("people_caption", measure=final_measure(table), earlier=EARLIER if old else "")
    return Table(name, text, pd.DataFrame(rows).rename(columns=strings), note(table, language))


def in_people(row: pd.Series) -> str:
    """A number of people with its interval; those outside the scale as < 1 and > 5."""
    value, low, high = ("< 1" if v < 1 else "> 5" if v > ODD[-1] else f"{v:.1f}" for v in row[WORTH])
    return value if low == high else f"{value} ({low}–{high})"


def runs_table(table: pd.DataFrame, language: str) -> Table:
    """The runs behind the numbers: one row per setup, with the models trained in it, and their seeds."""
    strings = labels(language)
    runs = table.assign(seed=table.seed.astype(str), seconds=table.seconds.round().astype(int).map("{:,}".format))
    names = (f"{model}.{DATA_OF_TARGET[target]}" for model, target in zip(runs.model, runs.target, strict=True))
    starts = table.start.fillna("").str.partition("@")[0]
    runs["start"] = starts.mask(starts == table.model, strings["own_weights"])
    runs["model"] = [name + EARLIER * old for name, old in zip(names, earlier(table), strict=True)]
    runs["teachers"] = [names.count(" + ") + 1 if names else 0 for names in table.teachers]
    way = ["recipe", "epochs", "start", "teachers", "device"]
    join = strings["comma"].join
    by_model = runs.groupby(["model", *way], sort=False)[["seed", "seconds"]].agg(join).reset_index()
    shown = by_model.groupby([*way, "seed"], sort=False)[["model", "seconds"]].agg(join).reset_index()
    told = [column for column in ("start", "teachers") if runs[column].any()]
    devices = ["device"] if runs.device.nunique() > 1 else []  # one is told in the text
    shown = shown[["model", "recipe", "epochs", *told, "seed", "seconds", *devices]]
    text = strings("runs_caption", earlier=EARLIER if earlier(table).any() else "")
    return Table("runs", text, shown.rename(columns=strings), note(table, language))


def recipes_table(table: pd.DataFrame, language: str) -> Table | Absent:
    """The hyperparameters of the recipes, one column each, if there are recipes of today."""
    strings, found = labels(language), recipes(table)
    if not found:
        return Absent(strings["no_recipes"])
    columns = {recipe.name: _hyperparameters(recipe, strings) for recipe in found}
    data = pd.DataFrame(columns).rename_axis(strings["hyperparameter"]).rename(index=strings).reset_index()
    text = strings(
        "recipes_caption", muon=any(recipe.optimizer == "muon" for recipe in found),
        resized=any(len(recipe.sides_seen) > 1 for recipe in found),
    )  # fmt: skip
    return Table("recipes", text, data, note(table, language))


def _hyperparameters(recipe: Recipe, strings: Labels) -> dict[str, str]:
    whole, seen = RECIPES[recipe.name].epochs, recipe.augmentation
    return {
        "epochs": strings("of_epochs", count=recipe.epochs, whole=whole) if recipe.epochs < whole else str(whole),
        "optimizer": OPTIMIZERS[recipe.optimizer],
        "learning_rate": strings("one_cycle", rate=f"{recipe.learning_rate:g}")
        if recipe.schedule == "one-cycle"
        else f"{recipe.learning_rate:g}",
        "batch_size": str(recipe.batch_size),
        "weight_decay": f"{recipe.weight_decay:g}",
        "label_smoothing": f"{recipe.label_smoothing:g}",
        "rotation_degrees": f"{seen.rotation_degrees:g}",
        "shift_px": f"{seen.shift_px:g}",
        "zoom_percent": f"{100 * seen.zoom:g}",
        "contrast_percent": f"{100 * seen.contrast:g}",
        "sides_px": strings["comma"].join(map(str, recipe.sides_seen)),
        "dropout": strings["yes" if recipe.dropout else "no"],
        "averaging": strings["yes" if recipe.averaging else "no"],
        "kept": strings[recipe.keep],
    }


def compression_table(table: pd.DataFrame, name: str, language: str, faces: FaceSet | None) -> Table | Absent:
    """The smallest MobileNet and plain CNN in every file format: measured anew on faces, published without.

    The published measurements have no plain CNN, and only the smallest MobileNet.
    """
    strings, measure, models = labels(language), final_measure(table), confusion.examples(table)[:2]
    if faces is None:
        found = FORMATS[FORMATS.model.isin(models)]
    else:
        runs = [table[table.model == model].sort_values("seed").run.iloc[0] for model in models]
        found = pd.concat([compressed(weights.open_model(run), faces, measure) for run in runs])
    if found.empty:
        return Absent(strings["no_formats"])
    shown = found[["model", "format", "bytes", "accuracy", "milliseconds"]].copy()
    shown["bytes"] = (shown.bytes / 1e3).map("{:,.0f}".format)
    shown["milliseconds"] = shown.milliseconds.map("{:.2f}".format)
    shown = shown.rename(columns={"bytes": "kilobytes"})
    shown = shown.rename(columns=strings | {"accuracy": strings("accuracy_on", measure=measure)})
    return Table(name, strings["compression_caption"], shown, note(table, language))
