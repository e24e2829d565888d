"""Short stories from a grammar, each with the request for it and questions about it."""

from dataclasses import dataclass
from random import Random

from contexts import Question
from words import ANIMALS, MEN, OBJECTS, PEOPLE, PET_NAMES, TRAITS, WOMEN, article, sentence_case

HOMES = [
    "in a small house by the river",
    "at the edge of a deep forest",
    "under an old oak tree",
    "on a hill near the sea",
    "in a quiet village",
    "behind a tall mountain",
    "next to a green meadow",
    "in a cave full of moss",
]
WISHES = [
    ("to see the sea", "saw the sea for the first time"),
    ("to find a friend", "had found a real friend"),
    ("to learn how to sing", "could sing like a bird"),
    ("to cross the wide river", "had crossed the wide river"),
    ("to climb the highest hill", "stood on the highest hill"),
    ("to make a warm soup for the winter", "had made the best soup of all"),
    ("to see the stars from close by", "felt closer to the stars than ever before"),
]
TROUBLES = [
    "a great storm came, and the path was lost in the rain",
    "the bridge was broken, and there was no other way",
    "the night came early, and it was very dark",
    "a big rock lay on the road and would not move",
    "the snow was so deep that nobody could walk",
    "a strange noise came out of the bushes",
]
HELPS = [
    "showed the way",
    "shared some bread and told a joke",
    "knew a secret path",
    "lit a small fire and sang a song",
    "said that two are always stronger than one",
    "carried the heavy things and never complained",
]
ENDINGS = [
    "From that day on, they were the best of friends.",
    "And they talked about that day for many years.",
    "That night, everyone slept well.",
    "And if you listen closely, you can still hear them laugh.",
    "It was a good day after all.",
    "And so even a small heart can do great things.",
]


@dataclass(frozen=True)
class Story:
    request: str
    text: str
    questions: list[Question]


def build_story(rng: Random) -> Story:
    pick = rng.choice
    hero, friend = rng.sample(ANIMALS, 2)
    trait = pick(TRAITS)
    name, friend_name = rng.sample(PET_NAMES + PEOPLE, 2)
    female = name in WOMEN or (name not in MEN and rng.random() < 0.5)
    he, him = ("she", "her") if female else ("he", "him")
    home = pick(HOMES)
    wish, fulfilled = pick(WISHES)
    trouble = pick(TROUBLES)
    thing = pick(OBJECTS)

    request_form = rng.randrange(6)
    if request_form == 0:
        subject = f"{article(hero)}"
    elif request_form == 1:
        subject = f"{article(trait)} {hero}"
    elif request_form == 2:
        subject = f"{article(hero)} called {name}"
    elif request_form == 3:
        subject = f"{article(hero)} and {article(friend)}"
    elif request_form == 4:
        subject = f"{article(hero)} and {article(thing)}"
    else:
        subject = ""
    ask = pick(["Tell me a short story", "Tell me a story", "Please tell me a story", "Write a short story"])
    request = f"{ask} about {subject}." if subject else f"{ask}."

    lines = [
        pick(
            [
                f"Once upon a time there was {article(trait)} {hero} called {name} who lived {home}.",
                f"Once there was {article(trait)} {hero} called {name}. {sentence_case(he)} lived {home}.",
                f"A long time ago, {article(trait)} {hero} called {name} lived {home}.",
            ]
        ),
        pick(
            [
                f"More than anything, {name} wanted {wish}.",
                f"Every night {name} dreamed of one thing: {he} wanted {wish}.",
                f"{name} wanted {wish}, but everyone said it could not be done.",
            ]
        ),
        pick(
            [
                f"One morning {he} packed {article(thing)} and set off.",
                f"So one day {he} took {article(thing)} and left home.",
                f"One day {he} found {article(thing)} on the road and thought that it was a good sign.",
            ]
        ),
        pick(
            [
                f"But {trouble}.",
                f"{sentence_case(he)} walked and walked. Then {trouble}.",
                f"At first everything was easy. But then {trouble}.",
            ]
        ),
        pick(
            [
                f"{name} sat down and did not know what to do.",
                f"{name} was afraid, but {he} did not turn back.",
                f'"What can I do now?" said {name}.',
            ]
        ),
        pick(
            [
                f"Then {article(friend)} called {friend_name} came by and {pick(HELPS)}.",
                f"Just then {name} met {article(friend)} called {friend_name}, who {pick(HELPS)}.",
                f'"I can help you," said {article(friend)}. The {friend} was called {friend_name} and {pick(HELPS)}.',
            ]
        ),
        pick(
            [
                f"Together they used the {thing} in a clever way.",
                f"{name} gave the {thing} to {friend_name} to say thank you.",
                f"The {thing} turned out to be very useful.",
                f"{friend_name} went with {him}, and the way was not so long any more.",
            ]
        ),
        pick([f"In the end {name} {fulfilled}.", f"Before the sun went down, {name} {fulfilled}."]),
        pick(ENDINGS),
    ]
    questions = [
        Question(
            "story",
            pick([f"What was the {hero} called?", f"What was the name of the {hero}?"]),
            f"The {hero} was called {name}.",
            f"called {name}",
        ),
        Question("story", f"Where did {name} live?", f"{name} lived {home}.", home),
        Question("story", f"What did {name} want?", f"{name} wanted {wish}.", wish),
        Question("story", f"Who helped {name}?", f"It was {friend_name} who helped {name}.", f"was {friend_name}"),
    ]
    return Story(request, " ".join(lines), rng.sample(questions, rng.randint(0, 4)))
