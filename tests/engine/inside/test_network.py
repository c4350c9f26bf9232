"""The network as a browser gets it."""

from engine.data.samples import make_sample
from engine.inside.network import network_of_model, network_of_training
from tests.engine.trained import MOONS, fruit_model, moons_model


def test_before_and_after_the_training_it_is_the_same() -> None:
    model = moons_model()
    assert network_of_model(model) == network_of_training(model.spec, make_sample("moons", MOONS))


def test_it_says_how_raw_inputs_are_scaled() -> None:
    document = network_of_model(fruit_model())
    assert [each["name"] for each in document["inputs"]] == ["size", "ripe", "colour"]
    assert sum(each["width"] for each in document["inputs"]) == document["layers"][0]["inputs"]
    assert document["classes"] == ["fig", "pear", "plum"]
    assert document["inputs"][2]["categories"] == ["blue", "green", "red"]
