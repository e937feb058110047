#!/usr/bin/env python3
"""One implicit hypergradient of hyper-cleaning on 2,000 digits: time, memory and error with JAX, jaxopt or PyTorch.

Usage: hypergradient.py {jax,jax-kronecker,jaxopt,torch,torchopt} data/mnist5k/mnist_5k.csv.gz

Lower level: softmax regression y (784 x 10 and a bias) on 2,000 digits, of which every second has another label, weighted
by sigmoid(s), with 1e-3 |y|^2; upper level: the loss on 500 other digits; s = 0. The solution y is found first; timed is
the gradient by s at that y: gradients of the upper loss, conjugate gradients with Hessian products to a relative residual of
RTOL, and the mixed product. `jax-kronecker` is tenzo's own algorithm in JAX: the same Kronecker-factored preconditioner,
made anew each time, and its tolerance. Two threads, float32. Prints JSON: seconds (the least of 20), the memory that the process
grew by after loading, with nothing compiled yet, its error against double precision, and the iterations.
"""
import importlib
import json
import os
import sys
import time

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=true intra_op_parallelism_threads=2")
os.environ.setdefault("OMP_NUM_THREADS", "2")
import numpy as np

RTOL, REGULARIZATION, TRAIN, VALIDATION = 5e-5, 1e-3, 2000, 500
PRECONDITIONED_RTOL, RANK = 1e-4, 96


def digits(path):
    """Samples taken evenly: pixels in [0, 1] and labels; every second label of the training part is another one."""
    table = np.loadtxt(path, delimiter=",", dtype=np.float32)
    pixels, labels = table[:, :784] / 255, table[:, 784].astype(np.int64)
    order = (np.arange(len(labels)) * 1747) % len(labels)  # 1747 and 5000 have no common divisor
    train, validation = order[:TRAIN], order[TRAIN:TRAIN + VALIDATION]
    noisy = labels[train].copy()
    noisy[1::2] = (noisy[1::2] + 1 + np.arange(TRAIN // 2) % 9) % 10
    return pixels[train], noisy, pixels[validation], labels[validation]


def rss():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def forget_peak():
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")


def peak():
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:")) * 1024


def softmax(z):
    p = np.exp(z - z.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


def with_ones(x):
    return np.hstack([x, np.ones((len(x), 1))]).astype(np.float64)


def hessian(x, p):
    """Products with the lower loss' Hessian at probabilities p: all weights are one half."""
    def product(v):
        d = x @ v.T
        d = p * (d - (p * d).sum(1, keepdims=True))
        return 0.5 * d.T @ x / len(x) + 2 * REGULARIZATION * v
    return product


def conjugate_gradients(product, b, iterations, enough):
    """Solves product(v) = b until the residual's square is below `enough`."""
    v, r = np.zeros_like(b), b
    q, rr = r.copy(), (r * r).sum()
    for _ in range(iterations):
        hq = product(q)
        a = rr / (q * hq).sum()
        v, r = v + a * q, r - a * hq
        now = (r * r).sum()
        if now < enough:
            break
        q, rr = r + now / rr * q, now
    return v


def solve_lower(x, labels):
    """The minimum in double precision by Newton's method with conjugate gradients, in numpy."""
    x = with_ones(x)
    one_hot, w = np.eye(10)[labels], np.zeros((10, 785))
    for _ in range(30):
        p = softmax(x @ w.T)
        g = 0.5 * (p - one_hot).T @ x / len(x) + 2 * REGULARIZATION * w
        if np.linalg.norm(g) < 1e-13:
            break
        w = w + conjugate_gradients(hessian(x, p), -g, 400, 1e-26)
    return w[:, :784], w[:, 784]


def reference(xt, lt, xv, lv, w, b):
    """The hypergradient at w in double precision."""
    x, v, y = with_ones(xt), with_ones(xv), np.hstack([w, b[:, None]]).astype(np.float64)
    p = softmax(x @ y.T)
    gf = (softmax(v @ y.T) - np.eye(10)[lv]).T @ v / len(v)
    u = conjugate_gradients(hessian(x, p), -gf, 2000, 1e-24 * (gf * gf).sum())
    return 0.25 * ((p - np.eye(10)[lt]) * (x @ u.T)).sum(1) / len(x)


def kronecker_preconditioner(x, curvature, damping, omega):
    """The inverse of (U L U' + t (I - U U')) kron S + damping I as a map of a weight and its bias: U L U' is Nystrom's
    approximation of the mean of a a' over the inputs x, continued by ones, from the directions omega; t is the mean of
    the other eigenvalues. The small matrices in double precision, as in tenzo/solve/kronecker.hpp."""
    import jax
    import jax.numpy as jnp
    inputs, last = omega[:-1], omega[-1]
    times = x @ inputs + last
    y = jnp.vstack([x.T @ times, times.sum(0)]).astype(jnp.float64) / len(x)
    omega = omega.astype(jnp.float64)
    shift = 4 * jnp.finfo(jnp.float32).eps * jnp.linalg.norm(y)
    y = y + shift * omega
    core = omega.T @ y
    root = jnp.linalg.cholesky((core + core.T) / 2)
    half = jax.scipy.linalg.solve_triangular(root, y.T @ y, lower=True)
    values, vectors = jnp.linalg.eigh(jax.scipy.linalg.solve_triangular(root, half.T, lower=True))
    kept = values > jnp.maximum(1e-9 * values[-1], 2 * shift)
    scale = jnp.where(kept, 1 / jnp.sqrt(jnp.where(kept, values, 1)), 0)
    u = (y @ (jax.scipy.linalg.solve_triangular(root.T, vectors, lower=False) * scale)).astype(jnp.float32)
    values = jnp.where(kept, values - shift, 0)
    rest = jnp.maximum(0, ((x * x).sum() / len(x) + 1 - values.sum()) / (len(y) - kept.sum()))
    sizes, rotation = jnp.linalg.eigh(curvature)
    sizes = jnp.maximum(sizes, 0)
    beside = 1 / (sizes * rest + damping)
    gains = (1 / (sizes[:, None] * values[None, :] + damping) - beside[:, None]).astype(jnp.float32)
    base = ((rotation * beside) @ rotation.T).astype(jnp.float32)
    rotation = rotation.astype(jnp.float32)

    def inverse(r):
        weight, bias = r
        c = weight @ u[:-1] + bias[:, None] * u[-1]
        c = rotation @ ((rotation.T @ c) * gains)
        return base @ weight + c @ u[:-1].T, base @ bias + c @ u[-1]
    return inverse


def with_jax(data, w, b, kind):
    import jax
    import jax.numpy as jnp
    use_jaxopt, preconditioned = kind == "jaxopt", kind == "jax-kronecker"
    if preconditioned:
        jax.config.update("jax_enable_x64", True)  # for the small matrices; all else is float32
    xt, lt, xv, lv = map(jnp.asarray, data)

    def cross_entropy(y, x, labels):
        z = x @ y[0].T + y[1]
        return -jnp.take_along_axis(jax.nn.log_softmax(z), labels[:, None], 1)[:, 0]

    def upper(s, y):
        return cross_entropy(y, xv, lv).mean()

    def lower(y, s):
        return (jax.nn.sigmoid(s) * cross_entropy(y, xt, lt)).mean() + REGULARIZATION * sum((p ** 2).sum() for p in y)

    if use_jaxopt:
        import jaxopt
        from jaxopt import linear_solve

        solver = lambda matvec, rhs: linear_solve.solve_cg(matvec, rhs, tol=RTOL, maxiter=400)
        root = jaxopt.implicit_diff.custom_root(jax.grad(lower), solve=solver)(lambda init, s: init)
        gradient = jax.jit(jax.grad(lambda s, y: upper(s, root(y, s))))
    else:
        omega = jax.random.normal(jax.random.key(1), (785, RANK), jnp.float32)

        def preconditioner(s, y, x, omega):  # half of the samples tells enough of the inputs, as in tenzo's benchmark
            p = jax.nn.softmax(x @ y[0].T + y[1]).astype(jnp.float64)
            weighted = jax.nn.sigmoid(s)[:, None] * p
            curvature = (jnp.diag(weighted.sum(0)) - p.T @ weighted) / len(p)
            return kronecker_preconditioner(x[:TRAIN // 2], curvature, 2 * REGULARIZATION, omega)

        @jax.jit
        def gradient(s, y, x, omega):  # arguments, or the compiler would make the factors of the inputs
            gs, gy = jax.grad(upper, (0, 1))(s, y)
            product = lambda u: jax.jvp(lambda q: jax.grad(lower)(q, s), (y,), (u,))[1]
            v = jax.scipy.sparse.linalg.cg(product, jax.tree.map(jnp.negative, gy), maxiter=400,
                                           tol=PRECONDITIONED_RTOL if preconditioned else RTOL,
                                           M=preconditioner(s, y, x, omega) if preconditioned else None)[0]
            return gs + jax.grad(lambda t: sum((a * c).sum() for a, c in zip(jax.grad(lower)(y, t), v)))(s)

    arguments = () if use_jaxopt else (xt, omega)
    s, y = jnp.zeros(TRAIN, jnp.float32), (jnp.asarray(w, jnp.float32), jnp.asarray(b, jnp.float32))
    return lambda: np.asarray(gradient(s, y, *arguments).block_until_ready())


def with_torch(data, w, b, use_torchopt):
    import torch
    torch.set_num_threads(2)
    xt, lt, xv, lv = map(torch.from_numpy, data)
    weights = [torch.tensor(w, dtype=torch.float32), torch.tensor(b, dtype=torch.float32)]

    def lower(y, s):
        loss = torch.nn.functional.cross_entropy(xt @ y[0].T + y[1], lt, reduction="none")
        return (torch.sigmoid(s) * loss).mean() + REGULARIZATION * sum((p ** 2).sum() for p in y)

    def upper(y):
        return torch.nn.functional.cross_entropy(xv @ y[0].T + y[1], lv)

    if use_torchopt:
        import torchopt
        from torchopt.diff.implicit import custom_root

        optimality = lambda y, s: torch.func.grad(lower)(y, s)
        solver = torchopt.linear_solve.solve_cg(rtol=RTOL, maxiter=400)

        @custom_root(optimality, argnums=1, has_aux=False, solve=solver)
        def solution(y, s):
            return tuple(y)

        def gradient():
            s = torch.zeros(TRAIN, requires_grad=True)
            upper(solution(tuple(weights), s)).backward()
            return s.grad.numpy()

        return gradient

    def gradient():
        y = [p.clone().requires_grad_() for p in weights]
        s = torch.zeros(TRAIN, requires_grad=True)
        gf = torch.autograd.grad(upper(y), y)
        g = torch.autograd.grad(lower(y, s), y, create_graph=True)  # its graph is kept for all products
        product = lambda u: torch.autograd.grad(g, y, u, retain_graph=True)
        v, r = [torch.zeros_like(p) for p in y], [-p for p in gf]
        q, rr = [p.clone() for p in r], sum((p * p).sum() for p in r)
        enough = RTOL ** 2 * rr
        for _ in range(400):
            if rr <= enough:
                break
            hq = product(q)
            a = rr / sum((c * d).sum() for c, d in zip(q, hq))
            for c, d, e, f in zip(v, r, q, hq):
                c += a * e
                d -= a * f
            now = sum((p * p).sum() for p in r)
            for c, d in zip(q, r):
                c.mul_(now / rr).add_(d)
            rr = now
        return torch.autograd.grad(g, s, v)[0].numpy()

    return gradient


def main():
    kind, path = sys.argv[1:]
    data = digits(path)
    w, b = solve_lower(data[0], data[1])
    want = reference(*data, w, b)
    importlib.import_module(kind.split("-")[0])  # with it JAX or PyTorch: loaded before memory is measured
    forget_peak()
    before = rss()
    gradient = with_jax(data, w, b, kind) if "jax" in kind else with_torch(data, w, b, kind == "torchopt")
    got = gradient()
    best = min(_timed(gradient) for _ in range(20))
    print(json.dumps({"seconds": best, "grown_bytes": peak() - before,
                      "relative_error": float(np.linalg.norm(got - want) / np.linalg.norm(want))}))


def _timed(f):
    start = time.perf_counter()
    f()
    return time.perf_counter() - start


main()
