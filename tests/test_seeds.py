"""Named streams, and lending one to code that knows only torch's global stream."""

from __future__ import annotations

import torch

from onebasin import seeds


def test_a_lent_generator_advances_and_the_global_stream_stays():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    generator, twin = seeds.stream("lent", 1), seeds.stream("lent", 1)
    with seeds.lent(generator):
        drawn = torch.rand(5)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(drawn, torch.rand(5, generator=twin))
    assert torch.equal(generator.get_state(), twin.get_state())
    with seeds.lent(generator):
        assert torch.equal(torch.rand(5), torch.rand(5, generator=twin))


def test_the_global_stream_stays_when_the_borrower_fails():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    try:
        with seeds.lent(seeds.stream("lent", 1)):
            torch.rand(5)
            raise KeyError("borrower")
    except KeyError:
        pass
    assert torch.equal(torch.get_rng_state(), before)
