"""The command line: exit codes, one JSON document, no traceback, and small imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from typer.main import get_command

from orchestration.cells.cell import Plan
from orchestration.cli import main
from orchestration.cli.interrupts import LEFT
from orchestration.cli.main import build_app
from orchestration.cli.output import echo, echo_err
from orchestration.cli.verb_list import VERBS
from orchestration.planning.costs.listing import TOTALS_FILE, counted_totals
from orchestration.tracking.sync import Synced
from tests.fakes.cpu_peer import child_cpu_s, pandas_import_s

HEAVY = ("torch", "ray", "mlflow", "pandas", "scipy", "numba", "rich")
LIGHT_VERBS = (
    ["--help"],
    ["--version"],
    ["sweeps"],
    ["plan", "demo"],
    ["table", "demo"],
    ["status", "demo"],
    ["watch", "demo"],
)
OURS = ("orchestration", "trainers", "eval", "augment")
BUDGET = 2.5
HELP_BUDGET = 0.6
"""In imports of pandas (0.4 s). Idle, the small verbs take 1.2 to 1.5 and the help 0.2; a heavy import adds more than one."""


@pytest.fixture(autouse=True)
def empty_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DREAMGRID_STORAGE", "DREAMGRID_DATA", "DREAMGRID_CACHE", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "storage").mkdir()
    monkeypatch.setenv("DREAMGRID_STORAGE", str(tmp_path / "storage"))
    monkeypatch.setenv("DREAMGRID_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("arguments", LIGHT_VERBS, ids=" ".join)
def test_small_verbs_import_nothing_heavy_and_cost_little(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom orchestration.cli import main\n"
        f"code = main({arguments!r})\n"
        f"sys.stderr.write('HEAVY ' + ' '.join(m for m in {HEAVY!r} if m in sys.modules))\nsys.exit(code)"
    )

    cpu_s, ran = child_cpu_s(code)

    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.rpartition("HEAVY ")[2] == ""
    assert cpu_s < (HELP_BUDGET if arguments[0].startswith("--") else BUDGET) * pandas_import_s()


def test_the_list_of_sweeps_says_what_each_costs_and_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweeps", "--json"]) == 0

    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["table-3"]["data"] == ["cifar-100", "random-images-300k", "files of C, C-bar, P, OOD"]
    assert rows["demo"]["data"] == ["digits"]
    parts = [rows[f"table-{number}"]["device_hours"] for number in (1, 2, 3, 4, 10)]
    assert max(parts) < rows["cifar-all"]["device_hours"] < sum(parts) + rows["mixing-sets"]["device_hours"]
    # Tables 7 and 8 evaluate the same seven networks, and the other tables of ImageNet the same eight.
    assert rows["table-7"]["cells"] == rows["table-8"]["cells"] == 7
    assert rows["imagenet-all"]["cells"] < sum(rows[f"table-{number}"]["cells"] for number in (5, 6, 7, 8, 11, 12))


def test_the_totals_of_the_list_are_those_of_the_sweeps() -> None:
    found, counted = json.loads(TOTALS_FILE.read_text()), counted_totals()

    assert found.keys() == counted.keys()
    for name, total in counted.items():
        again = "write them again: python -m orchestration.planning.costs.listing"
        assert found[name]["cells"] == total["cells"], again
        assert found[name]["operations"] == pytest.approx(total["operations"], rel=1e-5), again


def test_the_module_is_a_program_too() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "orchestration.cli", "sweeps"], capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, ran.stderr
    assert "demo" in ran.stdout


@pytest.mark.parametrize(
    "arguments", [["sweeps"], ["plan", "demo"], ["status", "demo"], ["table", "demo"], ["cells", "list"]]
)
def test_json_is_one_document_on_stdout(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "--json"]) == 0

    json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["plan", "demmo"], "did you mean 'demo'?"),
        (
            ["plan", "demo", "--set", "train.epochs=many"],
            "--set train.epochs: epochs must be a whole number, but got 'many'",
        ),
        (["plan", "demo", "--set", "train.epohcs=3"], "--set train.epohcs: unknown field of a recipe 'epohcs'"),
        (["plan", "demo", "--set", "trian.epochs=1"], "did you mean 'train'?"),
        (["plan", "demo", "--set", "params.bata=1"], "did you mean 'beta'?"),
        (["plan", "demo", "--set", "benchmarks.pgdd.steps=1"], "pgdd"),
        (["plan", "demo", "--seeds", "x"], "0,1,2 or 0-4"),
        (["plan", "demo", "--mode", "cashed"], "did you mean 'cached'?"),
        (["plan", "demo", "--smoke", "--small"], "choose one"),
        (["plan", "demo", "--workers", "0"], "at least 1"),
        (["table", "demo", "--format", "latx"], "did you mean 'latex'?"),
        (["cells", "show", "abcdef"], "nothing is recorded"),
        (["cells", "show", "a"], "at least 4 digits"),
        (["plan", "demo", "--colour"], "No such option: --colour (see `dreamgrid plan --help`)"),
        (["figure", "demo"], "Missing option '--kind' (see `dreamgrid figure --help`)"),
        (["table", "demo", "--decimals", "9"], "--decimals must be less than or equal to 6, but got 9 (see"),
        (["cells", "adopt", "demo", "x.pt", "--row", "A", "--seed", "q"], "--seed must be a valid integer, but got q"),
        (["fly"], "fly"),
        (["run", "demo", "--set", "dataset=cifar-10"], "get it with"),
        (
            ["run", "demo", "--priority", "Pixmix=3"],
            "--priority Pixmix=3: unknown row 'Pixmix' (did you mean 'PixMix'?)",
        ),
        (["run", "demo", "--priority", "PixMix"], "write ROW=N with a whole number"),
        (["plan", "demo", "--set", "method=cutout"], "'Baseline' (baseline), 'Mixup' (mixup), 'CutMix' (cutmix)"),
        (["plan", "table-3", "--set", "dataset=digits"], "no published files of 'c' for 'digits'"),
        (
            ["plan", "cifar-all", "--set", "dataset=digits"],
            "table-3: table.columns.1: benchmark 'c' cannot run on 'digits'",
        ),
    ],
)
def test_bad_input_is_one_message_and_code_2(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2

    printed = capsys.readouterr()
    assert expected in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["cells", "adopt", "demo", "x.pt", "--row", "A", "--seed", "q", "--smoke", "--small"],
            {"--seed": "must be a valid integer, but got q", "--smoke --small": "a sweep has one size"},
        ),
        (
            ["mixing-set", "generate", "fractals", "--images", "x", "--side", "4", "--seed", "-1"],
            {
                "--images": "must be a valid integer, but got x",
                "--side": "must be greater than or equal to 8, but got 4",
                "--seed": "must be greater than or equal to 0, but got -1",
            },
        ),
        (
            ["table", "demo", "--decimals", "9", "--format", "latx", "--set", "trian.epochs=1"],
            {"--decimals": "but got 9", "--format latx": "did you mean 'latex'?", "--set trian.epochs": "'train'?"},
        ),
        (
            ["table", "--colour", "3", "--decimals", "9"],
            {"": "No such option: --colour", "--decimals": "but got 9"},
        ),
        (
            ["figure", "--decimals=9", "--column"],
            {
                "No such option: --decimals": "",
                "Option '--column' requires an argument": "",
                "Missing argument 'SWEEP'": "",
                "Missing option '--kind'": "",
            },
        ),
        (
            ["run", "demo", "--mode", "cashed", "--max-concurrent", "many", "--engine", "wram", "--small", "--smoke"],
            {
                "--mode cashed": "did you mean 'cached'?",
                "--max-concurrent": "must be a valid integer, but got many",
                "--engine wram": "did you mean 'warm'?",
                "--smoke --small": "choose one of the two",
            },
        ),
        (
            [
                "evaluate",
                "x.pt",
                "--suite",
                "quik",
                "--benchmarks",
                "clean",
                "--max-images",
                "0",
                "--precision",
                "fp33",
            ],
            {
                "--suite": "did you mean 'quick'?",
                "--benchmarks": "but not both",
                "--max-images": "but got 0",
                "--set evaluation.precision": "did you mean 'fp32'?",
            },
        ),
        (
            ["import", "x.csv", "--name", "A", "--dataset", "digits", "--format", "openod", "--unit", "percents"],
            {"--format": "did you mean 'openood'?", "--unit": "percent or fraction"},
        ),
    ],
)
def test_all_mistakes_of_a_command_line_are_reported_at_once(
    arguments: list[str], expected: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2

    first, *lines = capsys.readouterr().err.splitlines()
    assert first.endswith(f": {len(expected)} mistakes")
    for where, text in expected.items():
        assert any(line.startswith(f"  {where}") and text in line for line in lines), lines


def test_several_mistakes_name_the_help_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mixing-set", "generate", "fractals", "--images", "x", "--side", "4"]) == 2

    printed = capsys.readouterr().err
    assert printed.startswith("dreamgrid: options (see `dreamgrid mixing-set generate --help`): 2 mistakes\n")
    assert printed.count("--help") == 1


@pytest.mark.parametrize("given", ["--pictures", "--pictures=30"])
def test_an_option_that_was_renamed_is_answered_with_its_new_name(
    given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "match", "digits", given]) == 2

    assert "--pictures is now --images" in capsys.readouterr().err


def test_with_json_a_mistake_is_a_document_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "demo", "--json", "--set", "train.epochs=many", "--set", "params.bata=1"]) == 2

    document = json.loads(capsys.readouterr().out)
    assert len(document["mistakes"]) == 2


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (
            ["plan", "demo", "--seeds", "a", "--machine", "abacus", "--mode", "cashed", "--smoke", "--small"],
            ["--seeds a", "abacus", "--mode cashed", "--smoke --small"],
        ),
        (
            ["run", "demo", "--set", "foo", "--mode", "cashed", "--grow-to", "x", "--engine", "cold"],
            ["--set foo", "--mode cashed", "--grow-to", "--engine cold"],
        ),
    ],
)
def test_the_mistakes_of_all_options_are_told_at_once(
    arguments: list[str], wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2

    told = capsys.readouterr().err
    assert f"options: {len(wrong)} mistakes" in told
    assert [each for each in wrong if each not in told] == []


def test_a_tracking_server_that_is_away_refuses_the_run_before_it_starts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "demo", "--smoke", "--tracking-uri", "http://127.0.0.1:9"]) == 3

    assert "tracking server must answer" in capsys.readouterr().err


def test_a_storage_that_cannot_be_opened_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "demo", "--storage", "gopher://x"]) == 2

    assert "gopher" in capsys.readouterr().err


def test_status_and_plan_say_the_same_is_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    to_do = []
    for verb in ("plan", "status"):
        assert main([verb, "demo", "--smoke"]) == 0
        (line,) = [line for line in capsys.readouterr().out.splitlines() if " Cutout " in line]
        to_do.append(line.strip())

    assert to_do[0] == to_do[1]
    assert "waiting  train, clean, c-generated, pgd, ood-generated" in to_do[0]


@pytest.mark.parametrize("verb", ["status", "watch", "table"])
def test_a_sweep_in_a_new_folder_is_shown_as_one_of_which_nothing_is_recorded(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DREAMGRID_STORAGE")

    assert main([verb, "demo", "--smoke"]) == 0

    printed = capsys.readouterr()
    assert ("waiting" in printed.out) == (verb != "table")
    assert f"there is no storage at '{folder / 'dreamgrid-storage'}' yet; a run creates it" in printed.err
    assert not list(folder.iterdir())


@pytest.mark.parametrize("given", [["--storage"], []])
def test_a_named_storage_that_does_not_exist_is_a_wrong_name(
    given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DREAMGRID_STORAGE", str(tmp_path / "wrong"))

    assert main(["status", "demo", *given, *[str(tmp_path / "wrong")][: len(given)]]) == 3

    assert f"a storage must exist before it can be read, but '{tmp_path / 'wrong'}'" in capsys.readouterr().err


def test_what_nobody_foresaw_goes_to_a_log_and_not_to_the_user(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("orchestration.cli.verbs.plan.make_plan", broken)

    assert main(["plan", "demo"]) == 1

    told = capsys.readouterr().err
    log = Path(told.split("details are in ")[1].split(": ")[0])
    assert "a bug" in told
    assert "Traceback" not in told
    assert "Traceback" in log.read_text()
    log.unlink()


INTERRUPTIBLE: Final = {
    "orchestration.cli.verbs.plan.make_plan": (["plan", "demo"], "Nothing was started or recorded."),
    "orchestration.cli.verbs.run.complete": (
        ["run", "demo"],
        "What is recorded is kept; run the same command again to",
    ),
    "orchestration.evaluation.checkpoints.tried": (
        ["evaluate", "checkpoint.pt"],
        "Results are complete only at the end, so none is kept; run the same command again to start from the beginning.",
    ),
    "orchestration.cli.verbs.cluster.measure_upload": (["submit", "demo"], "The job may have started; run the same"),
    "orchestration.cli.verbs.data.datasets.missing_data": (["data", "list"], "Nothing was changed."),
}


@pytest.mark.parametrize("place", INTERRUPTIBLE)
def test_ctrl_c_says_what_the_verb_leaves_behind(
    place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    words, text = INTERRUPTIBLE[place]
    monkeypatch.setattr("orchestration.cli.verbs.evaluate._opened", lambda *args: None)
    monkeypatch.setattr("orchestration.cli.verbs.evaluate._requests", lambda *args: ((), ()))
    monkeypatch.setattr(place, interrupted)

    assert main(words) == 130

    assert f"Interrupted. {text}" in capsys.readouterr().err


def test_ctrl_c_before_a_verb_began_says_that_nothing_was_changed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("orchestration.cli.verbs.plan.register", interrupted)

    assert main(["plan", "demo"]) == 130

    assert capsys.readouterr().err == "Interrupted. Nothing was changed.\n"


def test_every_verb_says_what_ctrl_c_leaves_behind() -> None:
    verbs: dict[str, str] = {}
    for name in VERBS:
        found: Any = get_command(build_app(name))
        found = found.commands.get(name, found)
        verbs |= {f"{name} {each}": each for each in found.commands} if hasattr(found, "commands") else {name: name}

    assert list(verbs) == list(LEFT)


def test_a_table_of_nothing_says_how_to_compute_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", "demo", "--smoke"]) == 0

    printed = capsys.readouterr()
    assert "| PixMix |" in printed.out
    assert "dreamgrid run --smoke demo" in printed.err or "dreamgrid run demo --smoke" in printed.err


@pytest.mark.parametrize("form", ["markdown", "latex", "csv", "html", "json"])
def test_a_table_can_be_written_in_each_format(form: str, tmp_path: Path) -> None:
    target = tmp_path / "out" / "grid"

    assert main(["table", "demo", "--format", form, "--output", str(target)]) == 0

    assert "Clean" in target.read_text() or target.read_text().startswith("row,")


def test_a_table_as_html_is_a_page_with_its_charset(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", "demo", "--format", "html"]) == 0

    page = capsys.readouterr().out
    assert page.startswith("<!doctype html>")
    assert '<meta charset="utf-8">' in page
    assert page.count("<table ") == 1


@pytest.mark.parametrize("trouble", [None, "the tracking writer ended with code -9, 5 times"])
def test_a_run_whose_tracking_is_incomplete_ends_with_an_error_and_says_how_to_catch_up(
    trouble: str | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def publish(self: object, tables: object) -> str | None:
        return trouble

    monkeypatch.setattr("orchestration.runs.tracked_run.LazyTracker.publish", publish)

    assert main(["run", "demo", "--smoke", "--seeds", "3", "--mode", "read-only"]) == (3 if trouble else 0)

    hint = "5 times; catch up with: dreamgrid sync demo --smoke --seeds 3\n"
    assert (hint in capsys.readouterr().err) == (trouble is not None)


def test_sync_takes_the_options_that_change_a_sweep_and_needs_a_server(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[str, int]] = []

    def sync(store: object, plan: Plan, uri: str, **_: object) -> Synced:
        shown.append((plan.sweep, len(plan.cells)))
        return Synced(written=0, unchanged=0, absent=5, experiment_id="1", sweep_run_id="x")

    monkeypatch.setattr("orchestration.runs.replay.sync", sync)

    assert main(["sync", "demo", "--smoke", "--set", "train.epochs=2", "--seeds", "1,2"]) == 0
    assert main(["sync", "--seeds", "1"]) == 2
    assert main(["sync", "demo", "--smoke", "--tracking-uri", "none"]) == 2

    assert shown == [("demo-smoke", 10)]
    assert "name the one that they are for" in capsys.readouterr().err


def test_the_plan_tells_what_is_left_out_and_what_stands_in(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "table-1", "--smoke"]) == 0

    printed = capsys.readouterr().out
    assert "c-generated/error replaces c/error" in printed


def test_reading_only_where_nothing_is_recorded_says_how_to_compute_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "demo", "--smoke", "--mode", "read-only"]) == 0

    printed = capsys.readouterr()
    assert printed.out == ""
    assert "  compute the cells:         dreamgrid run demo --smoke" in printed.err.splitlines()
    assert "one more seed" not in printed.err


def test_doctor_looks_at_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0

    looked_at = {finding["what"] for finding in json.loads(capsys.readouterr().out)}
    assert looked_at == {"versions", "packages", "devices", "ray", "storage", "disk", "tracking", "data", "kernels"}


def test_doctor_leaves_no_storage_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "storage").rmdir()

    main(["doctor"])

    assert not (tmp_path / "storage").exists()


def test_arguments_of_no_encoding_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A folder whose name is in Latin-1 ended `evaluate` as an unforeseen error."""
    assert main(["plan", os.fsdecode(b"caf\xe9.yaml")]) == 2
    assert r"must be UTF-8, but is 'caf\udce9.yaml'" in capsys.readouterr().err


def test_names_of_no_encoding_are_printed_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    echo(os.fsdecode(b"caf\xe9 \xc3\xa9"))
    echo_err("\udcff")
    assert capsys.readouterr() == ("caf\\udce9 é\n", "\\udcff\n")


@pytest.mark.parametrize("option", ["num_images=99999999999", "image_size=99999", "seed=-1", "num_images=0"])
def test_a_number_that_no_mixing_set_has_is_refused_by_the_plan(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "demo", "--storage", str(tmp_path), "--set", f"mixing_set_params.{option}"]) == 2
    assert f"{option.partition('=')[0]} must be between" in capsys.readouterr().err


def test_a_message_shows_the_ends_of_a_value_of_thousands_of_letters(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "demo", "--set", f"method=['{'x' * 9000}']"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert max(map(len, lines)) < 1600
    assert any(" ... " in line and line.count("x") > 1000 for line in lines)
