"""Bits over a buffer and cells cut out of it, against the plain way of saying the same."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.formats import cells

flags = st.lists(st.booleans(), min_size=1, max_size=200).map(lambda given: np.array(given, bool))
texts = st.text(alphabet="ab\\'(,", max_size=150).map(str.encode)


def octets(text: bytes):
    return np.frombuffer(text, np.uint8)


@given(flags)
@settings(max_examples=100, deadline=None)
def test_words_move_count_and_sum_like_flags(given_flags):
    words, size = cells.words_of(given_flags), len(given_flags)
    assert cells.places_of(words).tolist() == np.flatnonzero(given_flags).tolist()
    assert cells.count_of(words) == given_flags.sum()
    assert cells.places_of(cells.before(words)).tolist() == (np.flatnonzero(given_flags[1:])).tolist()
    assert cells.places_of(cells.behind(words) & cells.first_bytes(size, size)).tolist() == (np.flatnonzero(given_flags[:-1]) + 1).tolist()
    inside = np.cumsum(given_flags) % 2 == 1
    assert cells.places_of(cells.odd(words) & cells.first_bytes(size, size)).tolist() == np.flatnonzero(inside).tolist()


@given(texts)
@settings(max_examples=100, deadline=None)
def test_an_escape_character_is_escaped_by_the_one_before_it(text):
    expected, at = [], 0
    while at < len(text):
        if text[at] == ord("\\"):
            expected.append(at)
            at += 1
        at += 1
    assert cells.escapes(np.flatnonzero(octets(text) == ord("\\"))).tolist() == expected


@given(texts, st.lists(st.integers(0, 150), max_size=12, unique=True), st.binary(min_size=1, max_size=3))
@settings(max_examples=100, deadline=None)
def test_cells_are_what_slices_are(text, given_edges, wanted):
    edges = sorted(edge for edge in given_edges if edge <= len(text))
    starts, stops = np.array(edges[:-1:2], np.int32), np.array(edges[1::2], np.int32)
    valid = np.arange(len(starts)) % 3 != 1
    slices = [text[start:stop] for start, stop in zip(starts, stops, strict=True)]
    assert cells.cut(pa.py_buffer(text), starts, stops).to_pylist() == slices
    nulls = [one if there else None for one, there in zip(slices, valid, strict=True)]
    assert cells.cut(pa.py_buffer(text), starts, stops, valid).to_pylist() == nulls
    places = np.arange(len(text))
    assert cells.stands_at(octets(text), places, wanted).tolist() == [text.startswith(wanted, at) for at in places]


@given(texts.filter(bool), st.sets(st.integers(0, 149)))
@settings(max_examples=100, deadline=None)
def test_a_text_without_some_bytes_and_where_its_others_went(text, given_dropped):
    dropped = np.array(sorted(at for at in given_dropped if at < len(text)), np.int64)
    kept = [at for at in range(len(text)) if at not in given_dropped]
    assert cells.without(octets(text), dropped).to_pybytes()[: len(kept)] == bytes(text[at] for at in kept)
    places = np.array(kept, np.int64)
    assert (places - cells.moved_places(places, dropped)).tolist() == list(range(len(kept)))


def test_spans_may_touch():
    words = cells.spans(np.array([1, 3]), np.array([3, 5]), 70)
    assert cells.places_of(words).tolist() == [1, 2, 3, 4]


def test_cells_of_one_width_and_cells_beyond_ascii_are_found():
    array = pa.array([b"ab", None, b"cd"], pa.binary())
    matrix = cells.fixed_cells(array, 2)
    assert matrix is not None
    assert matrix.tobytes() == b"abcd"
    assert cells.fixed_cells(pa.array([b"a"], pa.binary()), 2) is None
    assert cells.high_cells(pa.array([b"a", "é".encode(), None, b"", b"\xff"], pa.binary())).tolist() == [1, 4]
