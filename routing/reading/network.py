"""The network while it learns: MiniLM with a LoRA adapter by peft, and a small head.

The head gives each token a score as the start and as the end of the answer, `[CLS]` standing for no answer
(Devlin et al. 2018, section 4.3), and from the pooled row one more score for "nothing here answers this".
"""

from pathlib import Path

import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn
from transformers import BertConfig, BertModel, logging

LAYERS = ("query", "key", "value", "dense")
"""The linear layers that get an adapter: attention in and out, feed-forward in and out."""


class Head(nn.Module):
    """Scores of spans and of no answer.

    Args:
        width: of the encoder's hidden states.
        inner: width of the no-answer score's one hidden layer.
    """

    def __init__(self, width: int, inner: int = 192) -> None:
        super().__init__()
        self.span = nn.Linear(width, 2)
        self.inner = nn.Linear(3 * width, inner)
        self.outer = nn.Linear(inner, 1)

    def forward(self, states: Tensor, question: Tensor, passage: Tensor) -> tuple[Tensor, Tensor]:
        """States of shape (rows, tokens, width) and masks of shape (rows, tokens); returns span logits of
        shape (rows, tokens, 2) and no-answer logits of shape (rows,)."""
        asked = (states * question[..., None]).sum(1) / question.sum(1, keepdim=True).clamp(min=1)
        read = states.masked_fill(~passage[..., None], -1e4).amax(1)
        pooled = torch.cat([states[:, 0], asked, read], dim=-1)
        return self.span(states), self.outer(nn.functional.gelu(self.inner(pooled)))[:, 0]


class ReadingNetwork(nn.Module):
    """The frozen base with a LoRA adapter on every linear layer, and the head. Nothing is dropped out."""

    def __init__(self, base: Path, *, rank: int, alpha: int) -> None:
        super().__init__()
        logging.set_verbosity_error()  # it reports that the pooler of the base is not used
        logging.disable_progress_bar()
        config = BertConfig.from_json_file(str(base / "config.json"))
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
        self.bert = BertModel.from_pretrained(
            str(base),
            config=config,
            add_pooling_layer=False,
            local_files_only=True,
            attn_implementation="sdpa",
        )
        self.bert.requires_grad_(False)
        lora = LoraConfig(
            r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=list(LAYERS), bias="none"
        )
        inject_adapter_in_model(lora, self.bert)
        self.head = Head(config.hidden_size)

    def forward(
        self, ids: Tensor, types: Tensor, real: Tensor, question: Tensor, passage: Tensor
    ) -> tuple[Tensor, Tensor]:
        states = self.bert(input_ids=ids, token_type_ids=types, attention_mask=real.long()).last_hidden_state
        found: tuple[Tensor, Tensor] = self.head(states, question, passage)
        return found

    def learned(self) -> dict[str, nn.Parameter]:
        """The parameters that training changes, by name."""
        return {name: value for name, value in self.named_parameters() if value.requires_grad}
