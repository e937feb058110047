// The roofline of the CUDA kernels: predicted times, made of the counts of costs.hpp and the figures of gpus.hpp.
//   roofline                  prints docs/roofline.md
//   roofline --check <file>   says whether the file is what would be printed (exit status 1: it is not; 2: it is not
//                             such a page at all)
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include "gpus.hpp"
#include "workload.hpp"

using namespace tenzo;
using namespace tenzo::roofline;

namespace {

constexpr Assumptions usual;

std::string number(double x, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, x);
  return text;
}
std::string percent(double x) { return number(100 * x, 0) + " %"; }

/// A table, a row at a time.
class Table {
 public:
  Table(std::ostream& to, const std::vector<std::string>& head) : to_(to) {
    row(head);
    row(std::vector<std::string>(head.size(), "---"));
  }
  void row(const std::vector<std::string>& cells) {
    to_ << '|';
    for (const std::string& c : cells) to_ << ' ' << c << " |";
    to_ << '\n';
  }

 private:
  std::ostream& to_;
};

/// A row of a first cell and one a GPU.
template <class F>
std::vector<std::string> by_gpu(const std::string& first, F&& f) {
  std::vector<std::string> cells{first};
  for (const Gpu& g : gpus) cells.push_back(f(g));
  return cells;
}
std::vector<std::string> gpu_head(const std::string& first) {
  return by_gpu(first, [](const Gpu& g) { return std::string(g.name); });
}

// ── times of sequences ───────────────────────────────────────────────────────────────────────────────────────────────

double on_gpu(const Gpu& g, const Sequence& s, const Assumptions& a) {
  double sum = 0;
  for (const Launch& l : s.launches) sum += double(l.count) * seconds(g, l.cost, a);
  return sum;
}
/// The GPU and the host work at the same time; the slower one is waited for.
double from_host(const Gpu& g, const Sequence& s, double call, const Assumptions& a) {
  return std::max(on_gpu(g, s, a), double(s.count()) * call);
}

/// A step as our code makes it, what it is compared with, and the ratios that matter.
struct Prediction {
  double forwards, library, probe, update, step, torch, torch_gpu, torch_least;

  Prediction(const Gpu& g, const Task& t, const Assumptions& a, const Changes& changes = {}) {
    const auto ours = [&](const Sequence& s) { return from_host(g, s, a.host_call, a); };
    const Sequence both = forward(t, Products::perturbed, changes), after = roofline::update(t);
    const Sequence published = torch_step(t, Perturbing::published);
    const auto plain = [&](Products p) { return forward(t, p, changes).then(forward(t, p, changes)); };
    forwards = ours(plain(changes.through_memory ? Products::library : Products::stored));
    library = ours(plain(Products::library));
    probe = ours(both), update = ours(after), step = ours(both.then(after));
    torch = from_host(g, published, a.host_torch, a);
    torch_gpu = on_gpu(g, published, a);
    torch_least = from_host(g, torch_step(t, Perturbing::least), a.host_torch, a);
  }
  double overhead() const { return step / forwards - 1; }
  double of_torch() const { return step / torch; }
};

// ── sections ─────────────────────────────────────────────────────────────────────────────────────────────────────────

void figures(std::ostream& o) {
  o << "## The GPUs\n\n";
  Table t(o, gpu_head(""));
  t.row(by_gpu("multiprocessors, float units of each",
               [](const Gpu& g) { return std::to_string(g.multiprocessors) + " x " + std::to_string(g.float_lanes); }));
  t.row(by_gpu("clock of the sheet's rates, GHz", [](const Gpu& g) { return number(g.clock / 1e9, 2); }));
  t.row(by_gpu("float, Tflop/s", [](const Gpu& g) { return number(2 * g.float_fmas() / 1e12, 1); }));
  t.row(by_gpu("32-bit integer products, 10¹²/s",
               [](const Gpu& g) { return number(64 * g.multiprocessors * g.clock / 1e12, 1); }));
  t.row(by_gpu("tensor cores, bfloat16 (TF32), dense, Tflop/s", [](const Gpu& g) {
    return number(g.tensor_bf16 / 1e12, 0) + " (" + number(g.tensor_tf32 / 1e12, 0) + ")";
  }));
  t.row(by_gpu("memory, GB/s", [](const Gpu& g) { return number(g.memory / 1e9, 0); }));
  t.row(by_gpu("second cache, MB and about TB/s",
               [](const Gpu& g) { return number(g.cache_bytes / 1e6, 0) + ", " + number(g.cache / 1e12, 0); }));
  o << R"(
Of NVIDIA's data sheets and white papers (A100 80 GB SXM; H100 SXM; Ada, RTX 4090), but for the rates of the second cache, which are
about what published micro-benchmarks find. A multiprocessor begins 4 instructions of a warp a cycle, makes 64 products of 32 bits
(half as many of 64-bit results) and serves 128 bytes of shared memory.

Assumed of all kernels, ours and others':

)";
  o << "- every rate is achieved to " << percent(usual.achieved) << ";\n"
    << "- a launch keeps the GPU for " << number(usual.start * 1e6, 0)
    << " µs beside its work, to begin, to drain and to be followed;\n"
    << "- the host needs " << number(usual.host_call * 1e6, 0) << " µs for a launch from C++ and "
    << number(usual.host_torch * 1e6, 0)
    << " µs for an operation of PyTorch; it works beside the GPU, and the slower one counts;\n"
    << R"(- weights come from memory each time; other arrays do where they are more than half of the second cache;
- the multiprocessor with the most blocks is waited for: 144 equal blocks on 108 multiprocessors are two rounds. Libraries are taken to
  spread their work evenly and to begin nothing but multiply-adds, which favours what we compare with.

Not modelled: latency that too few warps do not hide, conflicts of banks, partly used sectors, clocks that fall under load.
)";
}

void kernels(std::ostream& o) {
  struct Row {
    std::string what;
    Cost cost;
  };
  const Task task = smollm2(4);
  std::vector<Row> rows;
  for (const LayerProduct& p : layer_products(task.config))
    rows.push_back(
        {"probe's product, " + std::string(p.what) + ": " + sizes(512, p.k, p.n), product(2, true, 512, p.n, p.k, 4)});
  rows.push_back({"the same of gate, up, one side without noise", product(1, false, 512, 1536, 576, 4)});
  rows.push_back({"the same by a library in float", library_product(512, 1536, 576)});
  rows.push_back({"probe's product: " + sizes(2048, 4096, 4096), product(2, true, 2048, 4096, 4096, 4)});
  rows.push_back({"the same, one side without noise", product(1, false, 2048, 4096, 4096, 4)});
  rows.push_back({"the same by a library in float", library_product(2048, 4096, 4096)});
  rows.push_back({"probe's product: " + sizes(16, 4096, 4096), product(2, true, 16, 4096, 4096, 4)});
  rows.push_back({"weight of a norm through its noise, 576, two sides", perturbed_rows(1, 576, 2, 1, 4, false)});
  rows.push_back(
      {"rows of a table through their noise, 512 x 576, two sides", perturbed_rows(512, 576, 2, 1, 4, true)});
  rows.push_back({"RMS norm, 512 x 576", rms_norm(512, 576)});
  rows.push_back({"RMS norm, 8192 x 4096", rms_norm(8192, 4096)});
  rows.push_back({"rotary positions, 512 x 9 heads of 64", rope(task.rope(9))});
  rows.push_back({"attention, 16 x 32 tokens, 9 heads of 64", attention(task.attention())});
  AttentionProblem wide;
  wide.heads = 32, wide.kv_heads = 8, wide.head_dim = 128, wide.causal = true;
  wide.sequences = {{0, 4096, 0, 4096}};
  rows.push_back({"attention, 4096 tokens, 32 heads of 128", attention(wide)});
  rows.push_back({"silu(gate) up, 512 x 1536", gated(512 * 1536)});
  rows.push_back({"sum of two arrays, 512 x 576", map(512 * 576, 2)});
  rows.push_back({"sum of two arrays, 10⁸", map(100'000'000, 2)});
  rows.push_back({"update, 1536 x 576, float", descend(1536, 576, 1, 4)});
  rows.push_back({"update, 49152 x 576, float", descend(49152, 576, 1, 4)});
  rows.push_back({"update, 49152 x 576, bfloat16", descend(49152, 576, 1, 2)});
  rows.push_back({"replay of 100 steps, 49152 x 576, float", descend(49152, 576, 100, 4)});
  rows.push_back({"cross entropy, 512 x 49152", cross_entropy(512, 49152)});

  o << "\n## Kernels\n\nMicroseconds predicted of a launch, and what bounds it beside its "
    << number(usual.start * 1e6, 0) << " µs. `MB` are those that its threads load and store.\n\n";
  std::vector<std::string> head = gpu_head("float");
  head.insert(head.begin() + 1, "MB");
  Table t(o, head);
  for (const Row& r : rows) {
    auto cells = by_gpu(r.what, [&](const Gpu& g) {
      return number(seconds(g, r.cost, usual) * 1e6, 1) + " " + std::string(bound_of(g, r.cost, usual).by);
    });
    cells.insert(cells.begin() + 1, number(r.cost.bytes() / 1e6, 2));
    t.row(cells);
  }
  o << R"(
`memory` and `cache`: bytes at the rate of the memory or of the second cache. `issue`: instructions, at 4 a cycle of a multiprocessor.
`float`: its units of multiply-adds, which also make integer products. `shared`: shared memory.
)";
}

void step(std::ostream& o) {
  o << "\n## A step: `zo_step/smollm2/16x32`\n\nSmolLM2-135M, 16 sequences of 32 tokens, the loss over two words "
       "behind the last "
       "tokens: one direction, both sides in one pass, then the\nupdate of all 134.5 million weights. Milliseconds "
       "predicted.\n";
  for (const int bytes : {4, 2}) {
    const Task t = smollm2(bytes);
    const auto cell = [&](auto f) { return [&t, f](const Gpu& g) { return f(Prediction(g, t, usual)); }; };
    const auto ms = [&](double Prediction::*member) {
      return cell([member](const Prediction& p) { return number(p.*member * 1e3, 1); });
    };
    const auto launches = [](const Sequence& s) {
      const std::int64_t n = s.count();
      return ", " + std::to_string(n) + (n == 1 ? " launch" : " launches");
    };
    const Sequence plain = forward(t, Products::stored), both = forward(t, Products::perturbed), after = update(t);
    o << "\n### " << (bytes == 4 ? "Float weights" : "bfloat16 weights") << "\n\n";
    Table table(o, gpu_head(""));
    table.row(by_gpu("two plain forwards, the same kernels" + launches(plain.then(plain)), ms(&Prediction::forwards)));
    table.row(by_gpu("two plain forwards, products by cuBLAS in float", ms(&Prediction::library)));
    table.row(by_gpu("both sides of the probe" + launches(both), ms(&Prediction::probe)));
    table.row(by_gpu("update" + launches(after), ms(&Prediction::update)));
    table.row(by_gpu("**the step**", ms(&Prediction::step)));
    table.row(by_gpu("unfused PyTorch" + launches(torch_step(t, Perturbing::published)), ms(&Prediction::torch)));
    table.row(by_gpu("of which the GPU is busy", ms(&Prediction::torch_gpu)));
    table.row(by_gpu("**overhead over two forwards** (target: at most 10 %)",
                     cell([](const Prediction& p) { return percent(p.overhead()); })));
    table.row(
        by_gpu("of the probe alone", cell([](const Prediction& p) { return percent(p.probe / p.forwards - 1); })));
    table.row(by_gpu("overhead of the step over two forwards by cuBLAS",
                     cell([](const Prediction& p) { return percent(p.step / p.library - 1); })));
    table.row(by_gpu("**step / unfused PyTorch** (target: at most 0.5)",
                     cell([](const Prediction& p) { return number(p.of_torch(), 2); })));
    table.row(by_gpu("step / unfused PyTorch, were its host no limit",
                     cell([](const Prediction& p) { return number(p.step / p.torch_gpu, 2); })));
    table.row(by_gpu("step / the least of separate operations",
                     cell([](const Prediction& p) { return number(p.step / p.torch_least, 2); })));
  }
}

/// A sequence by kernels.
void lines(std::ostream& o, const std::string& title, const Sequence& s) {
  o << "\n### " << title << "\n\n";
  std::vector<std::string> order;
  std::map<std::string, Sequence> all;
  for (const Launch& l : s.launches) {
    const std::string name = l.detail.empty() ? l.what : l.what + ", " + l.detail;
    if (!all.contains(name)) order.push_back(name);
    all[name].launches.push_back(l);
  }
  std::vector<std::string> head = gpu_head("milliseconds");
  head.insert(head.begin() + 1, "launches");
  Table t(o, head);
  const auto row = [&](const std::string& name, const Sequence& part) {
    auto cells = by_gpu(name, [&](const Gpu& g) { return number(on_gpu(g, part, usual) * 1e3, 3); });
    cells.insert(cells.begin() + 1, std::to_string(part.count()));
    t.row(cells);
  };
  for (const std::string& name : order) row(name, all[name]);
  row("all", s);
}

void sensitivity(std::ostream& o) {
  o << "\n## If the assumptions are wrong\n\nFloat weights: overhead over two forwards, and step / unfused "
       "PyTorch.\n\n";
  Table t(o, gpu_head("assumed"));
  const auto row = [&](const std::string& what, const Assumptions& a) {
    t.row(by_gpu(what, [&](const Gpu& g) {
      const Prediction p(g, smollm2(4), a);
      return percent(p.overhead()) + ", " + number(p.of_torch(), 2);
    }));
  };
  row("as above", usual);
  for (const double achieved : {0.6, 0.7, 0.9}) {
    Assumptions a;
    a.achieved = achieved;
    row(percent(achieved) + " of every rate", a);
  }
  for (const double start : {1e-6, 4e-6}) {
    Assumptions a;
    a.start = start;
    row(number(start * 1e6, 0) + " µs a launch on the GPU", a);
  }
  {
    Assumptions a;
    a.vector = 4;
    row("no 16-byte reads of shared memory are joined", a);
  }
  for (const double host : {3e-6, 10e-6}) {
    Assumptions a;
    a.host_torch = host;
    row(number(host * 1e6, 0) + " µs an operation of PyTorch", a);
  }
}

/// What the noise costs a product: at one size, with the tile that there is and with the larger one.
void noise(std::ostream& o) {
  o << R"(
## What the noise costs

A weight's noise is drawn again by each block of rows of x: with 512 tokens 8 times by the tile of 64 x 32 that is taken there, 4 times
by that of 128 x 64. Drawing four numbers is 169 instructions, 18 of them integer products of twice the time, and 33 reads of shared
memory; with the tile of 64 x 32 they come with 4 x 2 x 64 multiply-adds. Of )"
    << sizes(512, 576, 1536) << R"(, µs without the time of a launch:

)";
  Table t(o, gpu_head(""));
  for (const ProductTile& tile : {medium_tile, large_tile}) {
    const std::string name = std::to_string(tile.bm) + " x " + std::to_string(tile.bn) + ": ";
    const auto row = [&](const std::string& what, double times, int sides, bool noisy) {
      t.row(by_gpu(name + what, [&](const Gpu& g) {
        const Bound b = bound_of(g, product(tile, sides, noisy, 512, 1536, 576, 4), usual);
        return number(times * b.seconds / usual.achieved * 1e6, 1) + " " + std::string(b.by);
      }));
    };
    row("one side without noise, twice", 2, 1, false);
    row("both sides without noise", 1, 2, false);
    row("both sides with noise", 1, 2, true);
  }
  o << R"(
So the product is bound by multiply-adds on the A100, and by the instructions that can begin on the others, where 128 multiply-adds a
cycle leave no room for any other; noise alone bounds it nowhere. A part of what the noise costs is earned back, since both sides share
the reading of W and its bookkeeping.
)";
}

void changes(std::ostream& o) {
  o << R"(
## What would change it

Not built; the same prediction for a step with float weights: milliseconds, overhead over two forwards with the same products, and step /
unfused PyTorch. The best tile is, of those named, the one that this model finds fastest on the GPU.

)";
  static constexpr ProductTile few[] = {large_tile, medium_tile},
                               more[] = {large_tile, medium_tile, {128, 32, 8, 8, 4}, {64, 64, 8, 4, 4}};
  Table t(o, gpu_head(""));
  const auto row = [&](const std::string& what, Changes c) {
    t.row(by_gpu(what, [&](const Gpu& g) {
      c.better = [&g](const Cost& a, const Cost& b) { return seconds(g, a, usual) < seconds(g, b, usual); };
      const Prediction p(g, smollm2(4), usual, c);
      return number(p.step * 1e3, 1) + ", " + percent(p.overhead()) + ", " + number(p.of_torch(), 2);
    }));
  };
  row("as it is", {});
  row("1. q k v in one launch, and gate up, with the tile as it is chosen now", {.joined = true});
  row("2. the best of the two tiles there are", {.tiles = few});
  row("3. the best of these and of 128 x 32 and 64 x 64", {.tiles = more});
  row("1 and 3", {.tiles = more, .joined = true});
  row("4. W + factor z of both sides written once, and products by cuBLAS (its order of sums)",
      {.through_memory = true});
}

/// The targets, and whether the prediction meets them.
void targets(std::ostream& o) {
  o << "\n## Targets\n\nOf a step of `zo_step/smollm2/16x32`, update included.\n\n";
  Table t(o, gpu_head("predicted"));
  for (const int bytes : {4, 2}) {
    const auto row = [&](const std::string& what, auto cell) {
      t.row(by_gpu(std::string(bytes == 4 ? "float" : "bfloat16") + " weights: " + what,
                   [&](const Gpu& g) { return cell(Prediction(g, smollm2(bytes), usual)); }));
    };
    const auto verdict = [](const std::string& value, bool met) { return value + (met ? ", met" : ", **not met**"); };
    row("overhead over two forwards, at most 10 %",
        [&](const Prediction& p) { return verdict(percent(p.overhead()), p.overhead() <= 0.1); });
    row("of unfused PyTorch's time, at most 0.5",
        [&](const Prediction& p) { return verdict(number(p.of_torch(), 2), p.of_torch() <= 0.5); });
  }
  o << R"(
The forwards are ours, with the same kernels; cuBLAS multiplies faster than our product, which keeps the CPU's bits, and
[beside its forwards](#a-step-zo_stepsmollm216x32) the step is far from 10 %. Unfused PyTorch waits for its host: where that is no limit,
the ratios are higher, and with bfloat16 weights, which it multiplies on tensor cores and we in float, the A100 is faster with PyTorch.
[What would change it](#what-would-change-it) says what the targets need.
)";
}

void document(std::ostream& o) {
  o << R"(# Roofline: a prediction

**Nothing here was measured.** These are predictions of what the CUDA kernels take on three GPUs, made by a program
(`benchmarks/roofline`) from counts of bytes and instructions. The bytes are checked: a test runs every launcher under emulation and
compares the loads and stores that are counted with the formulas, to the byte; for a whole step of a small model it compares the list of
launches, their blocks and their bytes as well. Instructions of products, noise and updates were counted in what nvcc makes, those of
other kernels, which bytes bound, are estimates. What a GPU does with them is assumed, as stated below. [The GPU](gpu.md) tells how to
measure.

This page is what the program prints; a test compares them.
)";
  targets(o);
  o << '\n';
  figures(o);
  kernels(o);
  step(o);
  noise(o);
  sensitivity(o);
  changes(o);
  o << R"(
## Line by line

Milliseconds that the GPU is busy, float weights.
)";
  const Task t = smollm2(4);
  lines(o, "Both sides of the probe", forward(t, Products::perturbed));
  lines(o, "One plain forward, the same kernels", forward(t, Products::stored));
  lines(o, "The update", update(t));
  lines(o, "Unfused PyTorch", torch_step(t, Perturbing::published));
  o << R"(
The usual program is MeZO's published one (princeton-nlp/MeZO, `large_models/trainer.py`) on transformers' `LlamaForCausalLM` in eager mode,
attention by `scaled_dot_product_attention`, no padding; products in float (PyTorch's default: no TF32), with bfloat16 weights on tensor
cores. Three perturbations `weight + scale * z * eps` and an update `weight - lr * (g * z + decay * weight)` each draw the noise of every
parameter anew, one operation after another. In its favour the head is that of this task: by default transformers computes scores of
49152 words for all 512 tokens. The least that separate operations can do is `normal`, `scale * z`, `weight + …`, four times.
)";
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const auto fail = [](int status, const std::string& why) {
    std::cerr << "roofline: " << why << '\n';
    return status;
  };
  if (arguments == std::vector<std::string>{"--help"}) {
    std::cout << "roofline                  prints docs/roofline.md\n"
                 "roofline --check <file>   says whether the file is what would be printed (status 1: it is not)\n";
    return 0;
  }
  const bool check = arguments.size() == 2 && arguments[0] == "--check";
  if (!arguments.empty() && !check) return fail(2, "want no arguments, --check <file> or --help");
  std::ostringstream text;
  document(text);
  if (!check) {
    std::cout << text.str();
    return 0;
  }
  const std::string path = arguments[1];
  std::ostringstream there;
  if (std::ifstream file(path); file.peek() != EOF) there << file.rdbuf();
  if (there.str() == text.str()) return 0;
  const std::string title = text.str().substr(0, text.str().find('\n'));
  if (there.str().empty()) return fail(2, path + " can not be read, or is empty");
  if (there.str().substr(0, there.str().find('\n')) != title)
    return fail(2, path + " is not a page of this program: its first line is not '" + title + "'");
  return fail(1, path + " is not what this program prints now; print it anew: roofline > docs/roofline.md");
}
