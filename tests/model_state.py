"""The state of an engine's models, and whether two are the same."""

import torch


def state_of(engine):
    """All that a prompt and a picture depend on: weights, as bits, and what reads the words."""
    base = engine.pipelines.base
    parts = (base.unet, base.text_encoder, base.text_encoder_2)
    weights = [weight.detach().view(torch.int32).clone() for part in parts for weight in part.parameters()]
    # Of the rows for words, those that the tokenizers lead to.
    rows = {id(part.get_input_embeddings().weight) for part in parts[1:]}
    counts = iter([len(base.tokenizer), len(base.tokenizer_2)])
    originals = [weight for part in parts for weight in part.parameters()]
    return [
        weight[: next(counts)] if id(original) in rows else weight
        for weight, original in zip(weights, originals, strict=True)
    ], [base.tokenizer.get_vocab(), base.tokenizer_2.get_vocab()]


def is_same(state, other):
    same = all(torch.equal(*pair) for pair in zip(state[0], other[0], strict=True))
    return same and state[1] == other[1]
