"""The text of lorem, as it was recorded."""

from __future__ import annotations

from itertools import islice
from random import Random

from lxdimage.templates._lorem import lorem


def test_paragraphs_begin_again_after_seven() -> None:
    paragraphs = "".join(lorem(15, "b")).split("\n")
    assert len(set(paragraphs[:7])) == 7
    assert paragraphs[7:14] == paragraphs[:7]
    assert paragraphs[14] == paragraphs[0]


def test_words_are_those_of_the_paragraphs_and_begin_again() -> None:
    words = "".join(lorem(7, "b")).split()
    assert "".join(lorem(len(words) + 2, "w")).split(" ") == [*words, "Lorem", "ipsum"]


def test_html_paragraphs_are_plain_ones_in_tags() -> None:
    plain = "".join(lorem(3, "b")).split("\n")
    assert "".join(lorem(3, "p")) == "\n".join(f"<p>{paragraph}</p>" for paragraph in plain)


def test_chance_picks_from_the_same_pieces() -> None:
    words = set("".join(lorem(7, "b")).split())
    assert set("".join(lorem(50, "w", Random(1))).split(" ")) < words
    assert "".join(lorem(5, "w", Random(1))) == "".join(lorem(5, "w", Random(1)))


def test_no_count_is_too_large_to_begin_with() -> None:
    assert "".join(islice(lorem(10**18, "w"), 2)) == "Lorem ipsum"
    assert list(lorem(-5, "b")) == []
