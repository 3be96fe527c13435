import torch

from crossgraph.layers.projection import ResidualProjection


def test_each_vector_is_projected_on_its_own_whatever_the_leading_axes() -> None:
    torch.manual_seed(0)
    project, features = ResidualProjection(6, 4), torch.randn(2, 3, 6)
    projected = project(features)
    assert projected.shape == (2, 3, 4)
    assert torch.allclose(projected[1, 2], project(features[1, 2]), atol=1e-6)


def test_the_straight_and_the_bent_path_add_up() -> None:
    torch.manual_seed(0)
    project, features = ResidualProjection(6, 4, hidden=3), torch.randn(5, 6)
    normal = (features - features.mean(1, keepdim=True)) / (features.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    assert torch.allclose(project(features), project.straight(normal) + project.bent(normal), atol=1e-5)
    assert project.bent[0].out_features == 3


def test_the_scale_of_the_features_does_not_matter() -> None:
    torch.manual_seed(0)
    project, features = ResidualProjection(6, 4), torch.randn(5, 6)
    assert torch.allclose(project(1000 * features), project(features), atol=1e-4)


def test_dropout_rests_in_evaluation() -> None:
    project, features = ResidualProjection(6, 4, dropout=0.5).eval(), torch.randn(5, 6)
    assert torch.equal(project(features), project(features))
