"""A tiny XLM in memory for every test: 15 language embeddings, three labels, pieces in the scripts of all 15 languages."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import xlmkit

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # two processes of two threads wait for one another

# Tests that start kernels, clusters or browsers, the longest first.
INTEGRATION = ("test_distributed_ray", "test_notebooks", "browser")

SECOND = (
    "test_browser_voila.py",
    "test_browser_restart.py",
    "test_browser_hostile.py",
)  # unit of tests/browser

SPECIALS = ["<s>", "</s>", "<pad>", "<unk>", *(f"<special{number}>" for number in range(10))]
# Letters as they are after lower-casing and the removal of marks (Unicode Mn).
ALPHABET = (
    "abcdefghijklmnopqrstuvwxyzıđßæø"
    "αβγδεζηθικλμνξοπρσςτυφχψω"
    "абвгдежзиклмнопрстуфхцчшщъыьэюя"
    "ابتثجحخدذرزسشصضطظعغفقكلمنهويىةءٹپچڈڑژکگںھہیے"
    "अआइईउऊएऐओऔकखगघचछजझटठडढणतथदधनपफबभमयरलवशषसहािीोौ"
    "กขคงจชซญฎฐณดตถทธนบปผฝพฟภมยรลวศสหอฮะาเแโใไ"
    "的一是不我人们他在有这个大来上国说到时要就出会可你天下雨狗猫书红吃"
    "0123456789.,;:!?'\"()-।۔،؟。，？"
)
# Short common words; their pieces grow from the left, one merge a letter.
WORDS = """
the a is not in and man dog cat sleeps eats red book no one it rains today
der die das ist nicht ein und hund katze mann schlaft es regnet heute
le la est ne pas un et chien chat homme dort il pleut
el los es no un y perro gato hombre duerme llueve hoy
η το ειναι δεν ενας και ο σκυλος γατα κοιμαται βρεχει σημερα
не е и на куче котка човек спи вали днес
это не на и собака кошка человек спит идет дождь сегодня
bir ve degil kopek kedi adam uyuyor bugun yagmur
la khong mot va con cho meo nguoi dang ngu hom nay troi mua
si na ni mbwa paka mtu analala leo mvua inanyesha
هذا ليس في من كلب قطة رجل ينام تمطر اليوم
یہ نہیں ہے کتا بلی آدمی سو رہا آج بارش
एक नही ह और कता आदमी सो रहा आज
ไม เปน และ แมว หมา คน นอน วน ฝน ตก
不是 一个 他们 我们 今天 下雨 没有
"""

# The labels of `topics`, not in the order of the alphabet.
TOPICS = ("sports", "travel", "science/technology", "health")


def tables() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """A vocabulary and its merges in XLM's form: "x" inside a word, "x</w>" at its end; every intermediate has an id."""
    vocabulary = dict.fromkeys(SPECIALS)
    vocabulary |= dict.fromkeys(piece for letter in ALPHABET for piece in (letter, letter + "</w>"))
    merges: dict[tuple[str, str], None] = {}
    for word in WORDS.split():
        known = [letter if letter in ALPHABET else None for letter in word]
        if None in known or len(word) == 1:
            continue
        letters = [*word[:-1], word[-1] + "</w>"]
        for end in range(1, len(letters)):
            pair = ("".join(letters[:end]), letters[end])
            merges.setdefault(pair)
            vocabulary.setdefault("".join(pair))
    return {piece: number for number, piece in enumerate(vocabulary)}, list(merges)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference material beside the repository; tests that read it are skipped without it."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("../shared (reference texts and logits of the authors' code) is not here")
    return folder


def tiny_network(labels=("contradiction", "neutral", "entailment")):
    """An untrained XLM of two layers, with weights large enough that labels differ between pairs."""
    import torch
    from transformers import XLMConfig, XLMForSequenceClassification

    from xlmkit.languages import LANGUAGES

    vocabulary, _ = tables()
    config = XLMConfig(
        vocab_size=len(vocabulary),
        emb_dim=64,
        n_layers=2,
        n_heads=4,
        n_langs=len(LANGUAGES),
        use_lang_emb=True,
        max_position_embeddings=512,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
        lang2id={code: language.id for code, language in LANGUAGES.items()},
        id2lang={language.id: code for code, language in LANGUAGES.items()},
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(20)
        network = XLMForSequenceClassification(config)
        with torch.no_grad():
            for name, weight in network.named_parameters():
                if weight.dim() == 2:
                    weight.normal_(0.0, 0.6 if "embeddings" in name else 1.5 / weight.shape[1] ** 0.5)
            network.transformer.embeddings.weight[config.pad_token_id] = 0.0
    return network.eval().requires_grad_(False)


def write_pieces(folder: Path, vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> None:
    """vocab.json, merges.txt and tokenizer_config.json, as a published checkpoint has them."""
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("".join(f"{a} {b}\n" for a, b in merges), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lowercase_and_remove_accent": True}))


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> Path:
    """The tiny model as a folder in Hugging Face's form, with `xlmkit.json`."""
    folder = tmp_path_factory.mktemp("tiny") / "tiny-xlm"
    network = tiny_network()
    network.save_pretrained(folder)
    write_pieces(folder, *tables())
    (folder / "xlmkit.json").write_text(
        json.dumps({"format": 1, "pair_format": "xlm", "preprocessing": "1", "labels": list_labels(network)})
    )
    return folder


def list_labels(network) -> list[str]:
    """Names in the order of the logits."""
    return [network.config.id2label[number] for number in range(network.config.num_labels)]


@pytest.fixture(scope="session")
def nli():
    """The tiny model, built in memory: float32 on the CPU, taken as trained."""
    from xlmkit.model import NLIModel
    from xlmkit.tokenization import BPETokenizer

    network = tiny_network()
    return NLIModel.in_memory(network, BPETokenizer(*tables()), list_labels(network), source="tiny")


@pytest.fixture(scope="session")
def topics():
    """The tiny model with another head, for single texts and labels of its own."""
    import dataclasses

    from xlmkit.model import NLIModel
    from xlmkit.tokenization import BPETokenizer

    network = tiny_network(TOPICS)
    model = NLIModel.in_memory(network, BPETokenizer(*tables()), TOPICS, source="topics")
    return dataclasses.replace(model, sentences=1)


@dataclass(frozen=True)
class Authors:
    """A checkpoint, and what the authors' own code computes with it; see golden_logits/SOURCE.md."""

    nli: Any
    pairs: tuple[dict[str, Any], ...]  # input_ids, langs, logits, and the two sides that they are made of


@pytest.fixture(scope="session")
def authors(tmp_path_factory) -> Authors:
    """The authors' logits for 12 pairs; the network is loaded from its folder as a user would."""
    from xlmkit.model import load

    golden = Path(__file__).parent / "golden_logits"
    folder = tmp_path_factory.mktemp("authors")
    for name in ("config.json", "model.safetensors"):
        shutil.copy(golden / name, folder)
    size = json.loads((golden / "config.json").read_text())["vocab_size"]
    names = [*SPECIALS, *(chr(0x4E00 + number) + "</w>" for number in range(size - len(SPECIALS)))]
    write_pieces(folder, {piece: number for number, piece in enumerate(names)}, [])
    (folder / "xlmkit.json").write_text(json.dumps({"format": 1, "pair_format": "xlm"}))
    nli = load(folder, device="cpu", dtype="float32")
    return Authors(nli, tuple(json.loads((golden / "golden.json").read_text())))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest come first, so that among several processes a run ends with short ones; `make unit` leaves them out."""
    items.sort(key=lambda item: [not unit(item.nodeid).startswith(name) for name in INTEGRATION])
    for item in items:
        if unit(item.nodeid).startswith(INTEGRATION):
            item.add_marker("integration")


@pytest.hookimpl(
    optionalhook=True
)  # of pytest-xdist, whose own groups (`--dist loadgroup`) pytest 9.2 does not know
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Among several processes what shares a fixture stays together."""
    from xdist.scheduler import LoadScopeScheduling

    class Units(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit(nodeid)

    return Units(config, log)


def unit(nodeid: str) -> str:
    """What must run in one process: a file, a half of tests/browser, or what concerns one notebook."""
    path, _, test = nodeid.partition("::")
    folder, file = Path(path).parts[-2:]
    if file == "test_notebooks.py":
        return f"{file}{test[test.find('[') :]}" if "[" in test else file
    if folder == "browser":  # two units, each with a server and a kernel of its own
        return f"browser {1 + (file in SECOND)}"
    return file if folder == "tests" else folder


@pytest.fixture(scope="session")
def few(tmp_path_factory) -> Path:
    """The workshop's items in three languages, as a file."""
    file = tmp_path_factory.mktemp("pairs") / "few.tsv"
    xlmkit.read_pairs("workshop", languages=["en", "hi", "sw"]).to_csv(file, sep="\t", index=False)
    return file
