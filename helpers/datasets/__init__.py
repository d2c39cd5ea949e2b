"""Fetch and load the course's data sets, listed in datasets/catalog.toml.

`fetch(name)` returns the folder of any data set; a `load_...` function returns one as
plain Python or NumPy. `python -m helpers.datasets` fetches all of them.
"""

from .errors import DataError
from .loaders import (
    load_analogies,
    load_botchan,
    load_brown,
    load_class_mix,
    load_cmudict,
    load_glove,
    load_gutenberg,
    load_lee_background,
    load_sanguo,
    load_simlex999,
    load_webster,
    load_wikitext2,
    load_wordnet,
    load_wordsim353,
)
from .store import fetch

__all__ = [
    "DataError",
    "fetch",
    "load_analogies",
    "load_botchan",
    "load_brown",
    "load_class_mix",
    "load_cmudict",
    "load_glove",
    "load_gutenberg",
    "load_lee_background",
    "load_sanguo",
    "load_simlex999",
    "load_webster",
    "load_wikitext2",
    "load_wordnet",
    "load_wordsim353",
]
