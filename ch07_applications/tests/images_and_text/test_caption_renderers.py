"""Renderers: captions are parsed correctly, things lie at their places, pictures are retrieved."""

import numpy as np
import pytest

from ch07_applications.images_and_text.caption_grammar import COLOURS, NOUNS, Caption
from ch07_applications.images_and_text.caption_renderers import (
    NEAREST,
    PASTED,
    RENDERERS,
    TEMPLATE,
    ThingRenderer,
    parse,
    renderer,
)
from ch07_applications.images_and_text.placed_scenes import GROUND, LEFT, LOWER, MIDDLE, RIGHT, UPPER
from ch07_applications.tests.images_and_text.small_paintings import small_sets
from common.errors import Problem

PLACES = [
    ("a red boot left of a blue bag", LEFT, RIGHT),
    ("there is a red boot to the right of a blue bag", RIGHT, LEFT),
    ("a red boot is over a blue bag", UPPER, LOWER),
    ("a red boot below a blue bag", LOWER, UPPER),
]


def said(text):
    words = tuple(text.split())
    return Caption(words, (-1,) * len(words))


def fitted(name):
    return renderer(name).fit(small_sets().train)


@pytest.mark.parametrize(("text", "first", "second"), PLACES)
def test_captions_are_read_into_places(text, first, second):
    boot, bag = NOUNS.index("boot"), NOUNS.index("bag")
    assert parse(said(text)) == [(boot, COLOURS.index("red"), first), (bag, COLOURS.index("blue"), second)]


@pytest.mark.parametrize("text", ["a boot", "red", "a red boot left of a bag"])
def test_a_caption_without_a_coloured_thing_is_refused(text):
    with pytest.raises(Problem, match="no thing with a colour"):
        fitted(TEMPLATE).draw([said(text)])


def test_an_only_thing_lies_in_the_middle():
    assert parse(said("a picture of a pair of grey trousers")) == [(NOUNS.index("trousers"), 5, MIDDLE)]


def test_the_nearest_caption_of_a_training_caption_is_itself():
    part = small_sets().train
    drawn = fitted(NEAREST).draw(part.inputs)
    stated = np.array([(drawn[k] == part.images[k]).all() for k in range(len(part))])
    same = np.array([(part.meanings == meaning).sum() > 1 for meaning in part.meanings])
    assert stated[~same].all()


def test_the_nearest_caption_s_picture_is_one_of_training():
    drawn = fitted(NEAREST).draw(small_sets().held_out.inputs)
    known = {image.tobytes() for image in small_sets().train.images}
    assert all(image.tobytes() in known for image in drawn)


@pytest.mark.parametrize("name", [PASTED, TEMPLATE])
def test_things_are_drawn_at_their_places_in_their_colours(name):
    image = fitted(name).draw([said("a red boot left of a blue bag")])[0].astype(int)
    left, right = image[8:24, :16].reshape(-1, 3), image[8:24, 16:].reshape(-1, 3)
    for half, strong in ((left, 0), (right, 2)):
        bright = half[half.max(axis=1) > 100]
        assert len(bright) > 15
        assert (bright.argmax(axis=1) == strong).all()
    assert (image[:8] == GROUND).all()
    assert (image[24:] == GROUND).all()


def test_shades_are_those_of_the_names():
    shades = fitted(TEMPLATE).shades_
    assert shades.max(axis=1).tolist() == [1.0] * len(COLOURS)
    assert shades[COLOURS.index("grey")].min() > 0.97
    assert shades[COLOURS.index("yellow")].argmin() == 2
    assert shades[COLOURS.index("green")].argmax() == 1


def test_a_template_is_the_mean_thing_and_a_pasted_one_a_thing_of_training():
    part = small_sets().train
    pasted, template = fitted(PASTED), fitted(TEMPLATE)
    for label, things in pasted.things_.items():
        np.testing.assert_allclose(template.things_[label][0], things.mean(axis=0))
        assert len(things) == (part.labels == label).sum()
    drawn = pasted.draw([said("a red boot")] * 6, seed=1)
    assert len({image.tobytes() for image in drawn}) > 1
    assert len({image.tobytes() for image in template.draw([said("a red boot")] * 6, seed=1)}) == 1


def test_names_stand_for_renderers():
    assert [type(renderer(name)).__name__ for name in RENDERERS] == ["NearestCaption", "ThingRenderer", "ThingRenderer"]
    assert renderer(TEMPLATE) == ThingRenderer(mean=True)
    assert renderer(PASTED) == ThingRenderer(mean=False)
