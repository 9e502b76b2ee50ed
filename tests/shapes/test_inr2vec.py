"""inr2vec: what the encoder reads, what it does not see, populations, and training in slices."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from helpers import stopped_after_one_shard
from onebasin import profiles
from onebasin.errors import InputError
from onebasin.networks import call, stack, unstack
from onebasin.networks.siren import Siren, shared_initialisation
from onebasin.seeds import stream
from onebasin.shapes import inr2vec_population as crowd
from onebasin.shapes import inr2vec_study
from onebasin.shapes import inr2vec_training as learning
from onebasin.shapes.fitting import Settings
from onebasin.shapes.inr2vec import Decoder, Encoder, Inr2vec, Sizes, encoder_input, input_size
from onebasin.shapes.inr2vec_population import Member
from onebasin.shapes.reconstruction import SearchOptions
from onebasin.shapes.udf import Counts
from onebasin.symmetry import Permutation, apply

pytest.importorskip("open3d")
SETTINGS = Settings(
    width=8, hidden=3, points=64, counts=Counts(100, 100, 100, 100), steps=30, batch=50, lr=1e-3
)
SIZES = Sizes(code=16, encoder=(16, 16), decoder=16, octaves=4)
SCHEDULE = learning.Schedule(epochs=4, slices=2, batch=3, queries=32, pool=200, lr=1e-3)


def numbered(network):
    """A state whose parameters are the numbers 1, 2, 3, ..., so that none can be mistaken."""
    state, at = {}, 1
    for name, tensor in network.named_parameters():
        state[name] = torch.arange(at, at + tensor.numel()).reshape(tensor.shape).float()
        at += tensor.numel()
    return state, at - 1


def test_all_layers_fill_the_matrix_of_the_thesis_once_each():
    network = Siren(5, 4)
    state, count = numbered(network)
    matrix = encoder_input(network, state)
    assert matrix.shape == (4 * 5 + 1, 6) == input_size(network.widths)
    held = matrix[matrix != 0]
    assert len(held) == count and torch.equal(held.sort().values, torch.arange(1.0, count + 1))
    assert (matrix[:5, 3:5] == 0).all() and torch.equal(matrix[:5, 5], state["layers.0.bias"])
    assert input_size((3, 512, 512, 512, 512, 1)) == (2049, 513)


def test_hidden_layers_alone_have_their_biases_as_rows():
    network = Siren(5, 4)
    state, _ = numbered(network)
    matrix = encoder_input(network, stack([state, state]), "hidden")
    assert matrix.shape == (2, 3 * 6, 5) and input_size((3, 512, 512, 512, 512, 1), "hidden") == (
        3 * 513,
        512,
    )
    assert torch.equal(matrix[1, 5], state["layers.1.bias"])
    assert torch.equal(matrix[0, 12:17], state["layers.3.weight"])


def test_matrices_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="layers"):
        input_size((3, 8, 8, 1), "some")
    for widths in ((3, 8, 9, 1), (3, 1), (9, 8, 8, 1)):
        with pytest.raises(InputError, match=r"widths=.*1 or more hidden layers.*equally wide"):
            input_size(widths)
    with pytest.raises(InputError, match=r"widths=\(3, 8, 1\): must be inputs, 2 or more"):
        input_size((3, 8, 1), "hidden")
    with pytest.raises(InputError, match="widths"):
        input_size((3, 8, 1), "hidden")


def test_the_embedding_sees_the_set_of_rows_but_not_their_order():
    encoder = Encoder(6, 16, (8, 8)).eval()
    matrix = torch.randn(2, 9, 6, generator=stream("matrix"))
    shuffled = matrix[:, torch.randperm(9, generator=stream("rows"))]
    torch.testing.assert_close(encoder(matrix), encoder(shuffled))
    columns = matrix[:, :, torch.tensor([1, 0, 2, 3, 4, 5])]
    assert not torch.allclose(encoder(matrix), encoder(columns), atol=1e-3)


def test_relabelled_units_are_the_same_field_and_another_embedding():
    network = Siren(8, 3)
    draw = stream("large")  # the hidden weights of a SIREN are small beside its biases
    state = {
        name: torch.randn(t.shape, generator=draw) / 10 for name, t in network.named_parameters()
    }
    sizes = network.spec.sizes(state)
    element = Permutation.random(network.spec, sizes, generator=stream("perm"))
    moved, x = apply(element, state), torch.rand(50, 3, generator=stream("x"))
    torch.testing.assert_close(call(network, state, x), call(network, moved, x))
    model = Inr2vec(network, SIZES)
    codes = model.encode(stack([state, moved]))
    assert (codes[0] - codes[1]).norm() > 1e-2 * codes[0].norm()


def test_the_decoder_asks_every_code_at_its_own_points():
    decoder = Decoder(16, 8, 3)
    codes, x = torch.randn(2, 16), torch.rand(2, 5, 3)
    together = decoder(codes, x)
    alone = torch.cat([decoder(codes[k : k + 1], x[k : k + 1]) for k in range(2)])
    assert together.shape == (2, 5)
    torch.testing.assert_close(together, alone)


def test_a_scaled_model_reads_every_tensor_at_one_spread():
    network = Siren(8, 3)
    draw = stream("scales")
    states = {
        name: torch.randn(20, *t.shape, generator=draw) * (k + 1)
        for k, (name, t) in enumerate(network.named_parameters())
    }
    model, plain = Inr2vec(network, replace(SIZES, scaled=True)), Inr2vec(network, SIZES)
    for one in (model, plain):
        one.measure(states)
    matrix = model.matrix(states)
    assert matrix[:, 8:16, 8].std() == pytest.approx(1) == pytest.approx(matrix[:, 8:16, :8].std())
    assert (matrix[:, :8, 3:8] == 0).all() and torch.isfinite(matrix).all()
    assert torch.equal(plain.matrix(states), encoder_input(network, states))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A population of eight INRs, two held out, and a training of two slices."""
    patch = pytest.MonkeyPatch()
    patch.setenv("ONEBASIN_STORE", str(tmp_path_factory.mktemp("store")))
    members = [Member(f"generated/chair_{k}", 0, 0, k % 2) for k in range(6)]
    others = [Member("generated/lamp_0"), Member("generated/lamp_0", 1, 3)]
    recipes = [crowd.population(each, SETTINGS, together=4) for each in (members, others)]
    people, held_out = (crowd.load(crowd.make(recipe)) for recipe in recipes)
    recipe = learning.training(recipes[:1], recipes[1], SIZES, SCHEDULE)
    yield people, held_out, recipe, learning.make(recipe, people, held_out)
    patch.undo()


def test_a_population_knows_its_members(made):
    people, held_out, _, _ = made
    assert people.members[3] == Member("generated/chair_3", 0, 0, 1) and len(people.clouds) == 6
    assert held_out.index(Member("generated/lamp_0", 1, 3)) == 1
    with pytest.raises(InputError, match="member"):
        people.index(Member("generated/lamp_0"))
    whole = learning.join([people, held_out])
    assert len(whole.members) == 8
    torch.testing.assert_close(
        whole.pick([7])["layers.0.bias"], held_out.pick([1])["layers.0.bias"]
    )


def test_members_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="members"):
        crowd.population([], SETTINGS)
    with pytest.raises(InputError, match="members"):
        crowd.population([Member("generated/chair_0")] * 2, SETTINGS)
    with pytest.raises(InputError, match="start"):
        crowd.first_weights(Siren(8), -1)


def test_starts_are_shared_by_shapes_and_number_0_is_the_shared_one():
    network = Siren(8, 3)
    one, two = crowd.first_weights(network, 1), crowd.first_weights(network, 2)
    shared = crowd.first_weights(network, 0)
    assert torch.equal(shared["layers.1.weight"], shared_initialisation(network)["layers.1.weight"])
    assert not torch.equal(one["layers.1.weight"], two["layers.1.weight"])


def test_a_stretched_shape_is_another_one_in_the_unit_ball():
    from onebasin.data.shapes import surface

    chair = surface("generated/chair_0")
    other = crowd.stretched(chair, 1, 1.5)
    assert crowd.stretched(chair, 0, 1.5) is chair and other.name != chair.name
    assert abs(float(other.mesh.vertices.norm(dim=1).max()) - 1) < 1e-6
    factors = other.mesh.vertices.std(0) / chair.mesh.vertices.std(0)
    assert factors.max() / factors.min() > 1.05


def test_slices_give_what_one_go_gives(made):
    people, held_out, _, artifact = made
    network = SETTINGS.network()
    trained = learning.load(artifact, network)
    assert len(trained.loss) == 4 and len(trained.held_out) == 2
    whole = learning.training([], recipe_of(held_out), SIZES, replace(SCHEDULE, slices=1))
    at_once = learning.load(learning.make(whole, people, held_out), network)
    torch.testing.assert_close(trained.loss, at_once.loss, rtol=1e-5, atol=1e-6)
    name = "encoder.rows.0.weight"
    torch.testing.assert_close(trained.model.state_dict()[name], at_once.model.state_dict()[name])
    assert not torch.equal(trained.slice_models[0][name], trained.slice_models[1][name])


def recipe_of(people):
    return crowd.population(people.members, people.settings)


def test_a_stopped_training_goes_on_where_it_stopped(made, monkeypatch, tmp_path):
    people, held_out, recipe, artifact = made
    monkeypatch.setenv("ONEBASIN_STORE", str(tmp_path))
    with stopped_after_one_shard():
        learning.make(recipe, people, held_out)
    again = learning.make(recipe, people, held_out)
    assert again.made == 1
    first, second = (learning.load(one, SETTINGS.network()) for one in (artifact, again))
    torch.testing.assert_close(first.loss, second.loss, rtol=1e-5, atol=1e-6)


def test_it_learns_one_shape_and_gives_it_back(made):
    """Two INRs of one chair: enough steps fit the field, and points walk to its surface."""
    people, held_out, _, _ = made
    recipe = learning.training(
        [], recipe_of(held_out), Sizes(code=32, encoder=(32, 32), decoder=64),
        replace(SCHEDULE, epochs=150, slices=1, batch=6, queries=128, pool=600, lr=3e-3,
                counts=Counts(1, 1, 1, 1)),
    )  # fmt: skip
    trained = learning.load(learning.make(recipe, people, held_out), SETTINGS.network())
    assert trained.loss[-5:].mean() < 0.8 * trained.loss[0]
    codes = trained.model.encode(people.pick([0, 1]))
    options = SearchOptions(points=50, candidates=500, rounds=20)
    found = trained.model.reconstruct(codes, [stream("a"), stream("b")], options)
    alone = trained.model.reconstruct(codes[1:], [stream("b")], options)
    assert found.complete.all() and found.clouds[0].shape == (50, 3)
    torch.testing.assert_close(found.clouds[1], alone.clouds[0], rtol=0, atol=5e-3)
    with pytest.raises(InputError, match="generators"):
        trained.model.reconstruct(codes, [stream("a")])


def test_half_precision_and_noise_learn_too(made):
    people, held_out, _, _ = made
    low = replace(SCHEDULE, precision="bfloat16", epochs=2, noise=0.1)
    recipe = learning.training([], recipe_of(held_out), SIZES, low)
    trained = learning.load(learning.make(recipe, people, held_out), SETTINGS.network())
    assert torch.isfinite(trained.loss).all()
    assert trained.model.encoder.last.weight.dtype == torch.float32
    assert unstack(people.states)[0]["layers.0.bias"].dtype == torch.float32


def test_impossible_schedules_are_refused():
    with pytest.raises(InputError, match="slices"):
        replace(SCHEDULE, slices=9)
    with pytest.raises(InputError, match="precision"):
        replace(SCHEDULE, precision="half")
    with pytest.raises(InputError, match="batch"):
        replace(SCHEDULE, batch=1)


def test_a_study_keeps_its_groups_apart():
    params = profiles.resolve("inrs/inr2vec")
    study = inr2vec_study.of({**params, "train": "generated/airplane_{} 0-3", "twice":
        "generated/airplane_{} 2-2", "starts": 3})  # fmt: skip
    assert [one.shape[-1] for one in study.members("shared")] == ["0", "1", "3"]
    assert study.members("twice") == [
        Member("generated/airplane_2", *entry) for entry in ((0, 0), (1, 0), (0, 1), (0, 2))
    ]
    more = replace(study, stretches=2).members("shared")
    assert (
        more[:3] == study.members("shared")
        and [one.stretch for one in more[3:]] == [1] * 3 + [2] * 3
    )
    starts = [one.start for kind in ("free", "free-unseen") for one in study.members(kind)]
    assert len(set(starts)) == len(starts) and not set(starts) & {0, 1, 2}
    with pytest.raises(InputError, match="kind"):
        study.members("other")
    with pytest.raises(InputError, match="kind"):
        study.trained("unseen")


@pytest.mark.parametrize("profile", profiles.PROFILES)
def test_every_profile_names_shapes_that_can_be(profile):
    params = profiles.resolve("inrs/inr2vec", profile)
    for block in (params[name] for name in ("train", "unseen", "twice")):
        assert "::" in block or inr2vec_study.names(block)


@pytest.mark.parametrize("block", ["chair", "chair_{}", "chair_{} 1::2", "pack 0-4", "pack 0::0"])
def test_blocks_that_cannot_be_read_are_refused(block):
    with pytest.raises(InputError, match="block"):
        inr2vec_study.names(block)


def test_starts_that_could_not_be_told_apart_are_refused():
    params = profiles.resolve("inrs/inr2vec")
    study = inr2vec_study.of({**params, "starts": 101})
    with pytest.raises(InputError, match="starts"):
        study.members("free")
    far = inr2vec_study.of(params).members("free-unseen")
    assert {one.start for one in far}.isdisjoint(
        one.start for one in inr2vec_study.of(params).members("free")
    )
