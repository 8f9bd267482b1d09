"""The oracle: what it answers, how it remembers, what it refuses."""

import io
import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

import xbarsim as xs
from xbarsim.cost import price_layer
from xbarsim.errors import ConfigError
from xbarsim.search import AnswerCache, CostOracle, answer_lines, make_space
from xbarsim.search.cache import FILE, open_cache
from xbarsim.search.table import tabulate_options

SHAPE = {
    "in_channels": 16, "out_channels": 16, "kernel": 3, "stride": 1, "padding": 1, "groups": 1, "height": 32,
    "width": 32,
}  # fmt: skip
CHOICE = {"crossbar.rows": 64, "crossbar.cols": 64}


@pytest.fixture(scope="module")
def oracle():
    """An oracle without a disk."""
    return CostOracle("nax", cache=None)


def forget(oracle):
    """Return an oracle on the same disk with nothing in memory."""
    return CostOracle(oracle.hardware, cache=oracle._disk.folder)


def refuse_work(find):
    """Return an oracle's way to find answers, without working any out."""

    def work():
        raise AssertionError("worked out")

    return lambda name, encode, decode, _: find(name, encode, decode, work)


def test_the_facade_offers_the_oracle():
    assert xs.CostOracle is CostOracle


def test_a_layer_costs_what_the_simulator_says(oracle):
    assert oracle.layer("conv2d", SHAPE, CHOICE) == price_layer("conv2d", SHAPE, oracle.hardware, CHOICE)
    linear = {"in_features": 64, "out_features": 10, "vectors": 1}
    assert oracle.layer("linear", linear) == price_layer("linear", linear, oracle.hardware)


def test_a_network_costs_what_estimate_says(oracle):
    layers = {"layer1.*": CHOICE, "fc": {"weight_bits": 6}}
    assert oracle.cost("resnet20", layers) == xs.estimate("resnet20", oracle.hardware, layers).cost
    assert oracle.cost("resnet20", weight_bits=4).crossbars < oracle.cost("resnet20").crossbars


def test_defaults_of_a_shape_may_be_left_out(oracle):
    short = {key: SHAPE[key] for key in ("in_channels", "out_channels", "kernel", "padding", "height", "width")}
    assert oracle.layer("conv2d", short) == oracle.layer("conv2d", SHAPE)


def test_the_later_of_two_globs_wins_also_in_the_cache(oracle):
    wide, narrow = {"weight_bits": 8}, {"weight_bits": 2}
    one = oracle.cost("lenet5", {"*": wide, "conv*": narrow})
    other = oracle.cost("lenet5", {"conv*": narrow, "*": wide})
    assert one.energy_joule < other.energy_joule


def test_warm_answers_are_worked_out_once(oracle, monkeypatch):
    """How many a second: ``benchmarks/speed/timing.py``."""
    first = oracle.layer("conv2d", SHAPE, CHOICE)
    monkeypatch.setattr(oracle, "_find", refuse_work(oracle._find))
    assert all(oracle.layer("conv2d", SHAPE, CHOICE) == first for _ in range(100))
    with pytest.raises(AssertionError, match="worked out"):
        oracle.layer("conv2d", {**SHAPE, "height": 31}, CHOICE)


def test_ten_thousand_warm_lines_keep_their_order(oracle, monkeypatch):
    lines = [json.dumps({"id": i, "layer": "conv2d", "shape": SHAPE, "choice": CHOICE}) for i in range(10_000)]
    answer_lines(oracle, lines[:1])
    monkeypatch.setattr(oracle, "_find", refuse_work(oracle._find))
    answers = answer_lines(oracle, lines)
    assert [json.loads(answer)["id"] for answer in answers] == list(range(10_000))
    assert all("error" not in json.loads(answer) for answer in answers)


def test_the_disk_gives_back_every_bit(tmp_path):
    first = CostOracle("nax", cache=tmp_path)
    layer, whole = first.layer("conv2d", SHAPE, CHOICE), first.cost("lenet5")
    again = forget(first)
    again._find = lambda name, encode, decode, work: decode(again._disk.get(name))
    assert again.layer("conv2d", SHAPE, CHOICE) == layer
    assert again.cost("lenet5") == whole


def test_accuracy_is_what_simulate_says_and_is_kept(tmp_path):
    from xbarsim.data import load_data, normalize_images

    digits = load_data("digits").take(24)
    images = normalize_images(digits.images)
    oracle = CostOracle("reference", cache=tmp_path)
    found = oracle.accuracy("digits", images, digits.labels, {"conv1": {"adc.bits": 6}}, seed=3)
    direct = xs.simulate("digits", "reference", images, digits.labels, layers={"conv1": {"adc.bits": 6}}, seed=3)
    assert found == direct.accuracy
    assert found.hardware.top5 == direct.accuracy.hardware.top5
    again = forget(oracle)
    again._find = lambda name, encode, decode, work: decode(again._disk.get(name))
    assert again.accuracy("digits", images, digits.labels, {"conv1": {"adc.bits": 6}}, seed=3) == found


def test_accuracy_is_kept_for_one_target_and_costs_for_all(tmp_path, monkeypatch):
    images, labels = np.random.default_rng(1).random((4, 1, 8, 8)).astype(np.float32), np.arange(4)
    oracle = CostOracle("reference", cache=tmp_path)
    oracle.accuracy("digits", images, labels)
    oracle.cost("digits")
    monkeypatch.setattr("xbarsim.search.oracle.describe_target", lambda: "elsewhere")
    other = forget(oracle)
    other.cost("digits")
    assert len(AnswerCache(tmp_path)) == 2
    other.accuracy("digits", images, labels)
    assert len(AnswerCache(tmp_path)) == 3


def test_another_hardware_network_choice_or_seed_is_another_question(tmp_path):
    one, other = CostOracle("nax", cache=tmp_path), CostOracle("isaac", cache=tmp_path)
    assert one.layer("conv2d", SHAPE).edap != other.layer("conv2d", SHAPE).edap
    assert one.cost("lenet5").edap != one.cost("resnet20").edap
    assert len(AnswerCache(tmp_path)) == 4


def test_memory_is_bounded():
    oracle = CostOracle("nax", cache=None, memory=20)
    for size in range(1, 40):
        oracle.layer("linear", {"in_features": size, "out_features": 4})
    assert len(oracle._memory) <= 20


@pytest.mark.parametrize(
    ("kind", "shape", "choice", "names"),
    [
        ("conv3d", SHAPE, None, "conv3d"),
        ("conv2d", {**SHAPE, "kernels": 3}, None, "shape.kernels"),
        ("conv2d", {"in_channels": 3}, None, "shape.out_channels"),
        ("conv2d", {**SHAPE, "kernel": 2.5}, None, "shape.kernel"),
        ("conv2d", {**SHAPE, "kernel": "3"}, None, "shape.kernel"),
        ("conv2d", {**SHAPE, "kernel": [1, 2, 3]}, None, "shape.kernel"),
        ("conv2d", {**SHAPE, "height": 0}, None, "shape.height"),
        ("conv2d", {**SHAPE, "in_channels": True}, None, "shape.in_channels"),
        ("conv2d", {**SHAPE, "padding": -1}, None, "shape.padding"),
        ("conv2d", SHAPE, {"aray": 64}, "choice: aray: unknown axis; did you mean array"),
        ("conv2d", SHAPE, {"crossbr.rows": 64}, "choice: crossbr.rows: unknown axis"),
        ("conv2d", SHAPE, {"timing.io_bits": 64}, "timing.io_bits cannot differ between layers"),
        ("conv2d", SHAPE, {"crossbar.row": 64}, "crossbar.row"),
        ("conv2d", SHAPE, {"crossbar.rows": 0}, "crossbar.rows"),
        ("conv2d", SHAPE, {"chip.tiles": 4}, "chip.tiles"),
        ("conv2d", SHAPE, [1], "choice"),
        ("conv2d", [SHAPE], None, "shape"),
    ],
)
def test_bad_questions_are_refused_by_name(oracle, kind, shape, choice, names):
    for _ in range(2):  # an error is never cached as an answer
        with pytest.raises(ConfigError, match=names):
            oracle.layer(kind, shape, choice)


def test_a_bad_line_costs_no_other_answer(oracle):
    good = json.dumps({"id": "a", "layer": "conv2d", "shape": SHAPE, "choice": CHOICE})
    bad = ["{", "", "[1]", "\udcff", b"\xff\xfe", '{"id": 7, "layer": "conv2d"}', '{"id": 8}', "[" * 100_000]
    bad += ['{"id": 9, "network": "resnet2"}', '{"id": 9, "network": 3}', '{"id": 9, "network": "lenet5", "layer": 1}']
    answers = [json.loads(answer) for answer in answer_lines(oracle, [good, *bad, good], first=11)]
    assert answers[0] == answers[-1]
    assert answers[0]["cost"]["edap"] == oracle.layer("conv2d", SHAPE, CHOICE).edap
    assert [answer["line"] for answer in answers[1:-1]] == list(range(12, 12 + len(bad)))
    assert all("internal" not in answer["error"] for answer in answers[1:-1])
    assert answers[1]["id"] is None
    assert "line 12" in answers[1]["error"]
    assert [answer["id"] for answer in answers[6:8]] == [7, 8]


def test_a_line_may_ask_for_accuracy():
    oracle = CostOracle("reference", cache=None)
    wanted = {"data": "digits", "images": 16, "trials": 2}
    (answer,) = answer_lines(oracle, [json.dumps({"id": 1, "network": "digits", "accuracy": wanted})])
    accuracy = json.loads(answer)["accuracy"]
    assert accuracy["images"] == 16
    assert len(accuracy["trials"]) == 2
    for wrong in ({"image": 3}, {"images": 0}, {"data": "no/such"}, 5):
        (answer,) = answer_lines(oracle, [json.dumps({"network": "digits", "accuracy": wrong})])
        assert "internal" not in json.loads(answer)["error"]


def test_a_file_that_is_no_database_is_rebuilt(tmp_path):
    (tmp_path / FILE).write_bytes(b"not a database at all" * 100)
    oracle = CostOracle("nax", cache=tmp_path)
    cost = oracle.layer("conv2d", SHAPE)
    assert forget(oracle).layer("conv2d", SHAPE) == cost
    assert len(oracle._disk) == 1
    assert (tmp_path / FILE).with_suffix(".broken").exists()


def test_a_damaged_or_foreign_database_is_rebuilt(tmp_path):
    oracle = CostOracle("nax", cache=tmp_path)
    for size in range(1, 60):
        oracle.layer("linear", {"in_features": size, "out_features": 4})
    oracle._disk.close()
    content = bytearray((tmp_path / FILE).read_bytes())
    content[4096:] = bytes(len(content) - 4096)
    (tmp_path / FILE).write_bytes(content)
    again = forget(oracle)
    assert again.layer("linear", {"in_features": 7, "out_features": 4}) == oracle.layer(
        "linear", {"in_features": 7, "out_features": 4}
    )
    again._disk.close()
    (tmp_path / FILE).unlink()
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("CREATE TABLE answers (other TEXT)")
    connection.close()
    last = forget(oracle)
    last.layer("conv2d", SHAPE)
    assert len(last._disk) == 1


def test_an_answer_that_was_tampered_with_is_not_trusted(tmp_path):
    oracle = CostOracle("nax", cache=tmp_path)
    cost = oracle.layer("conv2d", SHAPE)
    oracle._disk.close()
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("UPDATE answers SET value = replace(value, '1', '2')")
    connection.close()
    assert forget(oracle).layer("conv2d", SHAPE) == cost


def test_a_truncated_write_ahead_log_is_survived(tmp_path):
    cache = AnswerCache(tmp_path)
    for number in range(50):
        cache.put(str(number), b"x" * 500)
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in tmp_path.glob(f"{FILE}*"):
        data = path.read_bytes()
        if not path.name.endswith(("-shm", ".lock")):
            (copy / path.name).write_bytes(data[: len(data) - 3000] if path.name.endswith("-wal") else data)
    kept = AnswerCache(copy)
    assert all(kept.get(str(number)) in (None, b"x" * 500) for number in range(50))
    kept.put("new", b"y")
    assert kept.get("new") == b"y"


def test_a_folder_that_cannot_be_written_is_refused_by_name_but_not_when_automatic(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cache"):
        CostOracle("nax", cache=tmp_path / "file")
    monkeypatch.setenv("XBARSIM_CACHE", str(tmp_path / "file"))
    assert open_cache("auto") is None
    monkeypatch.setenv("XBARSIM_CACHE", str(tmp_path / "mine"))
    assert open_cache("auto").folder == tmp_path / "mine"
    monkeypatch.setenv("XBARSIM_CACHE", "none")
    assert open_cache("auto") is None


def _write_for_ever(folder, ready):
    cache, number = AnswerCache(folder), 0
    while True:
        cache.put(f"{os.getpid()}-{number}", str(number).encode() * 200)
        number += 1
        if number == 20:
            ready.set()


def test_processes_share_a_cache_and_one_may_be_killed(tmp_path):
    context = multiprocessing.get_context("fork")
    mine = AnswerCache(tmp_path)
    mine.put("before", b"kept")
    for _ in range(3):
        ready = [context.Event(), context.Event()]
        writers = [context.Process(target=_write_for_ever, args=(tmp_path, event)) for event in ready]
        for writer in writers:
            writer.start()
        for event in ready:
            assert event.wait(30)
        os.kill(writers[0].pid, signal.SIGKILL)
        writers[0].join()
        count = len(mine)
        mine.put(f"after-{writers[0].pid}", b"kept")
        assert mine.get(f"{writers[0].pid}-7") == b"7" * 200
        time.sleep(0.05)
        assert len(mine) > count  # the other one goes on
        os.kill(writers[1].pid, signal.SIGKILL)
        writers[1].join()
        assert mine.get(f"{writers[1].pid}-19") == b"19" * 200
    assert mine.get("before") == b"kept"
    assert not (tmp_path / FILE).with_suffix(".broken").exists()
    mine.close()
    with sqlite3.connect(tmp_path / FILE) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_an_oracle_travels_to_other_processes(tmp_path):
    oracle = CostOracle("nax", cache=tmp_path)
    expected = oracle.layer("conv2d", SHAPE)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.starmap(oracle.layer, [("conv2d", SHAPE)] * 4) == [expected] * 4


def test_the_table_of_naxs_space_is_worked_out_once(tmp_path, monkeypatch):
    oracle = CostOracle("nax", cache=tmp_path)
    content = {"*": {"kernel": [3, 5, 7], "array": [16, 32, 64, 128]}, "layer*": {"zero": True}}
    space = make_space(content, xs.load_network("resnet20"), oracle.hardware)
    cold = tabulate_options(space, oracle)
    for warm in (oracle, forget(oracle)):  # from memory, and from disk
        monkeypatch.setattr(warm, "_find", refuse_work(warm._find))
        found = tabulate_options(space, warm)
        assert all(np.array_equal(a, b) for name in cold for a, b in zip(cold[name], found[name]))


def test_the_command_answers_lines_as_they_arrive(tmp_path):
    command = [sys.executable, "-m", "xbarsim.cli", "oracle", "--hardware", "nax", "--cache", str(tmp_path)]
    code = "import sys, xbarsim.cli; sys.exit(xbarsim.cli.run(sys.argv[1:]))"
    command[1:3] = ["-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        for number in range(3):  # an answer comes before the next question is asked
            process.stdin.write(json.dumps({"id": number, "layer": "conv2d", "shape": SHAPE}) + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == number
        process.stdin.write('oops\n{"id": 9, "network": "lenet5"}')  # the last line lacks its end
        process.stdin.close()
        rest = [json.loads(line) for line in process.stdout]
    assert process.returncode == 0
    assert rest[0]["line"] == 4
    assert rest[1]["id"] == 9
    assert rest[1]["cost"]["energy_joule"] == CostOracle("nax", cache=None).cost("lenet5").energy_joule


def test_the_command_changes_hardware_and_refuses_wrong_ones(capsys, monkeypatch):
    import xbarsim.cli

    line = json.dumps({"layer": "conv2d", "shape": SHAPE}).encode()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(line)))
    assert xbarsim.cli.run(["oracle", "--hardware", "nax", "--set", "weight_bits=4", "--cache", "none"]) == 0
    found = json.loads(capsys.readouterr().out)["cost"]["edap"]
    assert found == CostOracle("nax", cache=None).layer("conv2d", SHAPE, {"weight_bits": 4}).edap
    assert xbarsim.cli.run(["oracle", "--hardware", "nix"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
