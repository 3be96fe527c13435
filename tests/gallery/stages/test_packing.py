import torch

from crossgraph.gallery.stages.packing import halved


def test_matrices_are_halved_and_all_else_stays_to_the_bit() -> None:
    matrix, kernel = torch.randn(3, 4), torch.randn(2, 3, 1, 1)
    kept = {
        "vector": torch.randn(4),
        "scalar": torch.tensor(0.07),
        "whole numbers": torch.arange(6).view(2, 3),
        "truth": torch.ones(2, 2, dtype=torch.bool),
        "double": torch.randn(2, 2, dtype=torch.float64),
        "too large": torch.full((2, 2), 70_000.0),
        "not a number": torch.full((2, 2), torch.nan),
    }
    found = halved({"matrix": matrix, "kernel": kernel, **kept})
    assert found["matrix"].dtype == found["kernel"].dtype == torch.float16
    torch.testing.assert_close(found["matrix"].float(), matrix, atol=1e-3, rtol=1e-3)
    assert {name: found[name].dtype for name in kept} == {name: value.dtype for name, value in kept.items()}
    assert all(torch.equal(found[name], value) for name, value in kept.items() if name != "not a number")
