"""CSV files that a spreadsheet opens without computing their text."""

import csv
import io

import pandas as pd
import pytest

from xbarsim.report.csv_table import encode_frame, encode_rows, guard_cell


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\tx", "\nx", '=HYPERLINK("a")', "-"])
def test_text_that_begins_a_formula_is_guarded(text):
    assert guard_cell(text) == f"'{text}"
    rows = list(csv.reader(io.StringIO(encode_rows([{"name": text, text: 1}]), newline="")))
    assert rows == [["name", f"'{text}"], [f"'{text}", "1"]]
    frame = pd.DataFrame({"name": [text, "b"], "x": [-1.5, 2.0], text: [1, 2]})
    rows = list(csv.reader(io.StringIO(encode_frame(frame).decode(), newline="")))
    assert rows[0] == ["name", "x", f"'{text}"]
    assert rows[1] == [f"'{text}", "-1.5", "1"]


@pytest.mark.parametrize("value", ["-1.5", "+2e-3", "-inf", "conv1", "", -1.5, None, True, "a=b"])
def test_numbers_and_other_text_stay(value):
    assert guard_cell(value) == value
