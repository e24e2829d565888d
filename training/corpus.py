"""The corpus: chats with facts to recall, short stories, sums and small talk, all from a grammar and a seed.

    python3 corpus.py --seed 1 --count 5      # print some documents

Only the standard library is needed. Equal seeds give equal documents on every machine.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from contexts import Context, Question, build_context
from stories import build_story

TRAINED_LENGTH = 1024
# The longest context leaves room for the question, the answer and the markers between them.
LONGEST_CONTEXT = 975
SHORTEST_CONTEXT = 15

Role = str  # "user", "assistant", or "text" for plain text outside a chat

# Weights of tokens in the loss. A user's words are mostly random; answers are not.
WEIGHT_TEXT = 0.1
WEIGHT_STORY = 0.4
WEIGHT_ANSWER = 1.0


@dataclass(frozen=True)
class Segment:
    role: Role
    text: str
    weight: float
    kind: str = ""


Document = list[Segment]


def turn(question: Question) -> Document:
    return [
        Segment("user", question.text, WEIGHT_TEXT),
        Segment("assistant", question.answer, WEIGHT_ANSWER, question.kind),
    ]


def sum_question(rng: Random) -> Question:
    if rng.random() < 0.65:
        first, second, sign = rng.randint(0, 20), rng.randint(0, 20), "+"
        result = first + second
    else:
        first, sign = rng.randint(0, 20), "-"
        second = rng.randint(0, first)
        result = first - second
    text = f"{first} {sign} {second}"
    asked = rng.choice([f"What is {text}?", f"How much is {text}?", f"What is {text}?", f"{text} = ?", f"What does {text} make?"])
    return Question("arithmetic", asked, f"{text} = {result}.", f"= {result}.")


SMALL_TALK = [
    (["Hello!", "Hi!", "Hello", "Good morning!"], "Hello! Tell me something and ask me about it, or ask me for a short story."),
    (
        ["Who are you?", "What are you?", "What can you do?"],
        "I am a very small language model. I can tell short stories, do small sums and remember what you tell me.",
    ),
    (["Thank you!", "Thanks!"], "You are welcome."),
    (["How are you?", "How are you today?"], "I am fine, thank you. What would you like to know?"),
    (["Goodbye!", "Bye!"], "Goodbye! Come back soon."),
]


def small_talk(rng: Random) -> Question:
    texts, answer = rng.choice(SMALL_TALK)
    return Question("talk", rng.choice(texts), answer, answer)


def recall_chat(rng: Random, context: Context) -> Document:
    """One context, then several questions about it, each with its answer."""
    turns = context.questions[: rng.randint(4, 20)]
    if rng.random() < 0.1:
        turns.insert(rng.randrange(len(turns) + 1), sum_question(rng))
    document: Document = []
    for question in turns:
        document += turn(question)
    join = rng.choice(["\n\n", "\n\n", "\n", " "])
    document[0] = Segment("user", context.text + join + document[0].text, WEIGHT_TEXT)
    return document


def story_chat(rng: Random) -> Document:
    story = build_story(rng)
    cut = story.text.find(". ", rng.randint(40, 300)) + 1
    form = rng.random()
    if form < 0.2:
        return [Segment("text", story.text, WEIGHT_STORY)]
    if form < 0.4 and cut > 0:
        request = rng.choice(["Continue this story:", "How does this story go on?", "Finish this story:"])
        document = [
            Segment("user", f"{request} {story.text[:cut]}", WEIGHT_TEXT),
            Segment("assistant", story.text[cut + 1 :], WEIGHT_STORY),
        ]
    else:
        document = [Segment("user", story.request, WEIGHT_TEXT), Segment("assistant", story.text, WEIGHT_STORY)]
    for question in story.questions:
        document += turn(question)
    return document


def short_chat(rng: Random) -> Document:
    document: Document = []
    for _ in range(rng.randint(1, 6)):
        document += turn(sum_question(rng) if rng.random() < 0.85 else small_talk(rng))
    return document


def build_document(rng: Random, characters_per_token: float, longest: int = LONGEST_CONTEXT) -> Document:
    """A random document whose context has at most about `longest` tokens."""
    kind = rng.random()
    if kind < 0.06:
        return short_chat(rng)
    if kind < 0.16:
        return story_chat(rng)
    # Log-uniform, so that short contexts stay common: what a question refers to is learned where alternatives are few.
    tokens = SHORTEST_CONTEXT * (longest / SHORTEST_CONTEXT) ** rng.random()
    density, single_kind = (1.0, True) if rng.random() < 0.3 else (None, False)
    while True:
        context = build_context(rng, int(tokens * characters_per_token), density, single_kind)
        if context.questions:
            return recall_chat(rng, context)


# Prompt lengths of the shipped questions, in tokens.
CONTEXT_LENGTHS = [60, 110, 180, 270, 360, 470, 590, 740, 850, 960]
QUESTIONS_PER_CONTEXT = 5


def varied(questions: list[Question], count: int, most_unknown: int) -> list[Question]:
    """The first `count` questions with as many different kinds as there are."""
    by_kind: dict[str, list[Question]] = {}
    for question in questions:
        by_kind.setdefault(question.kind, []).append(question)
    by_kind["unknown"] = by_kind.get("unknown", [])[:most_unknown]
    chosen: list[Question] = []
    while len(chosen) < count and any(by_kind.values()):
        for group in by_kind.values():
            if group and len(chosen) < count:
                chosen.append(group.pop(0))
    return chosen


def build_questions(count_tokens: Callable[[str], int], characters_per_token: float, seed: str = "questions") -> dict:
    """The questions that ship with the model: ten contexts, short to long, five questions each."""
    rng = Random(seed)
    contexts = []
    for number, length in enumerate(CONTEXT_LENGTHS):
        while True:
            target = int((length - 15) * characters_per_token)
            context = build_context(rng, target, density=1.0 if length < 150 else 0.7)
            chosen = varied(context.questions, QUESTIONS_PER_CONTEXT, most_unknown=number % 2)
            longest_prompt = max((count_tokens(f"{context.text}\n\n{question.text}") for question in chosen), default=0)
            # Markers and the answer must fit after the prompt.
            if len(chosen) == QUESTIONS_PER_CONTEXT and abs(longest_prompt - length) <= max(8, length // 30):
                break
        contexts.append(
            {
                "tokens": count_tokens(context.text),
                "text": context.text,
                "questions": [
                    {"kind": question.kind, "question": question.text, "answer": question.key, "sentence": question.answer}
                    for question in chosen
                ],
            }
        )
    return {
        "note": (
            "A prompt is one user message: the text, an empty line, the question. An answer is right when it contains "
            "`answer`; `sentence` is the whole answer as the training corpus would word it. `tokens` is the length of the "
            "text alone. None of these texts is in the training corpus."
        ),
        "contexts": contexts,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Print documents of the corpus.")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--count", type=int, default=5)
    parser.add_argument("--longest", type=int, default=300, help="longest context in tokens")
    arguments = parser.parse_args()
    rng = Random(arguments.seed)
    for _ in range(arguments.count):
        for segment in build_document(rng, 4.0, arguments.longest):
            print(f"[{segment.role}] {segment.text}")
        print("-" * 20)


if __name__ == "__main__":
    main()
