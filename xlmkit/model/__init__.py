"""Models: a folder or a Hub name becomes an `NLIModel`: network, tokenizer, labels by name,
language ids and provenance."""

from xlmkit.model.load import init_for_training, load
from xlmkit.model.nli_model import CLASSIFIERS, PAIR_FORMATS, NLIModel

__all__ = ["CLASSIFIERS", "PAIR_FORMATS", "NLIModel", "init_for_training", "load"]
