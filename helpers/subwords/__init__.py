"""Words cut into pieces: byte-pair encoding, WordPiece and the unigram model.

All three share the marks of `pieces`: text is normalised, cut into words, and each word
that followed a space begins with `▁`, so that joining the pieces gives the text back.
"""

from .bpe import BPE, PairCounts, merge_pair, train_bpe
from .pieces import MARK, PieceIds, count_words, join_pieces, normalize, split_words
from .unigram import Unigram, forward_backward, viterbi
from .unigram_training import Lattices, maximize, seed_pieces, train_unigram
from .wordpiece import WordPiece, train_wordpiece

__all__ = [
    "BPE",
    "MARK",
    "Lattices",
    "PairCounts",
    "PieceIds",
    "Unigram",
    "WordPiece",
    "count_words",
    "forward_backward",
    "join_pieces",
    "maximize",
    "merge_pair",
    "normalize",
    "seed_pieces",
    "split_words",
    "train_bpe",
    "train_unigram",
    "train_wordpiece",
    "viterbi",
]
