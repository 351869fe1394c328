"""The command that trains what was recommended, as a shell takes it."""

from __future__ import annotations

from shlex import quote

from bench.recommend.answer import Answer


def how_to_fit(answer: Answer) -> str:
    """The command that trains and keeps it, with all that says how the data are read."""
    file = f"./{answer.file}" if answer.file.startswith("-") else answer.file  # else it reads as an option
    words = [file, *answer.reading, "--recipe", "best", "--out", "my-classifier"]
    return " ".join(["python -m gptcore fit", *map(shell_word, words)])


def shell_word(word: str) -> str:
    """One word as a shell reads it; with control characters in the quotes of bash and zsh, so that it is one line."""
    if word.isprintable():
        return quote(word)
    escaped = (_escaped(character) for character in word)
    return f"$'{''.join(escaped)}'"


def _escaped(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
