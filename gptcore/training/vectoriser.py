"""scikit-learn's TF-IDF, which counts terms of a known vocabulary several times as fast."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

WORDS_KEPT = 2**15  # with the numbers of their terms, in about 10 MB


class Vectoriser(TfidfVectorizer):
    """The same counts, in the same order. Words of a language recur, so the n-grams of a word's characters are made and
    looked up once, not once per text.
    """

    def _count_vocab(self, raw_documents: Iterable[str], fixed_vocab: bool) -> tuple[dict[str, int], Any]:
        """What `fit_transform` and `transform` call; fixed_vocab: the vocabulary is known. A scikit-learn that calls
        another method would count by itself.
        """
        if not fixed_vocab:
            self._words: dict[str, array[int]] = {}
            learned: tuple[dict[str, int], Any] = super()._count_vocab(raw_documents, fixed_vocab)
            return learned
        numbers_of = self._numbers_in_words() if self.analyzer == "char_wb" else self._numbers_in_texts()
        numbers, ends = array("i"), [0]
        for text in raw_documents:
            numbers_of(text, numbers)
            ends.append(len(numbers))
        found = csr_matrix(
            (np.ones(len(numbers), dtype=self.dtype), np.frombuffer(numbers, dtype=np.intc), ends),
            shape=(len(ends) - 1, len(self.vocabulary_)),
        )
        found.sum_duplicates()  # sorts the numbers of each text, too
        return self.vocabulary_, found

    def _numbers_in_texts(self) -> Callable[[str, array[int]], None]:
        """Appends the number of every known term of a text."""
        analyze, number_of = self.build_analyzer(), self.vocabulary_.get

        def append(text: str, numbers: array[int]) -> None:
            numbers.extend([number for term in analyze(text) if (number := number_of(term)) is not None])

        return append

    def _numbers_in_words(self) -> Callable[[str, array[int]], None]:
        """As `_numbers_in_texts`, where no term reaches beyond a word."""
        preprocess, number_of = self.build_preprocessor(), self.vocabulary_.get
        if not hasattr(self, "_words"):  # with a vocabulary that was given, there is no fit
            self._words = {}
        words = self._words

        def append(text: str, numbers: array[int]) -> None:
            for word in preprocess(self.decode(text)).split():
                if (of_word := words.get(word)) is None:
                    if len(words) >= WORDS_KEPT:
                        words.clear()
                    terms = self._char_wb_ngrams(word)
                    of_word = array("i", [n for term in terms if (n := number_of(term)) is not None])
                    words[word] = of_word
                numbers.extend(of_word)

        return append
