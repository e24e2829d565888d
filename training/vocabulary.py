"""The tokenizer: a small byte-level BPE, and the chat template that matches the training documents."""

import re
from collections import Counter
from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

import words
from corpus import TRAINED_LENGTH, Document

VOCABULARY_SIZE = 1280
END, USER, ASSISTANT = "<|endoftext|>", "<|user|>", "<|assistant|>"
END_ID, USER_ID, ASSISTANT_ID = 0, 1, 2

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'user' -%}"
    "{{- '<|user|>' + message['content'] -}}"
    "{%- elif message['role'] == 'assistant' -%}"
    "{{- '<|assistant|>' + message['content'] + '<|endoftext|>' -}}"
    "{%- else -%}"
    "{{- raise_exception('This model knows the roles user and assistant, not ' + message['role'] + '.') -}}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)

# Splits plain ASCII, which the corpus is, in the same way as byte-level BPE's own pattern.
WORD = re.compile(r"'s| ?[A-Za-z]+|[0-9]| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")
COMMON_LIMIT = 700
NAMED_COUNT = 2500


def word_counts(documents: Iterable[Document]) -> Counter[str]:
    """The count of each word of the corpus, for training the tokenizer.

    True counts would spend the vocabulary on the ends of common phrases. So the counts of common words are capped, and
    words that can be answers get a higher count, so that each becomes one token.
    """
    counts: Counter[str] = Counter()
    for document in documents:
        for segment in document:
            counts.update(WORD.findall(segment.text))
    counts = Counter({word: min(count, COMMON_LIMIT) for word, count in counts.items()})
    starters = words.PEOPLE + words.PET_NAMES
    nouns = [
        *words.OBJECTS, *words.COLOURS, *words.PETS, *words.JOBS, *words.FOODS, *words.COUNTABLES, *words.ANIMALS,
        *words.TRAITS, *(place.split()[-1] for place in words.PLACES),
    ]  # fmt: skip
    for word in starters + [f" {word}" for word in starters + nouns]:
        counts[word] += NAMED_COUNT
    return counts


def train_tokenizer(documents: Iterable[Document]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=[END, USER, ASSISTANT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    counts = word_counts(documents)
    repeated = ([word] * count for word, count in sorted(counts.items()))
    tokenizer.train_from_iterator(repeated, trainer)
    assert [tokenizer.token_to_id(token) for token in (END, USER, ASSISTANT)] == [END_ID, USER_ID, ASSISTANT_ID]
    return tokenizer


def tokenizer_config() -> dict:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END,
        "eos_token": END,
        "pad_token": END,
        "model_max_length": TRAINED_LENGTH,
        "clean_up_tokenization_spaces": False,
        "added_tokens_decoder": {
            str(number): {
                "content": token,
                "lstrip": False,
                "normalized": False,
                "rstrip": False,
                "single_word": False,
                "special": True,
            }
            for number, token in enumerate([END, USER, ASSISTANT])
        },
        "chat_template": CHAT_TEMPLATE,
    }
