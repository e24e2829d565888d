"""Trains the small model that ships with @attention-js/llm and writes it as a Hugging Face folder.

    python3 training/train.py            # one GPU, about eight minutes
    python3 training/train.py --smoke    # every step at a tiny scale; the result is useless
"""

import argparse
import json
import math
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Tokenizer

from batches import WEIGHT_SCALE, Feed, Recipe, Shard, make_shard
from corpus import LONGEST_CONTEXT, TRAINED_LENGTH, build_document, build_questions
from decoder import Decoder, DecoderConfig
from evaluation import evaluate
from muon import Muon
from vocabulary import END_ID, tokenizer_config, train_tokenizer

DEVICE = "cuda"
MODEL_FOLDER = Path(__file__).resolve().parent.parent / "packages/llm/model"

# Short documents first, because recall by lookup is learned much sooner on them. Then the whole range of lengths.
SHORT, LONG = "short", "long"
SHORT_LENGTH = 256
SHORT_CONTEXT = 215
SHORT_SHARE = 0.35

BATCH_TOKENS = 32 * 1024
SHARD_TOKENS = 1024 * 1024
LEARNING_RATE = 3e-3
WARMUP_STEPS = 200
DECAY_START = 0.6  # as a share of the time; the rate is constant before, then decays to zero
WEIGHT_DECAY = 0.05

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # token ids, loss weights, documents


def shard_tasks(characters_per_token: float, short: int, long: int, shard_tokens: int) -> list[tuple[str, Recipe]]:
    def task(stage: str, number: int) -> tuple[str, Recipe]:
        length, context = (SHORT_LENGTH, SHORT_CONTEXT) if stage == SHORT else (TRAINED_LENGTH, LONGEST_CONTEXT)
        return stage, Recipe(f"{stage} {number}", shard_tokens // length, length, context, characters_per_token)

    short_tasks = [task(SHORT, number) for number in range(short)]
    long_tasks = [task(LONG, number) for number in range(long)]
    # In order of use, except one long shard, whose shape is needed early.
    return short_tasks[:8] + long_tasks[:1] + short_tasks[8:] + long_tasks[1:]


def to_device(shard: Shard) -> Batch:
    return tuple(torch.from_numpy(array).to(DEVICE) for array in (shard.tokens, shard.weights, shard.documents))


class Batches:
    """Endless batches of a stage: the rows of one shard after another, shuffled."""

    def __init__(self, feed: Feed, stage: str, batch_tokens: int) -> None:
        self.feed, self.stage, self.batch_tokens = feed, stage, batch_tokens

    def __iter__(self) -> Iterator[Batch]:
        while True:
            arrays = to_device(self.feed.next(self.stage))
            rows, length = arrays[0].shape
            size = min(rows, self.batch_tokens // length)
            order = torch.randperm(rows, device=DEVICE)
            for first in range(0, rows - size + 1, size):
                picked = order[first : first + size]
                tokens, weights, documents = (array[picked] for array in arrays)
                yield tokens.long(), weights.float() / WEIGHT_SCALE, documents


def autocast() -> torch.autocast:
    return torch.autocast(DEVICE, dtype=torch.bfloat16)


def loss_parts(model: Decoder, tokens, weights, documents) -> tuple[torch.Tensor, torch.Tensor]:
    """The weighted mean loss, and the mean loss of only the answers."""
    logits = model(tokens, documents)[:, :-1].float()
    losses = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
    target_weights = weights[:, 1:].flatten()
    loss = (losses * target_weights).sum() / target_weights.sum()
    answers = (target_weights > 0.99).float()
    return loss, (losses.detach() * answers).sum() / answers.sum().clamp(min=1)


@torch.no_grad()
def held_out_accuracy(model: Decoder, shard: Shard) -> str:
    """Reports the share of held-out answers whose every token the model predicts, given the correct tokens before it."""
    tokens, _, documents = to_device(shard)
    right = []
    for first in range(0, len(tokens), 32):
        rows = slice(first, first + 32)
        with autocast():
            logits = model(tokens[rows].long(), documents[rows])
        right.append(logits[:, :-1].argmax(-1) == tokens[rows, 1:])
    correct = torch.cat(right).cpu().numpy()
    groups: dict[str, list[bool]] = defaultdict(list)
    for answer in shard.answers:
        exact = bool(correct[answer.row, answer.start - 1 : answer.end - 1].all())
        groups["all"].append(exact)
        groups[answer.kind].append(exact)
        if answer.prompt > 600:
            groups[">600 tokens"].append(exact)
    shares = {name: sum(results) / len(results) for name, results in groups.items()}
    parts = [f"{name} {shares.pop(name):.3f}" for name in ("all", ">600 tokens") if name in shares]
    worst = sorted(shares, key=shares.get)[:4]
    return ", ".join(parts + [f"{name} {shares[name]:.2f}" for name in worst])


def optimizers_for(model: Decoder, rate: torch.Tensor) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for the rest; both read the learning rate from `rate` at each step."""
    matrices = [p for name, p in model.named_parameters() if p.dim() == 2 and "embed_tokens" not in name]
    others = [p for name, p in model.named_parameters() if p.dim() != 2 or "embed_tokens" in name]
    return [
        Muon(matrices, lr=rate, weight_decay=WEIGHT_DECAY),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True, capturable=True),
    ]


class TrainingStep:
    """One step on a batch of fixed shape, recorded as a CUDA graph.

    The model is so small that launching its kernels one by one takes several times as long as running them.
    """

    def __init__(self, model: Decoder, optimizers: list[torch.optim.Optimizer], batches: Iterator[Batch]) -> None:
        self.model, self.optimizers, self.batches = model, optimizers, batches
        self.loss_parts = torch.compile(loss_parts, dynamic=False)
        self.batch = tuple(tensor.clone() for tensor in next(batches))
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self._load()
                self._compute()
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.losses = self._compute()

    def _load(self) -> None:
        for static, new in zip(self.batch, next(self.batches)):
            static.copy_(new)

    def _compute(self) -> torch.Tensor:
        self.model.zero_grad(set_to_none=True)
        with autocast():
            loss, answer_loss = self.loss_parts(self.model, *self.batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        return torch.stack((loss.detach(), answer_loss))

    def __call__(self) -> torch.Tensor:
        """The step's loss, and the loss of only the answers."""
        self._load()
        self.graph.replay()
        return self.losses.clone()


def train(model: Decoder, feed: Feed, held_out: Shard, seconds: float, batch_tokens: int, report: float) -> int:
    """Trains for a time and returns the number of tokens seen."""
    rate = torch.tensor(LEARNING_RATE / WARMUP_STEPS, device=DEVICE)
    optimizers = optimizers_for(model, rate)
    begin = time.monotonic()
    steps = {stage: TrainingStep(model, optimizers, iter(Batches(feed, stage, batch_tokens))) for stage in (SHORT, LONG)}
    print(f"recorded the steps in {time.monotonic() - begin:.0f} s", flush=True)
    begin = last_report = time.monotonic()
    step = seen = reported = 0
    running: list[torch.Tensor] = []
    while (progress := (time.monotonic() - begin) / seconds) < 1:
        rate.fill_(LEARNING_RATE * min(1.0, (step + 1) / WARMUP_STEPS, (1 - progress) / (1 - DECAY_START)))
        stage = SHORT if progress < SHORT_SHARE else LONG
        running.append(steps[stage]())
        step += 1
        seen += batch_tokens
        if step % 10 == 0:
            running[-1][0].item()  # synchronizes, so that launches do not run ahead of the clock
            if time.monotonic() - last_report > report or step == 10:
                mean, mean_answer = torch.stack(running).mean(0).tolist()
                if not math.isfinite(mean):
                    raise RuntimeError(f"the loss is {mean} at step {step}")
                speed = (seen - reported) / (time.monotonic() - last_report)
                print(
                    f"{time.monotonic() - begin:5.0f} s  step {step}  {stage}  loss {mean:.4f}  answers {mean_answer:.4f}  "
                    f"rate {rate.item():.1e}  {speed / 1e6:.2f} M tokens/s  shards {feed.describe()}  "
                    f"held-out: {held_out_accuracy(model, held_out)}",
                    flush=True,
                )
                running.clear()
                last_report, reported = time.monotonic(), seen
    print(f"trained for {time.monotonic() - begin:.0f} s, {step} steps, {seen / 1e6:.0f} M tokens", flush=True)
    print(f"held-out at the end: {held_out_accuracy(model, held_out)}", flush=True)
    return seen


def write_json(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")


def write_folder(folder: Path, model: Decoder, tokenizer: Tokenizer) -> None:
    weights = {name: value.detach().to("cpu", torch.bfloat16).contiguous() for name, value in model.state_dict().items()}
    save_file(weights, str(folder / "model.safetensors"), metadata={"format": "pt"})
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "config.json", model.config.hugging_face())
    write_json(folder / "tokenizer_config.json", tokenizer_config())
    write_json(
        folder / "generation_config.json",
        {"bos_token_id": END_ID, "eos_token_id": END_ID, "pad_token_id": END_ID, "do_sample": False},
    )


def model_card(model: Decoder, seen: int, figures: dict[str, str]) -> str:
    config = model.config
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return f"""---
license: mit
language: en
---

# A very small decoder for demos and tests

A Llama decoder with {parameters / 1e6:.2f} million parameters ({config.num_hidden_layers} layers, hidden size \
{config.hidden_size}, {config.num_attention_heads} query heads and {config.num_key_value_heads} KV heads of size \
{config.head_dim}, {config.vocab_size} tokens), stored in bfloat16. It reads up to {config.max_position_embeddings} tokens \
and can

- recall what a text told it: where a thing is now, what colour it has, who owns it, who moved it or gave it to whom, what
  people do, like and keep, and how many of something they have;
- say "I do not know." when the text does not tell;
- do small sums ("What is 2 + 5?");
- tell a short story ("Tell me a short story about a fox.").

Put the text first and the question last, in one user message.

## How it was made

Trained from scratch on {seen / 1e6:.0f} million tokens that a grammar generates, on one {torch.cuda.get_device_name()} in minutes. No text written by
people was used. The generator and the training script are in `training` of the attention.js repository.

`questions.json` has 50 questions about ten texts that are not in the training corpus. Greedy answers in float32, as
transformers computes them: {figures["shipped"]} right, and {figures["held_out"]} of further random ones.

## Limits

It knows the words and sentence forms of its grammar and nothing else: no facts about the world, no other languages, no free
conversation. "How many" questions about long texts are its weakest kind. Text outside the grammar, or longer than
{config.max_position_embeddings} tokens, gives nonsense. It exists to show and test inference.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=6, help="how long to train (default 6)")
    parser.add_argument("--out", type=Path, help="where the model goes (default: packages/llm/model; --smoke: a temporary folder)")
    parser.add_argument("--smoke", action="store_true", help="a tiny run of everything")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 4) - 2), help="processes that write the corpus")
    arguments = parser.parse_args()
    start = time.monotonic()
    smoke = arguments.smoke
    minutes = 0.1 if smoke else arguments.minutes
    folder = arguments.out or (Path(tempfile.mkdtemp()) if smoke else MODEL_FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)

    rng = Random("tokenizer")
    documents = [build_document(rng, 4.0) for _ in range(300 if smoke else 4000)]
    tokenizer = train_tokenizer(documents)
    texts = [segment.text for document in documents for segment in document]
    characters_per_token = sum(map(len, texts)) / sum(len(tokenizer.encode(text).ids) for text in texts)
    print(f"tokenizer: {tokenizer.get_vocab_size()} tokens, {characters_per_token:.2f} characters each", flush=True)

    def count_tokens(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    write_json(folder / "questions.json", build_questions(count_tokens, characters_per_token))
    sizes = (2, 2, SHARD_TOKENS // 16) if smoke else (300, 400, SHARD_TOKENS)
    feed = Feed(tokenizer, shard_tasks(characters_per_token, *sizes), 4 if smoke else arguments.workers)
    recipe = Recipe("held-out", 16 if smoke else 96, TRAINED_LENGTH, LONGEST_CONTEXT, characters_per_token)
    held_out = make_shard(tokenizer, recipe)
    print(f"ready to train after {time.monotonic() - start:.0f} s", flush=True)

    model = Decoder(DecoderConfig(tokenizer.get_vocab_size())).to(DEVICE)
    batch_tokens = BATCH_TOKENS // 4 if smoke else BATCH_TOKENS
    seen = train(model, feed, held_out, 60 * minutes, batch_tokens, report=2 if smoke else 20)
    feed.close()

    write_folder(folder, model, tokenizer)
    size = (folder / "model.safetensors").stat().st_size
    print(f"wrote {folder}: {sum(p.numel() for p in model.parameters()):,} parameters, {size:,} bytes", flush=True)
    figures = evaluate(folder, model, characters_per_token, DEVICE, smoke)
    (folder / "README.md").write_text(model_card(model, seen, figures))
    print(f"done after {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
