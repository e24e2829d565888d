"""Packs documents into rows of token ids, in worker processes while the model trains."""

import multiprocessing
import threading
import time
from dataclasses import dataclass
from random import Random

import numpy as np
from tokenizers import Tokenizer

from corpus import Document, build_document
from vocabulary import ASSISTANT_ID, END_ID, USER_ID

WEIGHT_SCALE = 100
OPEN_ROWS = 16


@dataclass(frozen=True)
class Answer:
    """An answer: tokens [start, end) of a row, including the end marker, after `prompt` tokens of the same document."""

    row: int
    start: int
    end: int
    prompt: int
    kind: str


@dataclass(frozen=True)
class Shard:
    tokens: np.ndarray  # [rows, length] int16
    weights: np.ndarray  # [rows, length] uint8: loss weight of each token as a target, times WEIGHT_SCALE
    documents: np.ndarray  # [rows, length] uint8: the document of the row that each token belongs to, 0 for padding
    answers: list[Answer]


@dataclass(frozen=True)
class Recipe:
    """Everything a worker needs to make one shard; equal recipes make equal shards."""

    seed: str
    rows: int
    length: int
    longest_context: int
    characters_per_token: float


@dataclass
class Encoded:
    ids: list[int]
    weights: list[int]
    spans: list[tuple[int, int, str]]


def encode_document(tokenizer: Tokenizer, document: Document, length: int) -> Encoded | None:
    """Tokenizes a document as the chat template renders it. Turns that do not fit are dropped; None if the first does not."""
    encoded = Encoded([], [], [])
    turn_ids: list[int] = []
    turn_weights: list[int] = []
    turn_span: tuple[int, int, str] | None = None
    for segment in document:
        ids = tokenizer.encode(segment.text, add_special_tokens=False).ids
        weight = round(segment.weight * WEIGHT_SCALE)
        if segment.role == "user":
            turn_ids += [USER_ID, *ids]
            turn_weights += [0] + [weight] * len(ids)
            continue
        if segment.role == "assistant":
            turn_ids += [ASSISTANT_ID]
            turn_weights += [0]
        start = len(encoded.ids) + len(turn_ids)
        turn_ids += [*ids, END_ID]
        turn_weights += [weight] * (len(ids) + 1)
        turn_span = (start, start + len(ids) + 1, segment.kind)
        if len(encoded.ids) + len(turn_ids) > length:
            break
        encoded.ids += turn_ids
        encoded.weights += turn_weights
        if segment.kind:
            encoded.spans.append(turn_span)
        turn_ids, turn_weights = [], []
    if not encoded.ids:
        return None
    encoded.weights[0] = 0
    return encoded


def make_shard(tokenizer: Tokenizer, recipe: Recipe) -> Shard:
    rng = Random(recipe.seed)
    shape = (recipe.rows, recipe.length)
    tokens = np.full(shape, END_ID, np.int16)
    weights = np.zeros(shape, np.uint8)
    documents = np.zeros(shape, np.uint8)
    answers: list[Answer] = []
    # Rows being filled: [row, tokens used, number of documents].
    open_rows = [[row, 0, 0] for row in range(min(OPEN_ROWS, recipe.rows))]
    next_row = len(open_rows)
    while open_rows:
        document = build_document(rng, recipe.characters_per_token, recipe.longest_context)
        encoded = encode_document(tokenizer, document, recipe.length)
        if encoded is None:
            continue
        size = len(encoded.ids)
        place = next((place for place in open_rows if place[1] + size <= recipe.length), None)
        if place is None:
            # The document fits nowhere: close the fullest row and open a new one.
            open_rows.remove(max(open_rows, key=lambda place: place[1]))
            if next_row == recipe.rows:
                continue
            place = [next_row, 0, 0]
            open_rows.append(place)
            next_row += 1
        row, used, count = place
        tokens[row, used : used + size] = encoded.ids
        weights[row, used : used + size] = encoded.weights
        documents[row, used : used + size] = count + 1
        answers += [Answer(row, used + start, used + end, start, kind) for start, end, kind in encoded.spans]
        place[1] += size
        place[2] += 1
        assert place[2] < 255
    return Shard(tokens, weights, documents, answers)


_worker_tokenizer: Tokenizer | None = None


def _start_worker(serialized: str) -> None:
    global _worker_tokenizer
    _worker_tokenizer = Tokenizer.from_str(serialized)


def _work(task: tuple[str, Recipe]) -> tuple[str, Shard]:
    stage, recipe = task
    shard = make_shard(_worker_tokenizer, recipe)
    return stage, Shard(shard.tokens, shard.weights, shard.documents, [])


class Feed:
    """Shards by stage, new ones first. Once a stage's shards are all used, they come again in random order."""

    def __init__(self, tokenizer: Tokenizer, tasks: list[tuple[str, Recipe]], workers: int) -> None:
        self.shards: dict[str, list[Shard]] = {stage: [] for stage, _ in tasks}
        self.used = dict.fromkeys(self.shards, 0)
        self.rng = Random("feed")
        self.error: BaseException | None = None
        self.closed = False
        # Forked before CUDA starts, so that the workers share the imported modules.
        self.pool = multiprocessing.get_context("fork").Pool(workers, _start_worker, (tokenizer.to_str(),))
        self.thread = threading.Thread(target=self._collect, args=(tasks,), daemon=True)
        self.thread.start()

    def _collect(self, tasks: list[tuple[str, Recipe]]) -> None:
        try:
            for stage, shard in self.pool.imap_unordered(_work, tasks):
                self.shards[stage].append(shard)
        except BaseException as error:
            if not self.closed:
                self.error = error

    def next(self, stage: str) -> Shard:
        shards = self.shards[stage]
        while not shards:
            if self.error:
                raise RuntimeError("a corpus worker failed") from self.error
            time.sleep(0.02)
        if self.used[stage] < len(shards):
            self.used[stage] += 1
            return shards[self.used[stage] - 1]
        return self.rng.choice(shards)

    def describe(self) -> str:
        return " ".join(f"{stage} {self.used[stage]}/{len(shards)}" for stage, shards in self.shards.items())

    def close(self) -> None:
        self.closed = True
        self.pool.terminate()
        self.pool.join()
