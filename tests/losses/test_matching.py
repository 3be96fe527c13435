import torch

from crossgraph.losses.matching import equal_captions, positive_scores, same_image_mask


def test_a_caption_matches_its_own_image_only() -> None:
    mask = same_image_mask(torch.tensor([1, 0, 1]), 3)
    assert mask.tolist() == [[False, True, False], [True, False, True], [False, False, False]]


def test_positive_scores_are_read_at_each_captions_image() -> None:
    scores = torch.arange(6.0).view(2, 3)
    assert positive_scores(scores, torch.tensor([1, 0, 1])).tolist() == [3.0, 1.0, 5.0]


def test_equal_captions_are_found_by_their_words() -> None:
    words = [("a", "dog"), ("a", "cat"), ("a", "dog"), ("dog", "a")]
    link = torch.tensor([0, 1, 2, 2])
    found = equal_captions(words, link, 3)
    for image in range(3):
        own = [words[j] for j in range(4) if link[j] == image]
        assert found[image].tolist() == [word in own for word in words]
