"""ColNanoVDR's last module, under the name that its packages' `modules.json` has for it, in our own words.

A linear head reads the hidden states that the projection left alone; its softmax over the tokens that count gives each of them its factor. Tokens
that the config lists as special do not count, wherever they stand, and leave the attention mask, by which the rows are taken.
"""

import torch
from sentence_transformers.base.modules import Module


class ColNanoVDRWeighting(Module):
    config_keys = ["hidden_dim", "hidden_name", "mv_name", "learn_weights", "special_token_ids"]
    config_file_name = "config.json"

    def __init__(self, hidden_dim, hidden_name="token_embeddings", mv_name="mv_embeddings", learn_weights=True, special_token_ids=()):
        super().__init__()
        self.hidden_dim, self.hidden_name, self.mv_name = hidden_dim, hidden_name, mv_name
        self.learn_weights, self.special_token_ids = learn_weights, list(special_token_ids)
        self.weight_head = torch.nn.Linear(hidden_dim, 1)

    def counted(self, features: dict) -> torch.Tensor:
        special = torch.isin(features["input_ids"], torch.tensor(self.special_token_ids))
        return features["attention_mask"].bool() & ~special

    def factors(self, features: dict) -> torch.Tensor:
        logits = self.weight_head(features[self.hidden_name]).squeeze(-1)
        return torch.where(self.counted(features), logits, torch.finfo(logits.dtype).min).softmax(dim=1)

    def forward(self, features: dict, **_options) -> dict:
        counted, factors = self.counted(features), self.factors(features)
        features["token_embeddings"] = features[self.mv_name] * (factors * counted).unsqueeze(-1)
        features["attention_mask"] = counted.to(features["attention_mask"].dtype)
        return features

    def save(self, output_path: str, *_args, safe_serialization: bool = True, **_options) -> None:
        self.save_config(output_path)
        self.save_torch_weights(output_path, safe_serialization=safe_serialization)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **_options):
        module = cls(**cls.load_config(model_name_or_path=model_name_or_path, subfolder=subfolder))
        return cls.load_torch_weights(model_name_or_path=model_name_or_path, subfolder=subfolder, model=module)
