"""Checks the written folder as users will load it: in transformers, float32, with its own tokenizer and chat template."""

import json
from collections import defaultdict
from pathlib import Path
from random import Random

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from batches import encode_document
from contexts import build_context
from corpus import LONGEST_CONTEXT, TRAINED_LENGTH, Segment, sum_question
from decoder import Decoder
from stories import build_story

ANSWER_TOKENS = 32
STORY_TOKENS = 300


class Reader:
    def __init__(self, folder: Path, device: str) -> None:
        self.device = device
        self.tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        self.tokenizer.padding_side = "left"
        self.model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).to(device).eval()

    def render(self, message: str) -> str:
        messages = [{"role": "user", "content": message}]
        return self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)

    def length(self, message: str) -> int:
        return len(self.tokenizer(self.render(message), add_special_tokens=False)["input_ids"])

    @torch.inference_mode()
    def reply(self, messages: list[str], max_tokens: int = ANSWER_TOKENS) -> list[str]:
        """Greedy answers to single user messages, all in one batch."""
        prompts = self.tokenizer(
            [self.render(message) for message in messages], add_special_tokens=False, padding=True, return_tensors="pt"
        ).to(self.device)
        output = self.model.generate(
            input_ids=prompts["input_ids"],
            attention_mask=prompts["attention_mask"],
            max_new_tokens=max_tokens,
            do_sample=False,
        )
        new = output[:, prompts["input_ids"].shape[1] :]
        return [self.tokenizer.decode(ids.tolist(), skip_special_tokens=True).strip() for ids in new]


@torch.no_grad()
def check_export(reader: Reader, trained: Decoder) -> float:
    """Checks that the written folder tokenizes as training did and computes the same logits as the trained model."""
    context = build_context(Random("export"), 2000)
    message = f"{context.text}\n\n{context.questions[0].text}"
    document = [Segment("user", message, 0.0), Segment("assistant", context.questions[0].answer, 1.0, "x")]
    encoded = encode_document(reader.tokenizer.backend_tokenizer, document, TRAINED_LENGTH)
    chat = [{"role": segment.role, "content": segment.text} for segment in document]
    rendered = reader.tokenizer.apply_chat_template(chat, tokenize=False)
    ids = reader.tokenizer(rendered, add_special_tokens=False)["input_ids"]
    assert ids == encoded.ids, "the chat template does not render what was trained on"
    tokens = torch.tensor([ids], device=reader.device)
    weights = {name: parameter.detach().clone() for name, parameter in trained.state_dict().items()}
    trained.load_state_dict({name: weight.bfloat16().float() for name, weight in weights.items()})
    expected = trained(tokens, torch.ones_like(tokens)).float()
    trained.load_state_dict(weights)
    actual = reader.model(input_ids=tokens).logits.float()
    difference = (actual - expected).abs().max().item()
    assert difference < 0.1, f"the written model's logits differ by {difference}"
    return difference


def answer_shipped(reader: Reader, questions: dict, contexts: int | None) -> tuple[int, int]:
    right = total = 0
    for context in questions["contexts"][:contexts]:
        for question in context["questions"]:
            answer = reader.reply([f"{context['text']}\n\n{question['question']}"])[0]
            total += 1
            right += question["answer"] in answer
            if question["answer"] not in answer:
                print(f"  wrong ({context['tokens']} tokens): {question['question']} -> {answer!r}, not {question['answer']!r}")
    return right, total


def answer_random(reader: Reader, count: int, characters_per_token: float) -> dict[str, list[bool]]:
    """Accuracy on random questions about held-out contexts and on sums, by kind and by prompt length."""
    rng = Random("held-out")
    cases = []
    while len(cases) < count:
        if rng.random() < 0.1:
            question = sum_question(rng)
            message = question.text
        else:
            context = build_context(rng, int(rng.uniform(15, LONGEST_CONTEXT) * characters_per_token))
            if not context.questions:
                continue
            question = rng.choice(context.questions)
            message = f"{context.text}\n\n{question.text}"
        length = reader.length(message)
        if length <= TRAINED_LENGTH - ANSWER_TOKENS:
            cases.append((length, message, question))
    cases.sort(key=lambda case: case[0])
    outcome: dict[str, list[bool]] = defaultdict(list)
    wrong = 0
    for first in range(0, len(cases), 50):
        group = cases[first : first + 50]
        for (length, _, question), answer in zip(group, reader.reply([message for _, message, _ in group])):
            right = question.key in answer
            outcome["all"].append(right)
            outcome[f"kind {question.kind}"].append(right)
            if question.kind != "arithmetic":
                top = next(top for top in (128, 256, 512, 768, TRAINED_LENGTH) if length <= top)
                outcome[f"prompt of up to {top:4} tokens"].append(right)
            if not right and wrong < 15:
                wrong += 1
                print(f"  wrong ({length} tokens): {question.text} -> {answer!r}, not {question.answer!r}")
    return outcome


def print_stories(reader: Reader) -> None:
    rng = Random("sample stories")
    requests = ["Tell me a short story about a fox.", "Tell me a short story about an owl and a lamp."]
    requests += [build_story(rng).request for _ in range(2)]
    for request in [*requests, "Hello!", "Who are you?", "What is 2 + 5?"]:
        print(f"> {request}\n{reader.reply([request], STORY_TOKENS)[0]}")


def evaluate(folder: Path, trained: Decoder, characters_per_token: float, device: str, smoke: bool) -> dict[str, str]:
    """Evaluates the written model, prints the results, and returns the figures for its model card."""
    reader = Reader(folder, device)
    print(f"export: logits differ by at most {check_export(reader, trained):.2g}")
    questions = json.loads((folder / "questions.json").read_text())
    right, total = answer_shipped(reader, questions, 2 if smoke else None)
    print(f"questions.json: {right}/{total}")
    outcome = answer_random(reader, 40 if smoke else 500, characters_per_token)
    for name, results in sorted(outcome.items()):
        print(f"  {name}: {sum(results)}/{len(results)} ({100 * sum(results) / len(results):.1f} %)")
    print_stories(reader)
    held_out = outcome["all"]
    return {"shipped": f"{right} of {total}", "held_out": f"{sum(held_out)} of {len(held_out)}"}
