// One implicit hypergradient: hyper-cleaning of 2,000 digits by a weight each, as in peers/hypergradient.py.
#include <malloc.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>

#include "tenzo/bilevel/implicit.hpp"
#include "tenzo/bilevel/inner.hpp"
#include "tenzo/data/data_set.hpp"
#include "tenzo/io/process.hpp"
#include "tenzo/nn/linear.hpp"
#include "tenzo/ops/cross_entropy.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/softmax.hpp"
#include "tenzo/solve/kronecker.hpp"
#include "workloads.hpp"

namespace {

using namespace tenzo;
using namespace tenzo::bilevel;

constexpr std::int64_t train_size = 2000, validation_size = 500;
constexpr double regularization = 1e-3;

template <Real T>
struct Cleaning {
  Tensor<T> x, validation;
  Indices labels, validation_labels;

  /// Digits taken evenly; every second label of the training part is another one.
  explicit Cleaning(const Samples<float>& all) {
    Rows rows(train_size + validation_size);
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = std::int64_t(i) * 1747 % all.size();
    const std::span<const std::int64_t> taken(rows);
    Samples<float> train = all.at(taken.first(train_size)), other = all.at(taken.subspan(train_size));
    for (std::int64_t i = 0; i < train_size / 2; ++i)
      train.labels(2 * i + 1) = (train.labels(2 * i + 1) + 1 + i % 9) % 10;
    x = train.x.reshaped({train_size, 784}).template cast<T>();
    validation = other.x.reshaped({validation_size, 784}).template cast<T>();
    labels = train.labels, validation_labels = other.labels;
  }

  auto problem() const {
    return Problem{[this](const auto&, const auto& y) { return cross_entropy(y(validation), validation_labels); },
                   [this](const auto& s, const auto& y) {
                     const auto loss = cross_entropy(y(x), labels, {.reduction = Reduction::none});
                     return add(mean(mul(sigmoid(s), loss)), scale(dot(y, y), regularization));
                   }};
  }
};

template <Real T>
using Softmax = Linear<Tensor<T>>;

template <Real T>
Softmax<T> zeros() {
  Softmax<T> y;
  y.weight = Tensor<T>::zeros({10, 784});
  y.bias = Tensor<T>::zeros({10});
  return y;
}

/// Conjugate gradients for the lower loss' Hessian at (s, y), preconditioned by its factors: what a solver of a softmax
/// regression knows of it. Half of the samples tells enough of the inputs.
template <Real T>
auto factored(const Cleaning<T>& data, const Tensor<T>& s, const Softmax<T>& y, const LinearOptions& o) {
  const auto curvature = softmax_curvature(softmax(y(data.x), -1), sigmoid(s));
  return PreconditionedCg{KroneckerPreconditioner<T>(data.x.rows(0, train_size / 2), curvature, 2 * regularization), o};
}

std::int64_t resident() {
  std::int64_t all = 0, pages = 0;
  std::ifstream("/proc/self/statm") >> all >> pages;
  return pages * sysconf(_SC_PAGESIZE);
}
/// From here on peak_memory() is that of what follows.
void forget_peak() { std::ofstream("/proc/self/clear_refs") << 5; }

void hypergradient(benchmark::State& state, bool preconditioned) {
  const char* named = std::getenv("TENZO_MNIST5K");
  const std::string path = named ? named : fetched_data_set("mnist5k") + "/mnist_5k.csv.gz";
  Samples<float> all;
  try {
    const FileBytes content = FileBytes::open(path);
    all = csv_samples(parse_csv(content.text(), path), {1, 28, 28}, 255, path);
  } catch (const Error& e) {
    state.SkipWithError(e.what());
    return;
  }
  const Cleaning<double> exact(all);
  const Cleaning<float> data(all);
  const auto exact_problem = exact.problem();
  const auto problem = data.problem();
  Oracle exact_oracle(exact_problem);
  Oracle oracle(problem);
  const auto s = Tensor<double>::zeros({train_size});
  const auto y = solve_lower(exact_oracle, s, zeros<double>(), Lbfgs{}, {.tolerance = 1e-9, .steps = 2000});
  const auto want = implicit_gradient(exact_oracle, s, y.y, Cg{{.iterations = 2000, .rtol = 1e-12}});

  const auto s32 = Tensor<float>::zeros({train_size});
  Softmax<float> y32;
  y32.weight = y.y.weight.cast<float>(), y32.bias = y.y.bias.cast<float>();
  // tolerances that lead to errors of about 5e-5
  const LinearOptions options{.iterations = 400, .rtol = preconditioned ? 1e-4 : 5e-5};
  Hypergradient<Tensor<float>, Softmax<float>> got;
  Pool::instance().trim();  // what the exact solution took
  malloc_trim(0);
  forget_peak();
  const std::int64_t before = resident();
  bench::repeat<Cpu>(state, [&] {
    got = preconditioned ? implicit_gradient(oracle, s32, y32, factored(data, s32, y32, options))
                         : implicit_gradient(oracle, s32, y32, Cg{options});
  });
  const std::int64_t grown = peak_memory() - before;
  const auto error = sub(got.gradient.cast<double>(), want.gradient);
  state.counters["relative_error"] = norm(error) / norm(want.gradient);
  state.counters["grown_bytes"] = double(grown);
  state.counters["products"] = double(got.report.counts.hessian_products);
}

const bench::Workloads workloads([](auto device) {
  if constexpr (HostDevice<decltype(device)>) {
    bench::add("hypergradient/cleaning/2000x784x10", hypergradient, true)->UseRealTime();
    bench::add("hypergradient/cleaning_by_plain_cg/2000x784x10", hypergradient, false)->UseRealTime();
  }
});

}  // namespace
