"""Contexts with planted facts, and the questions that can be asked about them.

A context is built from threads. A thread is a list of sentences that must stay in order (a kite is in the attic; later
Tom moves it to the barn), and threads are shuffled into each other, with filler between them. Every question has exactly
one right answer, a full sentence, and a key: a phrase of that answer which no wrong answer contains.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from words import (
    COLOURS,
    COUNTABLES,
    FOODS,
    JOBS,
    OBJECTS,
    PEOPLE,
    PET_NAMES,
    PETS,
    PLACES,
    article,
    sentence_case,
)

UNKNOWN = "I do not know."


@dataclass(frozen=True)
class Question:
    kind: str
    text: str
    answer: str
    key: str


@dataclass
class Context:
    text: str
    questions: list[Question] = field(default_factory=list)


def filler(rng: Random, cast: list[str]) -> str:
    """A sentence without facts about objects or people that questions ask about."""
    pick = rng.choice
    sight, action = pick(SIGHTS)
    first, second = rng.sample(cast, 2)
    match rng.randrange(8):
        case 0:
            return pick(WEATHER)
        case 1:
            return f"{pick(TIMES)} {sight} {action}."
        case 2:
            other_sight, other_action = pick(SIGHTS)
            return f"{sentence_case(sight)} {action}, and {other_sight} {other_action}."
        case 3:
            return f"{first} {pick(PERSON_ACTIONS)}."
        case 4:
            return f"{pick(TIMES)} {first} {pick(PERSON_ACTIONS)}."
        case 5:
            return f"{first} and {second} {pick(PAIR_ACTIONS)}."
        case 6:
            return f'"{pick(REMARKS)}" said {first}, and {second} {pick(REPLIES)}.'
        case _:
            return f"{pick(TIMES)} {sight} {action}, and {first} {pick(PERSON_ACTIONS)}."


WEATHER = [
    "It was a warm and quiet day.",
    "A soft rain fell all morning.",
    "The sun was low in the sky.",
    "Snow lay on the hills.",
    "The air smelled of fresh grass.",
    "There was not a cloud to be seen.",
    "A cold wind blew from the sea.",
    "It was already getting dark.",
    "Far away, thunder could be heard.",
    "The fog was so thick that nobody could see the road.",
]
TIMES = [
    "In the morning",
    "In the evening",
    "At noon",
    "After lunch",
    "Before dinner",
    "On Monday",
    "On Friday",
    "Last week",
    "That night",
    "At sunrise",
]
SIGHTS = [
    (sight, action)
    for sight, actions in {
        "the birds": ["sang in the trees", "flew over the hills", "were very quiet"],
        "the bees": ["hummed in the grass", "were very busy", "flew from flower to flower"],
        "the children": ["sang an old song", "ran down the hill", "were very quiet"],
        "the neighbours": ["talked about the weather", "danced until late", "were very busy"],
        "the old trees": ["moved in the wind", "looked beautiful in the sun"],
        "the stars": ["came out one by one", "were very bright"],
        "the waves": ["grew higher and higher", "looked beautiful in the sun"],
        "the clouds": ["moved slowly over the hills", "grew darker and darker"],
        "the horses": ["ran over the hills", "slept in the grass"],
        "the musicians": ["danced until late", "sang an old song"],
        "the villagers": ["waited for the rain", "danced until late", "talked about the weather"],
    }.items()
    for action in actions
]
PERSON_ACTIONS = [
    "was tired and went to sleep",
    "laughed for a long time",
    "walked along the road and sang",
    "did not say a word",
    "looked out at the hills",
    "told a long story",
    "was late again",
    "could not stop smiling",
    "ran home in the rain",
    "waited for a friend",
    "had a strange dream",
    "wanted to see the sea",
]
PAIR_ACTIONS = [
    "talked about the weather",
    "went for a walk",
    "played a game together",
    "were good friends",
    "laughed at an old joke",
    "sang a song together",
    "did not agree about anything",
    "looked at the clouds",
]
REMARKS = [
    "What a lovely day!",
    "I am so tired,",
    "Is it time to go?",
    "Listen to the wind!",
    "I had a strange dream,",
    "Let us go home,",
]
REPLIES = ["nodded", "laughed", "said nothing", "smiled", "looked at the sky", "agreed"]

LATER = ["Later ", "Then ", "After that ", "In the afternoon ", "The next day ", "After dinner ", "", ""]


class ContextBuilder:
    def __init__(self, rng: Random, cast_size: int, single_kind: bool) -> None:
        self.rng = rng
        self.cast = rng.sample(PEOPLE, cast_size)
        self.objects = rng.sample(OBJECTS, len(OBJECTS))
        self.countables = rng.sample(COUNTABLES, len(COUNTABLES))
        self.pet_names = rng.sample(PET_NAMES, len(PET_NAMES))
        self.workers = rng.sample(self.cast, cast_size)
        self.eaters = rng.sample(self.cast, cast_size)
        self.keepers = rng.sample(self.cast, cast_size)
        self.questions: list[Question] = []
        # Weight of each kind of fact, the function that makes it, and the lists of names that it uses up.
        self.kinds = [
            (5, self.placed_object, [self.objects]),
            (2, self.given_object, [self.objects]),
            (1, self.job, [self.workers]),
            (1, self.food, [self.eaters]),
            (1, self.pet, [self.keepers, self.pet_names]),
            (2, self.count, [self.countables]),
        ]
        if single_kind:
            self.kinds = [self.pick_kind()]

    def pick_kind(self) -> tuple[int, Callable[[], list[str]], list[list[str]]]:
        return self.rng.choices(self.kinds, [weight for weight, _, _ in self.kinds])[0]

    def ask(self, kind: str, texts: list[str], answer: str, key: str) -> None:
        self.questions.append(Question(kind, self.rng.choice(texts), answer, key))

    def spoken(self, sentence: str) -> str:
        """Sometimes attributes a sentence to a speaker, which turns the context into a dialogue."""
        if self.rng.random() < 0.85:
            return sentence
        speaker = self.rng.choice(self.cast)
        return self.rng.choice([f'"{sentence[:-1]}," said {speaker}.', f'{speaker} said, "{sentence}"'])

    def placed_object(self) -> list[str]:
        """Where an object is (the last place counts), what colour it has, who owns it and who moved it last."""
        rng = self.rng
        thing = self.objects.pop()
        thread = []
        named = f"the {thing}"
        colour = rng.choice(COLOURS) if rng.random() < 0.6 else None
        inline = colour is not None and rng.random() < 0.6
        if colour:
            self.ask(
                "colour",
                [f"What colour is the {thing}?", f"What is the colour of the {thing}?", f"What color is the {thing}?"],
                f"The {thing} is {colour}.",
                f"is {colour}",
            )
            if inline:
                named = f"the {colour} {thing}"
            else:
                thread.append(
                    self.spoken(rng.choice([f"The {thing} is {colour}.", f"The colour of the {thing} is {colour}."]))
                )
        if rng.random() < 0.5:
            owner = rng.choice(self.cast)
            self.ask(
                "owner",
                [f"Who owns the {thing}?", f"Who does the {thing} belong to?", f"Who is the owner of the {thing}?"],
                f"The {thing} belongs to {owner}.",
                f"to {owner}",
            )
            thread.append(
                rng.choice(
                    [
                        f"{sentence_case(named)} belongs to {owner}.",
                        f"{owner} owns {named}.",
                        f"{owner} is the owner of {named}.",
                        f"{owner} bought {named} last year.",
                    ]
                )
            )
            if rng.random() < 0.3:
                return thread
        moves = rng.choices([0, 1, 2], [5, 3, 2])[0]
        places = rng.sample(PLACES, moves + 1)
        article_named = article(named.removeprefix("the "))
        person = rng.choice(self.cast)
        thread.append(
            self.spoken(
                rng.choice(
                    [
                        f"{sentence_case(named)} is {places[0]}.",
                        f"There is {article_named} {places[0]}.",
                        f"{person} put {named} {places[0]}.",
                        f"{person} left {named} {places[0]}.",
                        f"{person} keeps {named} {places[0]}.",
                        f"{person} saw {named} {places[0]}.",
                        f"You can find {named} {places[0]}.",
                    ]
                )
            )
        )
        for place in places[1:]:
            person = rng.choice([name for name in self.cast if name != person])
            again = rng.choice([f"the {thing}", named])
            thread.append(
                rng.choice(LATER)
                + rng.choice(
                    [
                        f"{person} moved {again}, and now it is {place}.",
                        f"{person} took {again} and put it {place}.",
                        f"{person} carried {again} away and left it {place}.",
                        f"{person} picked up {again} and hid it {place}.",
                    ]
                )
            )
        asked = rng.choice([f"the {thing}", f"the {thing}", named])
        self.ask(
            "moved" if moves else "where",
            [f"Where is {asked}?", f"Where can I find {asked}?", f"Where is {asked} now?"],
            f"{sentence_case(asked)} is {places[-1]}.",
            f"is {places[-1]}",
        )
        if moves:
            self.ask(
                "mover",
                [f"Who moved the {thing} last?", f"Who was the last to move the {thing}?"],
                f"It was {person} who moved the {thing} last.",
                f"was {person}",
            )
        return thread

    def given_object(self) -> list[str]:
        """Who gave an object to whom, and who has it now."""
        rng = self.rng
        thing = self.objects.pop()
        gifts = rng.choices([1, 2], [3, 2])[0]
        people = rng.sample(self.cast, gifts + 1)
        colour = f"{rng.choice(COLOURS)} " if rng.random() < 0.2 else ""
        thread = []
        for index, (giver, receiver) in enumerate(zip(people, people[1:])):
            start = rng.choice(LATER) if index else ""
            named = f"the {thing}" if index else f"the {colour}{thing}"
            thread.append(f"{start}{giver} {rng.choice(['gave', 'handed', 'sent'])} {named} to {receiver}.")
        giver, receiver = rng.choice(list(zip(people, people[1:])))
        self.ask(
            "giver",
            [f"Who gave the {thing} to {receiver}?", f"Who was it that gave the {thing} to {receiver}?"],
            f"It was {giver} who gave the {thing} to {receiver}.",
            f"was {giver}",
        )
        giver, receiver = rng.choice(list(zip(people, people[1:])))
        self.ask(
            "receiver",
            [f"Who did {giver} give the {thing} to?", f"To whom did {giver} give the {thing}?"],
            f"{giver} gave the {thing} to {receiver}.",
            f"to {receiver}",
        )
        self.ask(
            "holder",
            [f"Who has the {thing} now?", f"Who has the {thing}?"],
            f"The {thing} is with {people[-1]} now.",
            f"with {people[-1]}",
        )
        return thread

    def job(self) -> list[str]:
        person, job = self.workers.pop(), self.rng.choice(JOBS)
        self.ask(
            "job",
            [f"What is {person}'s job?", f"What does {person} do for a living?", f"What kind of work does {person} do?"],
            f"{person} is {article(job)}.",
            f"is {article(job)}",
        )
        return [self.rng.choice([f"{person} is {article(job)}.", f"{person} works as {article(job)}."])]

    def food(self) -> list[str]:
        person, food = self.eaters.pop(), self.rng.choice(FOODS)
        self.ask(
            "food",
            [f"What does {person} like to eat?", f"What food does {person} like?"],
            f"{person} likes to eat {food}.",
            f"eat {food}",
        )
        return [
            self.rng.choice([f"{person} likes to eat {food}.", f"{person} eats {food} every day.", f"{person} loves {food}."])
        ]

    def pet(self) -> list[str]:
        person, pet, name = self.keepers.pop(), self.rng.choice(PETS), self.pet_names.pop()
        self.ask(
            "pet",
            [f"What is the name of {person}'s {pet}?", f"What is {person}'s {pet} called?"],
            f"{person}'s {pet} is called {name}.",
            f"called {name}",
        )
        self.ask(
            "keeper",
            [f"Who has {article(pet)} called {name}?", f"Whose {pet} is {name}?"],
            f"{name} is {person}'s {pet}.",
            f"is {person}'s",
        )
        return [
            self.rng.choice(
                [
                    f"{person} has {article(pet)} called {name}.",
                    f"{person}'s {pet} is called {name}.",
                    f"The name of {person}'s {pet} is {name}.",
                ]
            )
        ]

    def count(self) -> list[str]:
        """How many of something a person has: stated, or a small sum."""
        rng = self.rng
        items = self.countables.pop()
        person, other = rng.sample(self.cast, 2)
        form = rng.randrange(3)
        first = rng.randint(2, 9)
        if form == 0:
            total, sentence = first, f"{person} has {first} {items}."
        elif form == 1:
            second = rng.randint(1, 9)
            total = first + second
            sentence = rng.choice(
                [
                    f"{person} had {first} {items}, and {other} gave {person} {second} more.",
                    f"{person} had {first} {items} and then found {second} more.",
                ]
            )
        else:
            first = rng.randint(3, 9)
            second = rng.randint(1, first - 2)  # never "1 apples"
            total = first - second
            sentence = rng.choice(
                [
                    f"{person} had {first} {items} and lost {second} of them.",
                    f"{person} had {first} {items} and gave {second} of them away.",
                ]
            )
        self.ask(
            "count" if form == 0 else "sum",
            [f"How many {items} does {person} have?", f"How many {items} does {person} have now?"],
            f"{person} has {total} {items}.",
            f"has {total} {items}",
        )
        return [sentence]

    def unknown(self) -> Question:
        """A question whose answer the context does not give."""
        rng = self.rng
        if rng.random() < 0.7 and self.objects:
            thing = rng.choice(self.objects)
            text = rng.choice(
                [
                    f"Where is the {thing}?",
                    f"What colour is the {thing}?",
                    f"Who owns the {thing}?",
                    f"Who moved the {thing} last?",
                    f"Who has the {thing} now?",
                ]
            )
        else:
            person = rng.choice([name for name in PEOPLE if name not in self.cast])
            text = rng.choice(
                [f"What is {person}'s job?", f"What does {person} like to eat?", f"How many apples does {person} have?"]
            )
        return Question("unknown", text, UNKNOWN, "do not know")

    def thread(self) -> list[str] | None:
        """The next planted fact, or None when the drawn kind has run out of names."""
        _, make, left = self.pick_kind()
        return make() if all(left) else None


def build_context(rng: Random, characters: int, density: float | None = None, single_kind: bool = False) -> Context:
    """A context of about `characters` characters, `density` of whose sentences (0 to 1) are planted facts.

    With `single_kind`, they are all of one kind, so that even a short context has many that could be confused.
    """
    if density is None:
        density = rng.uniform(0.35, 1.0)
    cast_size = rng.randint(3, max(4, min(16, 4 + characters // 250)))
    builder = ContextBuilder(rng, cast_size, single_kind)
    threads: list[list[str]] = []
    fillers: list[str] = []
    length = 0
    while length < characters:
        thread = builder.thread() if rng.random() < density or not threads else None
        if thread is None:
            line = filler(rng, builder.cast)
            if line in fillers:
                continue
            fillers.append(line)
            length += len(line) + 1
        else:
            threads.append(thread)
            length += sum(len(line) + 1 for line in thread)
    order = [index for index, thread in enumerate(threads) for _ in thread] + [-1] * len(fillers)
    rng.shuffle(order)
    remaining = [iter(thread) for thread in threads]
    loose = iter(fillers)
    lines = [next(loose if index < 0 else remaining[index]) for index in order]
    text = lines[0]
    since_break = 1
    for line in lines[1:]:
        new_paragraph = since_break >= 4 and rng.random() < 0.25
        text += ("\n" if new_paragraph else " ") + line
        since_break = 1 if new_paragraph else since_break + 1
    questions = builder.questions
    rng.shuffle(questions)
    for _ in range(max(1, len(questions) // 10)):
        if rng.random() < 0.7:
            questions.insert(rng.randrange(len(questions) + 1), builder.unknown())
    return Context(text, questions)
