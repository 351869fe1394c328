"""Texts: very short ones, those longer than a model's context, and scripts that do not belong."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache

from bench.check.finding import N_SHOWN, Finding, Sample, quoted
from gptcore.backbones.checkpoint_tokenizer import checkpoint_tokenizer
from gptcore.backbones.checkpoints import known_config
from gptcore.backbones.config import REGISTRY
from gptcore.data.tokenizer import Tokenizer
from gptcore.errors import UserError
from gptcore.wording import pluralise

SHORT = 3  # letters and digits, below which a text says next to nothing
RARE_SCRIPT = 0.05  # share of the texts, below which a script looks out of place
N_LANGUAGE_TEXTS = 2000
CUT_MATTERS = 0.01
_ENOUGH = re.compile(rf"(?:[\W_]*+[^\W_]){{{SHORT}}}")


def check_texts(sample: Sample, models: Sequence[str] = ()) -> list[Finding]:
    """Short texts, lengths, scripts and languages. models: to measure lengths for, beside those known by name."""
    return [*_short(sample), *_lengths(sample, models), *_scripts(sample), *_languages(sample)]


def _short(sample: Sample) -> list[Finding]:
    short = [at for at, text in enumerate(sample.texts) if not _ENOUGH.match(text[:200])]
    if not short:
        return []
    share = f"{len(short):,} of {len(sample):,} texts have"
    return [
        Finding(
            "warning",
            f"{share} fewer than {SHORT} letters or digits",
            tuple(sample.show(at) for at in short[:N_SHOWN]),
            "is that the whole text? If nothing can be told from them, remove them",
        )
    ]


def _lengths(sample: Sample, asked: Sequence[str]) -> list[Finding]:
    """Tokens against the context of the models that are asked for, and of those known whose vocabulary is here.

    Raises UserError for a model that is asked for and cannot be opened.
    """
    opened: dict[tuple[str, int], tuple[Tokenizer, list[str]]] = {}
    findings = []
    by_tokenizer: dict[str, list[str]] = {}
    for name, entry in REGISTRY.items():
        by_tokenizer.setdefault(entry.config.tokenizer, []).append(name)
    for names in [*([name] for name in asked), *by_tokenizer.values()]:
        try:
            tokenizer = checkpoint_tokenizer(names[0])
        except UserError as error:
            if names[0] in asked:
                raise
            findings.append(Finding("note", f"lengths for {', '.join(names)} are not known here: {error}"))
            continue
        for name in names:
            config = known_config(name)
            if config is None and name in asked:
                raise UserError(
                    f"--models {name}: its context is not known here: name the folder of the model"
                )
            if config is not None:
                of_kind = opened.setdefault((tokenizer.fingerprint, config.context), (tokenizer, []))[1]
                of_kind += [name] * (name not in of_kind)
    lengths: dict[str, list[int]] = {}
    for (vocabulary, context), (tokenizer, names) in opened.items():
        shown = ", ".join(names)
        if vocabulary not in lengths:
            lengths[vocabulary] = [len(tokens) for tokens in tokenizer.encode_batch(list(sample.texts))]
        counts = lengths[vocabulary]
        middle, longest = sorted(counts)[len(counts) // 2], max(range(len(counts)), key=counts.__getitem__)
        cut = [at for at, n in enumerate(counts) if n > context]
        facts = f"{shown}: {middle:,} tokens in the median text, {counts[longest]:,} in the longest; context {context}"
        if len(cut) < CUT_MATTERS * len(counts):
            some = f", {len(cut):,} of {len(counts):,} texts would be cut" if cut else ""
            findings.append(Finding("note", facts + some, (f"longest: {sample.show(longest)}",)))
            continue
        findings.append(
            Finding(
                "warning",
                f"{facts}: {len(cut):,} of {len(counts):,} texts ({100 * len(cut) / len(counts):.0f}%) would be cut",
                tuple(f"{counts[at]:,} tokens, {sample.show(at)}" for at in cut[:N_SHOWN]),
                "take a model with a longer context, shorten the texts, or answer with predict --long window",
            )
        )
    return findings


def _scripts(sample: Sample) -> list[Finding]:
    of_text = [script_of(text) for text in sample.texts]
    counts = Counter(script for script in of_text if script)
    if not counts:
        return []
    shown = ", ".join(f"{script} {n:,}" for script, n in counts.most_common(5))
    rare = {script for script, n in counts.items() if n < RARE_SCRIPT * len(sample)}
    odd = [at for at, script in enumerate(of_text) if script in rare]
    if not odd:
        examples = tuple(
            f"{of_text[at]}, {sample.show(at)}" for at in map(of_text.index, list(counts)[:N_SHOWN])
        )
        return [Finding("note", f"scripts: {shown}", examples)]
    return [
        Finding(
            "warning",
            f"scripts: {shown}; {pluralise(len(odd), 'text is', 'texts are')} mostly in a rare one",
            tuple(f"{of_text[at]}, {sample.show(at)}" for at in odd[:N_SHOWN]),
            "are they meant to be there? A model learns nothing from a handful",
        )
    ]


def script_of(text: str) -> str:
    """The script of most letters in a text, the first of equals; "" for a text without letters."""
    counts: dict[str, int] = {}
    for character, n in Counter(text[:500]).items():  # in the order of the text, each character once
        if script := _script(character):
            counts[script] = counts.get(script, 0) + n
    return max(counts, key=counts.__getitem__) if counts else ""


@cache
def _script(character: str) -> str:
    """By the first word of the character's name, which Unicode gives the script in."""
    if not character.isalpha():
        return ""
    return unicodedata.name(character, "UNKNOWN").split()[0].capitalize()


def _languages(sample: Sample) -> list[Finding]:
    """Languages of texts from the whole file, where py3langid is installed."""
    try:
        from py3langid import classify
    except ImportError:
        return []
    n = min(len(sample), N_LANGUAGE_TEXTS)
    some = [i * len(sample) // n for i in range(n)]  # files are often in the order of a label or a source
    of_text = {at: str(classify(sample.texts[at])[0]) for at in some}
    counts = Counter(of_text.values())
    shown = ", ".join(f"{language} {n:,}" for language, n in counts.most_common(5))
    first = {language: at for at, language in reversed(of_text.items())}
    examples = tuple(
        f"{language}, {sample.places[first[language]]}: {quoted(sample.texts[first[language]])}"
        for language, _ in counts.most_common(N_SHOWN)
    )
    which = f"all {n:,} texts" if n == len(sample) else f"{n:,} texts, evenly from all {len(sample):,}"
    return [Finding("note", f"languages of {which}, where short ones are guesses: {shown}", examples)]
