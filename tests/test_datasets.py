"""The loaders, on the real data and on sources of a few lines."""

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, pairwise
from pathlib import Path

import nltk.data
import numpy as np
import pytest
from gensim.models import KeyedVectors
from gensim.test.utils import datapath
from nltk.corpus.reader import TaggedCorpusReader
from scipy.stats import spearmanr

from helpers import datasets
from helpers.datasets import class_mix, readers

data = pytest.mark.data


@data
def test_wordnet():
    wn = datasets.load_wordnet()
    # Irregular forms come from the *.exc files, regular ones from rules.
    assert wn.morphy("geese", "n") == "goose"
    assert wn.morphy("abaci") == "abacus"
    assert wn.morphy("went", "v") == "go"
    assert wn.morphy("hardest", "a") == "hard"
    assert wn.synset("well.r.01") in wn.synsets("best", "r")
    assert wn.morphy("churches", "n") == "church"
    # Counts come from cntlist.rev, lexicographers' files from lexnames.
    assert wn.lemma("dog.n.01.dog").count() == 42
    assert wn.lemma("frump.n.01.frump").count() == 0
    assert wn.synset("dog.n.01").lexname() == "noun.animal"
    assert wn.synset("run.v.01").lexname() == "verb.motion"
    assert wn.synset("quickly.r.01").lexname() == "adv.all"
    assert wn.synset("broken.a.01").lexname().startswith("adj.")
    assert wn.synset("dog.n.01").path_similarity(wn.synset("cat.n.01")) == 0.2


@data
def test_wordnet_loads_in_threads_and_through_nltk():
    with ThreadPoolExecutor(2) as pool:
        opened = list(pool.map(lambda _: datasets.load_wordnet(), range(2)))
        senses = list(pool.map(lambda wn: len(wn.synsets("bank")), opened))
    assert senses == [18, 18]
    from nltk.corpus import wordnet
    from nltk.stem import WordNetLemmatizer

    assert len(wordnet.synsets("bank")) == 18
    assert WordNetLemmatizer().lemmatize("mice") == "mouse"


@data
def test_wordnet_glosses_are_nltks():
    ours = list(readers.read_wordnet_glosses(datasets.fetch("wordnet")))
    assert len(ours) == 117_659
    wn = datasets.load_wordnet()
    synsets = [*wn.all_synsets("a"), *wn.all_synsets("r")]  # the last two files
    for (lemmas, gloss), synset in zip(ours[-len(synsets) :], synsets, strict=True):
        assert lemmas == synset.lemma_names()
        assert all(example in gloss for example in synset.examples())
        before_quotations = gloss.partition('"')[0].rstrip(" ;")
        assert synset.definition().startswith(before_quotations)


@data
@pytest.mark.parametrize(
    ("split", "lines", "tokens"),
    [("train", 36_718, 2_051_910), ("valid", 3_760, 213_886), ("test", 4_358, 241_211)],
)
def test_wikitext2_counts(split, lines, tokens):
    text = datasets.load_wikitext2(split)
    assert (len(text), sum(map(len, text))) == (lines, tokens)
    assert text[0] == []
    assert text[1][0] == text[1][-1] == "="
    assert "<unk>" not in set(chain.from_iterable(text))


@data
def test_wikitext2_gives_the_published_vocabulary():
    """33,278 types (Merity et al. 2016, table 1), "<unk>" and "<eos>" among them."""
    text = datasets.load_wikitext2("train")
    _, counts = np.unique(list(chain.from_iterable(text)), return_counts=True)
    assert np.count_nonzero(counts >= 3) + 2 == 33_278


def test_wikitext2_rejects_an_unknown_split():
    with pytest.raises(ValueError, match=r"'dev'.*'train', 'valid' and 'test'"):
        datasets.load_wikitext2("dev")


@data
def test_brown(monkeypatch):
    words = datasets.load_brown()
    tagged = datasets.load_brown(tagged=True)
    assert (len(words), sum(map(len, words))) == (57_340, 1_161_192)
    assert words == [[word for word, _ in sentence] for sentence in tagged]
    assert words[0][:4] == ["The", "Fulton", "County", "Grand"]
    folder = str(datasets.fetch("brown"))
    monkeypatch.setattr(nltk.data, "path", [folder])  # nltk reads nothing outside it
    for sample in (r"ca\d\d", r"cr\d\d"):  # the first and the last genre
        nltks = [list(s) for s in TaggedCorpusReader(folder, sample).tagged_sents()]
        assert nltks in (tagged[: len(nltks)], tagged[-len(nltks) :])


@data
def test_gutenberg_is_nltks_selection():
    books = datasets.load_gutenberg()
    assert len(books) == 18
    assert sum(len(text.split()) for text in books.values()) == 2_135_242
    assert len(books["austen-emma"]) == 887_071  # Bird, Klein and Loper 2009, 2.1
    assert books["carroll-alice"].startswith("[Alice's Adventures in Wonderland by")
    assert books["melville-moby_dick"].count("\n\nCall me Ishmael.") == 1
    assert "C\u00e6sar, my Lord" in books["shakespeare-caesar"]


@data
def test_sanguo():
    chapters = datasets.load_sanguo()
    assert len(chapters) == 120
    assert chapters[0].split("\n")[0] == "第一回 宴桃园豪杰三结义\u3000斩黄巾英雄首立功"
    assert "\n话说天下大势" in chapters[0]
    assert chapters[-1].startswith("第一百二十回")
    assert chapters[-1].endswith("后人凭吊空牢骚。")
    text = "\n".join(chapters)
    assert sum("\u4e00" <= c <= "\u9fff" for c in text) == 485_900
    assert {c for c in text if c.isspace()} == {" ", "\n", "\u3000"}
    assert all(line and line == line.strip() for line in text.split("\n"))


@data
def test_botchan():
    lines = datasets.load_botchan()
    assert len(lines) == 4_288
    assert lines[0].startswith("Project Gutenberg's Botchan")
    assert "Title: Botchan (Master Darling)" in lines
    raw = (datasets.fetch("botchan") / "botchan.txt").read_bytes()
    assert raw == b"\xef\xbb\xbf" + "".join(f"{x}\r\n" for x in lines).encode()


@data
def test_cmudict():
    words = datasets.load_cmudict()
    assert (len(words), sum(map(len, words.values()))) == (126_052, 135_166)
    tomatoes = [" ".join(phonemes) for phonemes in words["tomato"]]
    assert tomatoes == ["T AH0 M EY1 T OW2", "T AH0 M AA1 T OW2"]
    assert words["taoiseach"] == [["T", "IY1", "SH", "AH0", "K"]]  # before a comment
    assert words["'tis"] == [["T", "IH1", "Z"]]
    listed = (datasets.fetch("cmudict") / "cmudict.phones").read_text().splitlines()
    phones = {name: kind for name, kind in map(str.split, listed)}
    assert len(phones) == 39
    for phoneme in chain.from_iterable(chain.from_iterable(words.values())):
        assert (phones[phoneme[:2]] == "vowel") == (phoneme[-1] in "012"), phoneme


@data
def test_webster():
    webster = datasets.load_webster()
    assert len(webster) == 102_217
    assert webster["self-murder"] == "Suicide."
    assert "financial" not in webster["bank"][:50]
    assert 3.4e6 < sum(len(entry.split()) for entry in webster.values()) < 3.6e6


@data
def test_glove():
    words, vectors = datasets.load_glove()
    assert vectors.shape == (400_000, 50)
    assert vectors.dtype == np.float32
    assert len(set(words)) == len(words) == 400_000
    assert words[:4] == ["the", ",", ".", "of"]
    np.testing.assert_array_equal(
        vectors[0, :4], np.float32([0.418, 0.24968, -0.41242, 0.1217])
    )
    # Known quality: a word beside another's vector would lose it.
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    place = {word: i for i, word in enumerate(words)}
    for pairs, expected in (
        (datasets.load_wordsim353(), 0.503),
        (datasets.load_simlex999(), 0.265),
    ):
        rated = [
            (unit[place[a.lower()]] @ unit[place[b.lower()]], rating)
            for a, b, rating in pairs
            if a.lower() in place and b.lower() in place
        ]
        assert spearmanr(rated).statistic == pytest.approx(expected, abs=0.002)


def test_rated_pairs():
    wordsim, simlex = datasets.load_wordsim353(), datasets.load_simlex999()
    assert (len(wordsim), len(simlex)) == (353, 999)
    assert wordsim[1] == ("tiger", "cat", 7.35)
    assert simlex[0] == ("old", "new", 1.58)
    for a, b, rating in wordsim + simlex:
        assert a.strip() == a
        assert b.strip() == b
        assert 0 <= rating <= 10


def test_analogies_are_gensims():
    sections = datasets.load_analogies()
    assert len(sections) == 14
    assert sum(map(len, sections.values())) == 19_544
    words = {word for rows in sections.values() for row in rows for word in row}
    vectors = KeyedVectors(2)
    vectors.add_vectors(sorted(words), np.ones((len(words), 2), dtype=np.float32))
    _, theirs = vectors.evaluate_word_analogies(
        datapath("questions-words.txt"), case_insensitive=False
    )
    for section in theirs:
        if section["section"] in sections:
            found = section["correct"] + section["incorrect"]
            assert sorted(sections[section["section"]]) == sorted(found)
    assert sections["family"][0] == ("boy", "girl", "brother", "sister")


def test_lee_background():
    documents = datasets.load_lee_background()
    assert len(documents) == 300
    assert documents[0].startswith("Hundreds of people have been forced to vacate")


@data
def test_class_mix():
    words, ids, starts = datasets.load_class_mix()
    assert (len(words), ids.shape, starts.shape) == (226_194, (8_148_806,), (244_143,))
    assert (ids.dtype, starts.dtype) == (np.int32, np.int64)
    assert (starts[0], starts[-1]) == (0, len(ids))
    assert np.all(np.diff(starts) > 0)
    counts = np.bincount(ids, minlength=len(words))
    order = [(-n, word) for n, word in zip(counts.tolist(), words, strict=True)]
    assert all(first < second for first, second in pairwise(order))
    assert words[:3] == ["the", "of", "a"]
    assert words == [word.lower() for word in words]
    assert "<unk>" not in words


def toy_sources(root: Path) -> dict[str, Path]:
    """One or two documents of each source, in its own format."""
    sources = {name: root / name for name in ("wikitext-2", "brown", "webster")}
    sources["wordnet"] = root / "wordnet"
    for folder in sources.values():
        folder.mkdir(parents=True)
    with gzip.open(sources["wikitext-2"] / "train.raw.gz", "wt") as out:
        out.write(" \n = Title = \n He did n't see Teddy 's role @-@ play . \n")
    (sources["brown"] / "ca01").write_text("\n\tThe/at jury/nn ./.\n\n\tIt/pps sat/vbd")
    (sources["webster"] / "dictionary.json").write_text(
        json.dumps({"quick": 'Alive; -- Quick"ly, adv. "Not dead."', "--": "-"})
    )
    glosses = sources["wordnet"] / "corpora" / "wordnet"
    glosses.mkdir(parents=True)
    for part_of_speech in ("noun", "verb", "adv"):
        (glosses / f"data.{part_of_speech}").write_text("  1 A licence.\n")
    (glosses / "data.adj").write_text(
        "00001 00 s 02 aft(ip) 0 sea_green 1 001 & 02 a 0000 | to the rear  \n"
    )
    return sources


def test_class_mix_documents(tmp_path):
    sources = toy_sources(tmp_path / "sources")
    built = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        class_mix.build(folder, sources)
        built.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert built[0] == built[1]
    words = (folder / "words.txt").read_text().split("\n")
    ids, starts = np.load(folder / "ids.npy"), np.load(folder / "starts.npy")
    documents = {
        " ".join(words[i] for i in ids[start:end]) for start, end in pairwise(starts)
    }
    assert documents == {
        "title",
        "he didn't see teddy's role play",
        "the jury it sat",
        "quick alive quickly adv not dead",
        "aft sea green to the rear",
    }


def test_class_mix_recipe_changes_with_the_tokeniser(monkeypatch):
    before = class_mix.recipe()
    monkeypatch.setattr(class_mix, "tokenize", str.split)
    assert class_mix.recipe() != before
