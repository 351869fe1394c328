"""Bits per byte of models that need no training: what a pretrained GPT has to beat on held-out text."""

from __future__ import annotations

import math

import numpy as np


def uniform_bits(vocab_size: int) -> float:
    """Bits a token where every token is equally likely."""
    return math.log2(vocab_size)


def unigram_bits(train: np.ndarray, held_out: np.ndarray, vocab_size: int) -> float:
    """Mean bits a token of `held_out` (N,) under the token frequencies of `train`, one added to every count."""
    counts = np.bincount(train, minlength=vocab_size) + 1.0
    return float(-np.log2(counts / counts.sum())[held_out].mean())


def bigram_bits(train: np.ndarray, held_out: np.ndarray, vocab_size: int) -> float:
    """Mean bits a token of `held_out` (N,), its first token left out, under pairs seen in `train`.

    Witten-Bell smoothing (Witten and Bell 1991, method C): after a token h seen c(h) times with u(h) different
    successors, p(w | h) = (c(h, w) + u(h) p(w)) / (c(h) + u(h)), with the unigram model as p(w).
    """
    unigram = np.bincount(train, minlength=vocab_size) + 1.0
    unigram /= unigram.sum()
    pairs, pair_counts = np.unique(_pairs(train, vocab_size), return_counts=True)
    seen = np.bincount(train[:-1], minlength=vocab_size)
    successors = np.bincount(pairs // vocab_size, minlength=vocab_size)

    wanted = _pairs(held_out, vocab_size)
    at = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
    count = np.where(pairs[at] == wanted, pair_counts[at], 0)
    before, after = wanted // vocab_size, wanted % vocab_size
    total = seen[before] + successors[before]
    smoothed = (count + successors[before] * unigram[after]) / np.maximum(total, 1)
    probability = np.where(total > 0, smoothed, unigram[after])  # a token never seen to precede another
    return float(-np.log2(probability).mean())


def _pairs(tokens: np.ndarray, vocab_size: int) -> np.ndarray:
    """Each token and its successor as one number (N - 1,) int64."""
    wide = tokens.astype(np.int64)
    return np.asarray(wide[:-1] * vocab_size + wide[1:])
