"""The Triton kernels of `triton.py`. `functional.py` has the equations; names are those of the C++ loops."""

# mypy: ignore-errors

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _columns(parameters, index, period, mask):
    at = parameters + index % period
    decay = tl.load(at, mask=mask, other=0.0)
    gain = tl.load(at + period, mask=mask, other=0.0)
    rest = tl.load(at + 2 * period, mask=mask, other=0.0)
    given = tl.load(at + 3 * period, mask=mask, other=0.0)
    reset = tl.load(at + 4 * period, mask=mask, other=0.0)
    keeps = tl.load(at + 5 * period, mask=mask, other=0.0)
    jump = tl.load(at + 6 * period, mask=mask, other=0.0)
    slope = tl.load(at + 7 * period, mask=mask, other=0.0)
    return decay, gain, rest, given, reset, keeps, jump, slope


@triton.jit
def _sigmoid(z):
    return 1 / (1 + tl.exp(-z))


@triton.jit
def _normal(d, mean, deviation, pi):
    z = (d - mean) / deviation
    return tl.exp(-0.5 * z * z) / (deviation * tl.sqrt(2 * pi))


@triton.jit
def _derivative(d, numbers, SURROGATE: tl.constexpr):
    a, b, c, pi = tl.load(numbers + 2), tl.load(numbers + 3), tl.load(numbers + 4), tl.load(numbers + 5)
    if SURROGATE == 0:  # in the order of problem.SURROGATES
        root = 1 + a * tl.abs(d)
        slope = 1 / (root * root)
    elif SURROGATE == 1:
        z = 0.5 * pi * a * d
        slope = 0.5 * a / (1 + z * z)
    elif SURROGATE == 2:
        slope = a * tl.maximum(1 - tl.abs(d) / b, d * 0)
    elif SURROGATE == 3:
        slope = _normal(d, 0, a, pi)
    elif SURROGATE == 4:
        slope = d * 0 + 1
    else:
        sides = _normal(d, a, a * b, pi) + _normal(d, -a, a * b, pi)
        slope = (1 + c) * _normal(d, 0, a, pi) - c * sides
    return slope


@triton.jit
def _membrane(v, left, decay, gain, rest, x, noise, numbers, NOISY: tl.constexpr, WAITING: tl.constexpr):
    u = (rest + decay * (v - rest)) + gain * x
    if NOISY:
        u = u + noise
    largest = tl.load(numbers + 6)
    u = tl.where(u > largest, largest, u)
    u = tl.where(u < -largest, -largest, u)
    if WAITING:
        u = tl.where(left > 0, v, u)
    return u


@triton.jit
def _fires(d, left, uniform, slope, STOCHASTIC: tl.constexpr, WAITING: tl.constexpr):
    spike = uniform < _sigmoid(slope * d) if STOCHASTIC else d >= 0
    if WAITING:
        spike = spike & (left <= 0)
    return spike


@triton.jit
def _after(u, at, reset, SUBTRACT: tl.constexpr, ADAPTIVE: tl.constexpr):
    if SUBTRACT and ADAPTIVE:
        v = u - (at - reset)
    elif SUBTRACT:
        v = u + reset
    else:
        v = reset
    return v


@triton.jit
def _clamped(x, numbers):
    x = tl.where(x < tl.load(numbers), tl.load(numbers), x)
    return tl.where(x > tl.load(numbers + 1), tl.load(numbers + 1), x)


@triton.jit
def forward_kernel(
    x, x_stride, noise, uniform, parameters, refractory, period, numbers,
    spikes, v_state, left_state, threshold_state, kept_v, kept_left, kept_threshold, steps, elements,
    WAITING: tl.constexpr, ADAPTIVE: tl.constexpr, STOCHASTIC: tl.constexpr, NOISY: tl.constexpr, SUBTRACT: tl.constexpr,
    CHUNK: tl.constexpr, BLOCK: tl.constexpr, KEEP: tl.constexpr,
):  # fmt: skip
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = index < elements
    decay, gain, rest, given, reset, keeps, jump, slope = _columns(parameters, index, period, mask)
    v = tl.load(v_state + index, mask=mask, other=0.0)
    zero = tl.zeros((BLOCK,), v.dtype)
    left = tl.zeros((BLOCK,), tl.int32)
    held = left
    threshold = given
    if WAITING:
        left = tl.load(left_state + index, mask=mask, other=0)
        held = tl.load(refractory + index % period, mask=mask, other=0)
    if ADAPTIVE:
        threshold = tl.load(threshold_state + index, mask=mask, other=0.0)
    x_at, at_step, at_row = x + index, index, index
    for first in range(0, steps, CHUNK):
        if KEEP:
            tl.store(kept_v + at_row, v, mask=mask)
            if WAITING:
                tl.store(kept_left + at_row, left, mask=mask)
            if ADAPTIVE:
                tl.store(kept_threshold + at_row, threshold, mask=mask)
        at_row += elements
        for _ in range(first, min(first + CHUNK, steps)):
            now = tl.load(x_at, mask=mask, other=0.0)
            jolt = tl.load(noise + at_step, mask=mask, other=0.0) if NOISY else now
            draw = tl.load(uniform + at_step, mask=mask, other=0.0) if STOCHASTIC else now
            u = _membrane(v, left, decay, gain, rest, now, jolt, numbers, NOISY, WAITING)
            at = given + keeps * (threshold - given) if ADAPTIVE else given
            spike = _fires(u - at, left, draw, slope, STOCHASTIC, WAITING)
            d = u - at
            unknown = tl.where(d == d, zero, d) if not WAITING else tl.where((d == d) | (left > 0), zero, d)  # NaN stays NaN
            one = tl.where(spike, 1, unknown).to(v.dtype)
            tl.store(spikes + at_step, one, mask=mask)
            v = tl.where(spike, _after(u, at, reset, SUBTRACT, ADAPTIVE), u)
            if WAITING:
                left = tl.where(spike, held, tl.maximum(left - 1, 0))
            if ADAPTIVE:
                threshold = _clamped(at + jump * one, numbers)
            x_at += x_stride
            at_step += elements
    tl.store(v_state + index, v, mask=mask)
    if WAITING:
        tl.store(left_state + index, left, mask=mask)
    if ADAPTIVE:
        tl.store(threshold_state + index, threshold, mask=mask)


@triton.jit
def backward_kernel(
    x, x_stride, noise, uniform, parameters, refractory, period, numbers,
    kept_v, kept_left, kept_threshold, incoming, incoming_stride, scratch,
    grad_x, grad_v, grad_threshold, grad_noise, per_element, steps, elements,
    WAITING: tl.constexpr, ADAPTIVE: tl.constexpr, STOCHASTIC: tl.constexpr, NOISY: tl.constexpr, SUBTRACT: tl.constexpr,
    CHUNK: tl.constexpr, BLOCK: tl.constexpr, SURROGATE: tl.constexpr, DETACH: tl.constexpr, WANTS_X: tl.constexpr,
    WANTS_NOISE: tl.constexpr, LEARNS: tl.constexpr,
):  # fmt: skip
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = index < elements
    decay, gain, rest, given, reset, keeps, jump, slope = _columns(parameters, index, period, mask)
    held = tl.load(refractory + index % period, mask=mask, other=0) if WAITING else tl.zeros((BLOCK,), tl.int32)
    of_v = tl.load(grad_v + index, mask=mask, other=0.0)
    of_threshold = tl.load(grad_threshold + index, mask=mask, other=0.0) if ADAPTIVE else of_v * 0
    zero = of_v * 0
    d_decay, d_gain, d_rest, d_given, d_reset, d_keeps, d_jump, d_slope = zero, zero, zero, zero, zero, zero, zero, zero
    rows = tl.minimum(CHUNK, steps)
    part = rows.to(tl.int64) * elements  # of the scratch: u, v, the threshold before, whether it is held, whether it spikes
    chunks = (steps + CHUNK - 1) // CHUNK
    for back in range(chunks):
        number = chunks - 1 - back
        first = number * CHUNK
        count = tl.minimum(CHUNK, steps - first)
        at_row = tl.cast(number, tl.int64) * elements + index
        v = tl.load(kept_v + at_row, mask=mask, other=0.0)
        left = tl.load(kept_left + at_row, mask=mask, other=0) if WAITING else tl.zeros((BLOCK,), tl.int32)
        threshold = tl.load(kept_threshold + at_row, mask=mask, other=0.0) if ADAPTIVE else given
        at_step = tl.cast(first, tl.int64) * elements + index
        x_at = x + tl.cast(first, tl.int64) * x_stride + index
        room = scratch + index
        for _ in range(count):
            now = tl.load(x_at, mask=mask, other=0.0)
            jolt = tl.load(noise + at_step, mask=mask, other=0.0) if NOISY else now
            draw = tl.load(uniform + at_step, mask=mask, other=0.0) if STOCHASTIC else now
            u = _membrane(v, left, decay, gain, rest, now, jolt, numbers, NOISY, WAITING)
            at = given + keeps * (threshold - given) if ADAPTIVE else given
            spike = _fires(u - at, left, draw, slope, STOCHASTIC, WAITING)
            tl.store(room, u, mask=mask)
            tl.store(room + part, v, mask=mask)
            tl.store(room + 2 * part, threshold, mask=mask)
            tl.store(room + 3 * part, (left > 0).to(v.dtype), mask=mask)
            tl.store(room + 4 * part, spike.to(v.dtype), mask=mask)
            v = tl.where(spike, _after(u, at, reset, SUBTRACT, ADAPTIVE), u)
            if WAITING:
                left = tl.where(spike, held, tl.maximum(left - 1, 0))
            if ADAPTIVE:
                threshold = _clamped(at + jump * spike.to(v.dtype), numbers)
            x_at += x_stride
            at_step += elements
            room += elements
        tl.debug_barrier()  # what this program wrote is there for all of its threads
        incoming_at = incoming + tl.cast(first + count, tl.int64) * incoming_stride + index
        for _ in range(count):
            x_at -= x_stride
            at_step -= elements
            room -= elements
            incoming_at -= incoming_stride
            u = tl.load(room, mask=mask, other=0.0)
            before = tl.load(room + 2 * part, mask=mask, other=0.0)
            free = 1 - tl.load(room + 3 * part, mask=mask, other=0.0)
            spike = tl.load(room + 4 * part, mask=mask, other=0.0)
            at = given + keeps * (before - given) if ADAPTIVE else given
            if SUBTRACT:
                of_u = of_v
                of_acting = of_v * (reset - at if ADAPTIVE else reset)
            else:
                of_u = of_v * (1 - spike)
                of_acting = of_v * (reset - u)
            of_at = zero
            if ADAPTIVE:
                raw = at + jump * spike
                inside = (raw >= tl.load(numbers)) & (raw <= tl.load(numbers + 1))
                of_next = tl.where(inside, of_threshold, zero)
                of_acting += of_next * jump
                of_at = of_next - of_v * spike if SUBTRACT else of_next
                d_jump += of_next * spike
            of_spike = tl.load(incoming_at, mask=mask, other=0.0)
            if not DETACH:
                of_spike += of_acting
            if STOCHASTIC:
                p = _sigmoid(slope * (u - at))
                of_spike = of_spike * (p * (1 - p)) * free
                d_slope += of_spike * (u - at)
                of_d = of_spike * slope
            else:
                of_d = of_spike * _derivative(u - at, numbers, SURROGATE) * free
            of_u += of_d
            of_at -= of_d
            driven = tl.where(tl.abs(u) < tl.load(numbers + 6), of_u * free, zero)
            if ADAPTIVE:
                of_threshold = of_at * keeps
                d_keeps += of_at * (before - given)
                of_at -= of_threshold
            if LEARNS:
                d_given += of_at
                d_reset += of_v * spike
                d_decay += driven * (tl.load(room + part, mask=mask, other=0.0) - rest)
                d_gain += driven * tl.load(x_at, mask=mask, other=0.0)
                d_rest += driven - driven * decay
            if WANTS_X:
                tl.store(grad_x + at_step, driven * gain, mask=mask)
            if WANTS_NOISE:
                tl.store(grad_noise + at_step, driven, mask=mask)
            of_v = tl.where(free > 0, driven * decay, of_u)
        tl.debug_barrier()  # before the scratch is written again
    tl.store(grad_v + index, of_v, mask=mask)
    if ADAPTIVE:
        tl.store(grad_threshold + index, of_threshold, mask=mask)
    if LEARNS:
        to = per_element + index
        tl.store(to, d_decay, mask=mask)
        tl.store(to + elements, d_gain, mask=mask)
        tl.store(to + 2 * elements, d_rest, mask=mask)
        tl.store(to + 3 * elements, d_given, mask=mask)
        tl.store(to + 4 * elements, d_reset, mask=mask)
        tl.store(to + 5 * elements, d_keeps, mask=mask)
        tl.store(to + 6 * elements, d_jump, mask=mask)
        tl.store(to + 7 * elements, d_slope, mask=mask)
