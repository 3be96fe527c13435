"""Twin accuracy: can a method tell pictures apart that show the same things arranged otherwise?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from crossgraph.data.corpus import Corpus


@dataclass(frozen=True)
class TwinAccuracy:
    """`accuracy` in percent over `captions` telling captions; chance is 100 over the size of a twin group."""

    accuracy: float
    captions: int


def twin_accuracy(scores: Float[Tensor, "n m"], corpus: Corpus) -> TwinAccuracy | None:
    """How often a telling caption scores its own picture above every twin; None if the corpus has nothing to tell.

    A tie at the top among t pictures counts 1/t. Pictures whose twins are not in the corpus do not count.
    """
    if corpus.twin_group is None or corpus.telling is None:
        return None
    group, links = torch.tensor(corpus.twin_group), torch.tensor(corpus.caption_image)
    telling = torch.tensor(corpus.telling) & (group[links] >= 0)
    won = [torch.empty(0, dtype=torch.float64)]
    for name in torch.unique(group[links[telling]]):
        twins = (group == name).nonzero()[:, 0]
        captions = (telling & (group[links] == name)).nonzero()[:, 0]
        if len(twins) > 1:
            among = scores[twins][:, captions].cpu()
            top = among == among.amax(0)
            own = twins[:, None] == links[captions]
            won.append((top & own).sum(0) / top.sum(0).double())
    shares = torch.cat(won)
    return TwinAccuracy(100 * float(shares.mean()), len(shares)) if len(shares) else None
