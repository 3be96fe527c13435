import torch

from crossgraph.losses.matching import positive_scores, same_image_mask


def test_a_caption_matches_its_own_image_only() -> None:
    mask = same_image_mask(torch.tensor([1, 0, 1]), 3)
    assert mask.tolist() == [[False, True, False], [True, False, True], [False, False, False]]


def test_positive_scores_are_read_at_each_captions_image() -> None:
    scores = torch.arange(6.0).view(2, 3)
    assert positive_scores(scores, torch.tensor([1, 0, 1])).tolist() == [3.0, 1.0, 5.0]
