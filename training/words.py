"""The words the corpus is made of. Each list is disjoint from the others, so a word has one role."""

WOMEN = """Mia Lena Nora Ida Ruth Clara Rosa Emma Vera Alma Lucy Zoe Nina Ella Greta Julia Marta Olga Sofia
Hana""".split()
MEN = """Tom Ben Max Leo Sam Finn Otto Paul Hugo Jack Omar Karl Adam Felix Ivan Luis Noah Peter Theo Kofi""".split()
PEOPLE = WOMEN + MEN

PET_NAMES = """Pip Biscuit Pepper Dot Rusty Milo Coco Bruno Luna Ziggy Button Ginger Shadow Waffle Toffee Hazel""".split()

OBJECTS = """kite lamp drum book key coat hat bell rope map ring cup spoon clock violin flute ladder blanket
pillow mirror candle lantern bottle bucket broom hammer saw needle scarf glove boot ball doll puppet coin
letter box jar plate kettle pan brush pencil comb whistle trumpet compass umbrella helmet camera""".split()

COLOURS = "red blue green yellow purple orange white black brown grey pink golden".split()

# Each place has one preposition, so that "in the attic" is always phrased the same way.
PLACES = [
    f"{preposition} the {noun}"
    for preposition, nouns in {
        "in": "attic barn kitchen garden cellar tower library tent cave garage hall wagon boat shed basket drawer cupboard",
        "on": "shelf table roof stairs balcony bench wall stage",
        "under": "bed bridge sofa desk",
        "behind": "door curtain church hedge",
        "by": "well gate river fountain window fire",
    }.items()
    for noun in nouns.split()
]

PETS = "cat dog rabbit parrot pony goat hamster turtle".split()

JOBS = """baker teacher doctor farmer painter sailor tailor gardener singer miller nurse pilot carpenter cook judge
potter dentist actor""".split()

FOODS = """soup bread cheese pancakes rice noodles honey cake toast porridge salad olives dumplings jam
potatoes chocolate""".split()

COUNTABLES = """apples pears plums nuts eggs shells stones flowers stamps leaves carrots lemons mushrooms
feathers cards beads""".split()

ANIMALS = "fox owl bear hare mouse frog duck hedgehog squirrel wolf deer badger otter crow".split()

TRAITS = "brave clever shy kind curious hungry small old young lazy proud gentle".split()


def article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def sentence_case(text: str) -> str:
    return text[0].upper() + text[1:]
