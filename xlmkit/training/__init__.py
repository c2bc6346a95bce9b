"""Training: a checkpoint fine-tuned on sentence pairs or single texts, with what it cost."""

from xlmkit.training.config import TrainingConfig
from xlmkit.training.events import history
from xlmkit.training.finetuning import finetune, finetune_seeds
from xlmkit.training.result import Finetuned

__all__ = ["Finetuned", "TrainingConfig", "finetune", "finetune_seeds", "history"]
