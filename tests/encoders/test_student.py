"""The student: a state for each word, whatever stands beside it in a batch."""

from __future__ import annotations

import torch

from crossgraph.encoders.pieces import Pieces
from crossgraph.encoders.student import PieceBatch, Student, StudentConfig, mean_of_words

SENTENCES = [
    Pieces(("ein", "schneeball"), (2, 3, 4), (0, 1, 1)),
    Pieces(("hund",), (5,), (0,)),
    Pieces(("der", "große", "hund", "rennt"), (6, 7, 8, 5, 9), (0, 1, 1, 2, 3)),
]


def student() -> Student:
    torch.manual_seed(0)
    return Student(StudentConfig(pieces=12, state_width=6, width=8, gru_width=5), dropout=0.5).eval()


def test_no_row_depends_on_its_companions() -> None:
    network = student()
    together, mask = network(PieceBatch.of(SENTENCES))
    assert mask.sum(dim=1).tolist() == [2, 1, 4]
    assert bool((together[~mask] == 0).all())
    for row, sentence in enumerate(SENTENCES):
        alone, _ = network(PieceBatch.of([sentence]))
        torch.testing.assert_close(together[row, : len(sentence.words)], alone[0])


def test_a_state_is_the_mean_of_the_pieces_of_its_word() -> None:
    batch = PieceBatch.of(SENTENCES)
    pieces = torch.randn(3, 5, 4)
    states, mask = mean_of_words(pieces, batch)
    for row, sentence in enumerate(SENTENCES):
        for word in range(len(sentence.words)):
            own = [pieces[row, place] for place, owner in enumerate(sentence.word) if owner == word]
            torch.testing.assert_close(states[row, word], torch.stack(own).mean(dim=0))
            assert mask[row, word]


def test_words_are_read_in_context() -> None:
    network = student()
    turned = Pieces(("schneeball", "ein"), (3, 4, 2), (0, 0, 1))
    one, other = network(PieceBatch.of([SENTENCES[0]]))[0][0], network(PieceBatch.of([turned]))[0][0]
    assert not torch.allclose(one[0], other[1])
