"""The command line.

Each command parses its options, calls one function and prints. Slow imports are inside the commands.
"""

import io
import json
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from fer_utils.errors import FerError, check_name
from fer_utils.printing import print_classes, print_scores, print_table

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode=None)

Data = Annotated[
    str, typer.Option(help="FER2013 as CSV (also .zip, .tar.gz, .gz, .xz), Parquet, .npz or folder; or 'demo'.")
]
Classes = Annotated[
    str | None,
    typer.Option(
        help="Order of the classes of labels that are numbers, such as angry,disgust,-; - leaves a class out."
    ),
]
RecipeOption = Annotated[str | None, typer.Option(help="quick (default), full, large, original or finetune.")]
Target = Annotated[str | None, typer.Option(help="labels (FER2013's, 7 classes; default) or votes (FER+'s, 8).")]
Precision = Annotated[
    str | None, typer.Option(help="float32, bfloat16, or auto (default): the fastest on this device.")
]
Epochs = Annotated[int | None, typer.Option(min=1, help="Number of epochs; default: the recipe's.")]
Device = Annotated[str, typer.Option(help="auto (an NVIDIA GPU if there is one), cpu or cuda.")]
RunsDir = Annotated[Path, typer.Option("--runs", help="Folder that contains the run folders.")]
Teachers = Annotated[
    list[str] | None,
    typer.Option("--teacher", help="Teachers to distill from, comma-separated: bundled weights, files, run folders."),
]
Start = Annotated[str | None, typer.Option(help="Pretrained weights of this model to start from.")]
FerPlus = Annotated[str, typer.Option(help="A fer2013new.csv that replaces the bundled FER+ votes.")]
Net = Annotated[str, typer.Argument(help="Bundled weights, a run folder, a weights file or an ONNX file.")]
WRITERS: dict[str, Callable[[Any], bytes]] = {
    ".csv": lambda table: table.to_csv(index=False).encode(),
    ".json": lambda table: table.to_json(orient="records").encode(),
    ".parquet": lambda table: table.to_parquet(index=False),
}
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def main() -> None:
    """Run the command line.

    An error is one line on stderr and an exit code; with `--debug`, a traceback.
    """
    debug = "--debug" in sys.argv[1:]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a file on Windows may not hold an arrow
    warnings.formatwarning = lambda message, *_: f"fer: warning: {message}\n"
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    for number in {signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}:  # so that a study stops its runs
        if signal.getsignal(number) == signal.SIG_DFL:  # not under nohup
            signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        app(arguments)
    except (FerError, OSError) as error:
        if debug:
            raise
        print(f"fer: {error}", file=sys.stderr)
        sys.exit(getattr(error, "exit_code", 1))
    except ModuleNotFoundError as error:
        if debug or (error.name or "").startswith("fer_utils"):
            raise
        print(f"fer: {error.name} is not installed; run: pip install 'fer_utils[report]'", file=sys.stderr)
        sys.exit(1)
    except Exception as error:  # a bug, or a GPU out of memory
        if debug:
            raise
        print(f"fer: {type(error).__name__}: {str(error).partition(chr(10))[0]} (--debug shows where)", file=sys.stderr)
        sys.exit(1)


@app.callback()
def fer() -> None:
    """Small convolutional networks for facial expressions.

    Every command takes --debug for a traceback.
    """


@app.command()
def data(
    path: Annotated[str, typer.Argument(help="A file or folder of FER2013, or 'demo'.")],
    classes: Classes = None,
    as_json: AsJson = False,
) -> None:
    """Count the faces and duplicates of a data set; show how its labels were understood.

    Names of classes may also be words such as anger, afraid, happiness or joy.

    Example: fer data fer2013.csv
    """
    from fer_utils.data.faces import counts, repeats
    from fer_utils.data.load import load

    faces = load(path, classes=classes or "")
    table, found = counts(faces), repeats(faces)
    if as_json:
        told = {"reading": faces.reading, "skipped": faces.skipped}
        print(json.dumps({"fingerprint": faces.fingerprint, "counts": table.to_dict(), **found, **told}))
        return
    for line in faces.reading:
        print(line)
    print_table(f"{faces.name}: {len(faces):,} faces", table.reset_index())
    for what, count in found.items():
        print(f"{count:>7,}  {what}")
    print(f"fingerprint {faces.fingerprint}")


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the models with parameters, MACs and file sizes.

    Example: fer models --json
    """
    from fer_utils.models.zoo import zoo

    table = zoo()
    if as_json:
        print(table.to_json(orient="records"))
    else:
        print_table("Models", table)


@app.command()
def train(
    model: Annotated[str, typer.Argument(help="Model name, as listed by `fer models`; omit with --study.")] = "",
    data: Data = "demo",
    recipe: RecipeOption = None,
    epochs: Epochs = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Random seed; default: 0.")] = None,
    target: Target = None,
    precision: Precision = None,
    device: Device = "auto",
    runs: RunsDir = Path("runs"),
    teacher: Teachers = None,
    start: Start = None,
    classes: Classes = None,
    ferplus: FerPlus = "",
    study: Annotated[Path | None, typer.Option(dir_okay=False, help="Study file, to train one of its runs.")] = None,
    run: Annotated[str, typer.Option(help="Run of the study: an id listed by `fer study --dry-run`.")] = "",
) -> None:
    """Train one model; resume an interrupted run.

    Example: fer train mobilenet-46k --data fer2013.csv --recipe full
    """
    from fer_utils.data.load import load
    from fer_utils.errors import InputError
    from fer_utils.training.devices import pick_device
    from fer_utils.training.launchers import train_planned
    from fer_utils.training.plan import find_run, plan
    from fer_utils.training.runs import results
    from fer_utils.training.study import read_study, single_stage

    flags = _given(
        recipe=recipe, epochs=epochs, target=target, precision=precision, teachers=teacher, start=start, classes=classes
    )
    flags |= {} if seed is None else {"seeds": [seed]}
    if bool(study) != bool(run) or bool(study) == bool(model):
        raise InputError("give either a model, or --study FILE together with --run ID")
    if study and flags:
        raise InputError(f"{study} sets how to train: leave out {', '.join(sorted(flags))}")
    what = read_study(study) if study else single_stage([model], device=device, **flags)
    faces, on = load(data, ferplus, what.classes), pick_device(device)
    planned = plan(what, faces, runs)
    one = find_run(planned, run) if study else planned[0]
    print(f"{faces.name}, {on}: {one.run.folder}", flush=True)
    train_planned(one, faces, on, _epoch_reporter())
    row = results([one.run.folder]).iloc[0]
    print(f"finished in {row.seconds:.0f} s: " + ", ".join(f"{k} {row[k]:.4f}" for k in row.index if "accuracy" in k))


def _given(**flags: Any) -> dict[str, Any]:
    """The flags that were given; teachers as a list of names."""
    from fer_utils.training.study import split_names

    given = {name: value for name, value in flags.items() if value is not None}
    return given | ({"teachers": split_names(*given["teachers"])} if "teachers" in given else {})


def _epoch_reporter() -> Callable[[dict], None]:
    """Report epochs: overwrite one line on a terminal, add a line per epoch to a log."""
    person = sys.stderr.isatty()

    def report(row: dict) -> None:
        values = " ".join(f"{k} {v:.4g}" for k, v in row.items() if k != "epoch")
        print(f"epoch {row['epoch']} {values}", flush=True, end="\r" if person else "\n")

    return report


@app.command()
def study(
    file: Annotated[
        Path | None, typer.Argument(dir_okay=False, help="Study file; without one, the flags describe the study.")
    ] = None,
    data: Data = "demo",
    models: Annotated[str, typer.Option(help="Comma-separated model names; default: the homework's eight.")] = "",
    seeds: Annotated[str | None, typer.Option(help="Comma-separated integers, e.g. 0,1,2.")] = None,
    recipe: RecipeOption = None,
    epochs: Epochs = None,
    target: Target = None,
    precision: Precision = None,
    teacher: Teachers = None,
    start: Start = None,
    classes: Classes = None,
    device: Device = "auto",
    runs: RunsDir = Path("runs"),
    workers: Annotated[
        int | None, typer.Option(min=1, help="Parallel processes; default: one per core, or one on a GPU.")
    ] = None,
    ferplus: FerPlus = "",
    launcher: Annotated[str, typer.Option(help="local (processes here), slurm, or print (shows commands).")] = "local",
    sbatch: Annotated[
        list[str] | None, typer.Option(help="Option of sbatch, for slurm, e.g. partition=gpu; repeatable.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the runs with states and estimated hours; train nothing.")
    ] = False,
    status: Annotated[bool, typer.Option("--status", help="Show the progress of a study that runs elsewhere.")] = False,
    out: Annotated[Path, typer.Option(dir_okay=False, help="CSV file to write the results to.")] = Path("results.csv"),
) -> None:
    """Train a grid of runs; write their results table.

    Example: fer study --data fer2013.csv --models mobilenet-46k,cnn-48k --seeds 0,1,2
    """
    from fer_utils.errors import InputError
    from fer_utils.models.zoo import HOMEWORK
    from fer_utils.training.launchers import Job, run_study, sbatch_options
    from fer_utils.training.study import read_study, single_stage, split_names, whole_numbers

    flags = _given(
        recipe=recipe, epochs=epochs, target=target, precision=precision, teachers=teacher, start=start, classes=classes
    )
    flags |= {} if seeds is None else {"seeds": whole_numbers(seeds)}
    if file and (flags or models):
        raise InputError(f"{file} sets what to train: give it alone, or --models and the other flags")
    names = split_names(models) or list(HOMEWORK)
    what = read_study(file) if file else single_stage(names, device=device, **flags)
    job = Job(data, runs, ferplus=ferplus, device=device, workers=workers, sbatch=sbatch_options(sbatch or ()))
    if dry_run or status:
        _print_progress(what, job, estimate=dry_run)
        return
    table = run_study(what, job, launcher, out)
    if table.empty or launcher != "local":
        return
    accuracies = [name for name in table if str(name).endswith("accuracy")]
    print_table(str(out), table[["model", "target", "parameters", "seed", "epochs", "seconds", *accuracies]])


def _print_progress(study: Any, job: Any, *, estimate: bool) -> None:
    """Print the runs of a study, with the estimated hours or the progress of each."""
    from fer_utils.data.load import load
    from fer_utils.training import progress
    from fer_utils.training.devices import pick_device
    from fer_utils.training.plan import plan

    faces, device = load(job.data, job.ferplus, study.classes), pick_device(job.device)
    planned = plan(study, faces, job.runs_dir)
    table = progress.dry_run_table(planned, faces, device) if estimate else progress.progress_table(planned)
    print_table(f"{len(planned)} runs", table)
    column = "hours" if estimate else "hours_left"
    counts = ", ".join(f"{count} {state}" for state, count in table.state.value_counts().items())
    print(f"{counts}; {table[column].sum():.1f} core-hours left" + ("" if estimate else " of the runs that have begun"))
    for line in progress.slow_precisions(planned, device) if estimate else progress.failures(planned):
        print(line)


@app.command()
def evaluate(
    model: Net,
    data: Data,
    usage: Annotated[str, typer.Option(help="validation, Training, PublicTest or PrivateTest.")] = "PublicTest",
    device: Device = "auto",
    classes: Classes = None,
    ferplus: FerPlus = "",
    as_json: AsJson = False,
) -> None:
    """Measure a network's accuracy on faces with labels.

    Example: fer evaluate compact-46k --data fer2013.csv
    """
    from fer_utils.analysis.people import score_all
    from fer_utils.data.load import load
    from fer_utils.inference.recognizer import open_recognizer
    from fer_utils.training.metrics import framing_loss, labelled_part, prediction_table, truth_of

    read, faces = open_recognizer(model, device), load(data, ferplus, classes or "")
    part = labelled_part(faces, usage)
    answers = prediction_table(read, part)
    found, framing = score_all(answers), framing_loss(read, part, answers)
    if as_json:
        about = {"model": read.model, "classes": read.classes, "data": faces.name, "usage": usage}
        print(json.dumps({**about, **found, "framing_loss": framing}))
        return
    print_scores(f"{read.model} on {usage} of {faces.name}", found)
    if framing:
        interval = f"{100 * framing['low']:.1f} to {100 * framing['high']:.1f}"
        print(f"random framing costs {100 * framing['mean']:.1f} points (95 % confidence interval: {interval})")
    print_classes(found["votes"] if truth_of(read) == "majority" else None, found)


@app.command()
def score(
    predictions: Annotated[Path, typer.Argument(dir_okay=False, help="CSV with a row per face; see below.")],
    data: Data,
    usage: Annotated[str, typer.Option(help="PublicTest, PrivateTest or validation.")] = "PublicTest",
    order: Annotated[str, typer.Option(help="What numbers of classes mean: fer2013 or ferplus.")] = "fer2013",
    parameters: Annotated[
        int | None, typer.Option(min=1, help="Compare with our networks nearest to this number of parameters.")
    ] = None,
    classes: Classes = None,
    ferplus: FerPlus = "",
    as_json: AsJson = False,
) -> None:
    """Score the predictions of any network on labels, votes and people.

    Columns: `row` (in fer2013.csv, from 0), `id` (as fer predict writes it) or `face` (hash of the pixels, as in a
    run's predictions.csv); and `label` or `predicted` (name or number of a class), or a probability for each class, or
    both. Other columns are ignored.

    Example: fer score submission.csv --data fer2013.csv --parameters 50000
    """
    from fer_utils.analysis.people import score_all
    from fer_utils.analysis.scoring import compare_with_ours, read_answers
    from fer_utils.data.load import load

    faces = load(data, ferplus, classes or "")
    answers = read_answers(predictions, faces, usage, order)
    found = score_all(answers)
    ours = compare_with_ours(answers, faces, usage, parameters) if parameters else []
    if as_json:
        print(json.dumps({"data": faces.name, "usage": usage, **found, "comparisons": ours}))
        return
    print_scores(f"{predictions} on {usage} of {faces.name}", found)
    for each in ours:
        lead, low, high = (f"{each[name]:+z.1f}" for name in ("points", "low", "high"))
        truth = "labels" if each["truth"] == "label" else "the majority of votes"
        against = f"against {each['network']} ({each['parameters']:,} parameters) on {truth}"
        interval = f"95 % confidence interval: {low} to {high}"
        print(f"{against}: {lead} points ({interval}), p = {each['p']:.3g} (McNemar's test)")
    print_classes(found["votes"], found)


@app.command()
def predict(
    model: Net,
    paths: Annotated[
        list[Path],
        typer.Argument(help="Images of one face each, or folders of them; or a CSV or Parquet file or folder."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help=".csv, .json or .parquet; default for CSV and Parquet: submission.csv."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda: use PyTorch, not the bundled ONNX files.")] = None,
    classes: Classes = None,
    as_json: AsJson = False,
) -> None:
    """Classify faces in images, folders, CSV or Parquet.

    Example: fer predict compact-46k.ferplus face.png photos/
    """
    from fer_utils.files import atomic_write
    from fer_utils.inference import recognizer

    as_bytes = check_name("ending of --out", out.suffix.lower() if out else ".csv", WRITERS)
    skipped: list[FerError] = []
    table = recognizer.predict(recognizer.open_recognizer(model, device), paths, skipped.append, classes)
    if "id" in table:
        out = out or Path("submission.csv")
    if out:
        atomic_write(out, WRITERS[as_bytes](table))
        print(json.dumps({"out": str(out), "n": len(table)}) if as_json else f"{out}: {len(table):,} faces")
    elif as_json:
        print(table.to_json(orient="records"))
    else:
        print_table(model, table)
    for error in skipped:
        print(f"fer: {error}", file=sys.stderr)
    if skipped:
        sys.exit(1)


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="Bundled weights, a run folder or a weights file.")],
    format: Annotated[str, typer.Option(help="onnx (float32), int8 (small) or int8-static (needs --data).")] = "onnx",
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help="File to write; default: MODEL.onnx, MODEL-int8.onnx and so on.")
    ] = None,
    data: Annotated[str, typer.Option(help="FER2013, to calibrate int8-static.")] = "",
    classes: Classes = None,
) -> None:
    """Export a trained network to an ONNX file.

    The file maps faces, uint8 (N, 48, 48), to logits (N, C).

    Example: fer export compact-46k --format int8
    """
    from fer_utils.data.faces import split
    from fer_utils.data.load import load
    from fer_utils.inference.export import export as write
    from fer_utils.models.weights import open_model

    trained = open_model(model)
    path = out or Path(f"{trained.model}.onnx" if format == "onnx" else f"{trained.model}-{format}.onnx")
    write(trained, {format: path}, split(load(data, classes=classes or ""))[0].images if data else None)
    print(f"{path}: {path.stat().st_size:,} bytes")


@app.command()
def bench(
    data: Data = "demo",
    model: Annotated[str, typer.Option(help="A name that `fer models` lists.")] = "mobilenet-46k",
    seconds: Annotated[float, typer.Option(min=0.1, help="Seconds for each measurement.")] = 20.0,
    classes: Classes = None,
    as_json: AsJson = False,
) -> None:
    """Measure training speed on this CPU.

    Example: fer bench --model mobilenet-46k
    """
    import pandas as pd

    from fer_utils.training import bench

    found = bench.bench(data, model, seconds, classes or "")
    if as_json:
        print(json.dumps(found))
        return
    rates = pd.Series(found["rates"]).rename_axis("loop").rename("images per second").round(1)
    table = rates.reset_index()
    table["times the plain loop"] = rates.to_numpy() / rates.iloc[0]
    print_table(f"Training {model} on the CPU", table)
    plain, step = found["ratio_to_plain"], found["ratio_to_step"]
    print(f"our loop, one run per core: {plain:.2f} times the plain loop's speed, {step:.3f} times our step's")
    if data != "demo":
        cold, cached = found["load_seconds_cold"], found["load_seconds_cached"]
        ratio = found["load_ratio_to_plain"]
        beside = f" (row by row with pandas: {ratio:.1f} times as long)" if ratio else ""
        print(f"{data} loads in {cold:.2f} s{beside}, from the cache in {cached:.2f} s")


@app.command()
def report(
    data: Annotated[str | None, typer.Option(help="published (default), FER2013 as for `fer train`, or demo.")] = None,
    recipe: Annotated[str | None, typer.Option(help="original, quick, full or large.")] = None,
    language: Annotated[str | None, typer.Option(help="Language: en or zh-TW.")] = None,
    out: Annotated[
        Path, typer.Option(dir_okay=False, help="PDF to write; the HTML version is saved next to it.")
    ] = Path("report.pdf"),
    seeds: Annotated[str | None, typer.Option(help="Comma-separated integers, e.g. 0,1,2.")] = None,
    epochs: Epochs = None,
    device: Annotated[str | None, typer.Option(help="auto (a GPU if there is one), cpu or cuda.")] = None,
    runs: Annotated[Path | None, typer.Option(help="Folder that contains the run folders.")] = None,
    teacher: Teachers = None,
    classes: Classes = None,
    author: Annotated[str, typer.Option(help="Author, printed below the title.")] = "",
    figures: Annotated[Path | None, typer.Option(help="Folder to write figures and tables to.")] = None,
    budgets: Annotated[
        str | None, typer.Option(help="Sizes to train the ablation at, e.g. 20k,46k; '' for no ablation.")
    ] = None,
    budget_seeds: Annotated[str | None, typer.Option(help="Seeds of the ablation.")] = None,
    budget_epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of the ablation; default: --epochs.")] = None,
) -> None:
    """Run the notebooks; write the report as PDF and HTML.

    By default, the report shows the published runs and trains nothing. With --data FILE, missing runs are trained
    first. Options left out keep the values in the notebooks' first code cells.

    Example: fer report --data fer2013.csv --author "Your name"
    """
    from fer_utils.document.build import make_report

    written = make_report(
        out, figures, author, data=data, recipe=recipe, language=language, seeds=seeds, epochs=epochs, device=device,
        classes=classes, runs_dir=runs and str(runs), teachers=teacher and ",".join(teacher), budgets=budgets,
        budget_seeds=budget_seeds, budget_epochs=budget_epochs,
    )  # fmt: skip
    for path in written:
        print(path)
