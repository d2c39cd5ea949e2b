"""WordNet 3.0 as nltk's reader wants it."""

import inspect
import tarfile
from pathlib import Path

_LEXICOGRAPHER_FILES = """
    adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact
    noun.attribute noun.body noun.cognition noun.communication noun.event
    noun.feeling noun.food noun.group noun.location noun.motive noun.object
    noun.person noun.phenomenon noun.plant noun.possession noun.process
    noun.quantity noun.relation noun.shape noun.state noun.substance noun.time
    verb.body verb.change verb.cognition verb.communication verb.competition
    verb.consumption verb.contact verb.creation verb.emotion verb.motion
    verb.perception verb.possession verb.social verb.stative verb.weather adj.ppl
"""
"""In the order of their numbers, 00 to 44: lexnames(5WN)."""

_PARTS_OF_SPEECH = {"noun": 1, "verb": 2, "adj": 3, "adv": 4}


def recipe() -> str:
    """Return what decides the built files' content."""
    return inspect.getsource(build) + _LEXICOGRAPHER_FILES


def build(folder: Path, sources: dict[str, Path]) -> None:
    """Turn the unpacked carrier into `corpora/wordnet`, nltk's layout.

    Two files that nltk reads are missing from the distribution and follow from it:
    `lexnames` numbers the lexicographers' files, and `cntlist.rev` lists how often each
    sense was tagged in text, from `index.sense`.
    """
    target = folder / "corpora" / "wordnet"
    target.mkdir(parents=True)
    archive = folder / "WNdb-3.0.tar.gz"
    with tarfile.open(archive) as tar:
        for member in tar:
            member.name = Path(member.name).name
            tar.extract(member, target, filter="data")
    archive.unlink()
    for path in [*folder.glob("*.exc"), folder / "LICENSE"]:
        path.replace(target / path.name)
    with (target / "lexnames").open("w", encoding="ascii", newline="\n") as out:
        for number, name in enumerate(_LEXICOGRAPHER_FILES.split()):
            part_of_speech = _PARTS_OF_SPEECH[name.split(".")[0]]
            out.write(f"{number:02d}\t{name}\t{part_of_speech}\n")
    with (
        (target / "index.sense").open(encoding="utf-8") as senses,
        (target / "cntlist.rev").open("w", encoding="utf-8", newline="\n") as out,
    ):
        for line in senses:
            key, _, sense_number, count = line.split()
            if int(count) > 0:
                out.write(f"{key} {sense_number} {count}\n")
