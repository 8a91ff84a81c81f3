"""LoRA adapters on the company's own chat model: made from its answers, judged, published, chosen."""
