"""Texts of strangers, made safe to print."""

from gptcore.wording import markdown_line, one_line


def test_what_steers_a_terminal_becomes_blank() -> None:
    assert one_line("ham\n\x1b[31mspam\u2028\u200e ü é 日本") == "ham  [31mspam   ü é 日本"


def test_nothing_ends_a_cell_or_code_of_markdown() -> None:
    assert markdown_line("a|b`c\n<script>") == "a\\|b'c &lt;script>"
