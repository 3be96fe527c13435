"""Tables in Markdown."""

from crossgraph.evaluation.markdown import markdown_table


def test_a_table_has_headings_a_rule_and_a_line_a_row() -> None:
    assert markdown_table(("", "rSum"), [("strict", "390.2"), ("loose", "400.0")]) == (
        "|  | rSum |\n| --- | ---: |\n| strict | 390.2 |\n| loose | 400.0 |"
    )


def test_a_bar_in_a_cell_does_not_end_it() -> None:
    assert markdown_table(("run", "|bit mean|"), [("a|b", "0.05")]).splitlines() == [
        "| run | \\|bit mean\\| |",
        "| --- | ---: |",
        "| a\\|b | 0.05 |",
    ]
