"""Laws of every kind of group element: a group that acts, and survives the disk bit by bit."""

import pytest
import torch

from helpers import close, draw, forward, network
from onebasin.errors import CorruptFileError, InputError
from onebasin.symmetry import Dihedral, Element, Permutation, Scaling, apply

OMEGA = 1.5
KINDS = [Permutation, Scaling, Dihedral]
MORE = {Dihedral: {"omega": OMEGA}}
ACTIVATION = {Dihedral: lambda y: torch.sin(OMEGA * y)}
WIDTHS = (3, 5, 1, 4, 2)
DTYPES = [torch.float32, torch.float64]

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
every_stack = pytest.mark.parametrize("models", [None, 1, 4])


def pieces(kind, models, dtype, count=3):
    spec = network(WIDTHS)
    state = draw(spec, WIDTHS, 0, models=models, dtype=dtype)
    generator = torch.Generator().manual_seed(1)
    sizes = spec.sizes(state)
    return state, [random(kind, spec, sizes, generator, models) for _ in range(count)]


def random(kind, *arguments):
    return kind.random(*arguments, **MORE.get(kind, {}))


def same(left, right, dtype):
    return all(close(left[name], right[name], dtype, terms=10) for name in right)


def values(element):
    return {(part, g): t for part in element.parts for g, t in getattr(element, part).items()}


@every_dtype
@every_stack
@every_kind
def test_action(kind, models, dtype):
    state, (p, q, r) = pieces(kind, models, dtype)
    assert isinstance(p, Element)
    assert same(apply(p @ q, state), apply(p, apply(q, state)), dtype)
    assert same(apply((p @ q) @ r, state), apply(p @ (q @ r), state), dtype)
    one = kind.identity(p.spec, p.spec.sizes(state), models, **MORE.get(kind, {}))
    assert all(torch.equal(apply(one, state)[name], state[name]) for name in state)
    for trivial in (p @ p.inverse(), p.inverse() @ p):
        assert same(apply(trivial, state), state, dtype)
    assert {name: t.dtype for name, t in apply(p, state).items()} == dict.fromkeys(state, dtype)


@every_dtype
@every_stack
@every_kind
def test_function_kept(kind, models, dtype):
    state, (p, *_) = pieces(kind, models, dtype)
    x = torch.randn(9, WIDTHS[0], generator=torch.Generator().manual_seed(2)).to(dtype)
    activation = ACTIVATION.get(kind, torch.relu)
    before, after = (forward(s, x, activation) for s in (state, apply(p, state)))
    assert close(after, before, dtype, terms=200)


@every_kind
def test_matrices_multiply_as_elements_do(kind):
    _, (p, q, _) = pieces(kind, 3, torch.float64)
    for group, matrix in (p @ q).matrices().items():
        assert close(matrix, p.matrices()[group] @ q.matrices()[group], torch.float64)


@every_stack
@every_kind
def test_stack_and_select(kind, models):
    state, (p, q, r) = pieces(kind, None, torch.float64)
    stacked = kind.stack([p, q, r])
    assert stacked.models == 3
    many = apply(stacked, {name: t.expand(3, *t.shape) for name, t in state.items()})
    for k, one in enumerate((p, q, r)):
        assert all(torch.equal(many[name][k], apply(one, state)[name]) for name in state)
        assert all(torch.equal(values(stacked.select(k))[g], values(one)[g]) for g in values(one))


@every_kind
def test_one_element_moves_a_stack_alike(kind):
    state, (p, *_) = pieces(kind, None, torch.float64)
    stack = {name: torch.stack([t, 2 * t]) for name, t in state.items()}
    moved = apply(p, stack)
    twice = apply(p, {name: 2 * t for name, t in state.items()})
    assert all(torch.equal(moved[name][1], twice[name]) for name in state)


@every_kind
def test_gradients_flow_through(kind):
    state, (p, *_) = pieces(kind, None, torch.float64)
    leaves = {name: t.requires_grad_() for name, t in state.items()}
    sum((t.square() / 2).sum() for t in apply(p, leaves).values()).backward()
    moved = apply(p.inverse(), apply(p, {name: t.detach() for name, t in leaves.items()}))
    if kind is Permutation:
        assert all(torch.equal(leaves[name].grad, moved[name]) for name in leaves)
    else:
        assert all(leaves[name].grad.isfinite().all() for name in leaves)


@every_stack
@every_kind
def test_save_and_load_bit_by_bit(kind, models, tmp_path):
    _, (p, q, _) = pieces(kind, models, torch.float64)
    path = tmp_path / "folder" / "element.safetensors"
    p.save(path)
    back = kind.load(path)
    assert back.spec == p.spec
    assert all(torch.equal(values(back)[g], values(p)[g]) for g in values(p))
    q.save(path)  # replaced as a whole
    assert all(torch.equal(values(kind.load(path))[g], values(q)[g]) for g in values(q))
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@every_kind
def test_damaged_files_are_named(kind, tmp_path):
    _, (p, *_) = pieces(kind, None, torch.float64)
    path = tmp_path / "element.safetensors"
    p.save(path)
    whole = path.read_bytes()
    for damaged in (whole[:20], whole[:-8], b"", b"\x80\x04pickle", b"{}" + whole):
        path.write_bytes(damaged)
        with pytest.raises(CorruptFileError, match=r"element\.safetensors.*save"):
            kind.load(path)
    with pytest.raises(FileNotFoundError):
        kind.load(tmp_path / "none.safetensors")


def test_kinds_are_not_mixed_up(tmp_path):
    _, (p, *_) = pieces(Permutation, None, torch.float64)
    p.save(tmp_path / "p")
    with pytest.raises(InputError, match="holds a permutation, not a scaling"):
        Scaling.load(tmp_path / "p")


@every_kind
def test_wrong_states_are_refused(kind):
    state, (p, *_) = pieces(kind, 3, torch.float64)
    single = {name: t[0] for name, t in state.items()}
    with pytest.raises(InputError, match="stack of 3"):
        apply(p, single)
    with pytest.raises(InputError, match="units"):
        apply(p.select(0), draw(p.spec, (3, 6, 1, 4, 2), 0))
    with pytest.raises(InputError, match="another spec"):
        p.compose(random(kind, network((2, 2, 2)), {"hidden.0": 2}, torch.Generator(), 3))
