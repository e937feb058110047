// ensmallen's SPSA on a diagonal quadratic of a million unknowns: prints the seconds of one iteration (two-sided,
// Rademacher, double; ensmallen evaluates the function three times an iteration).
//   g++ -O3 -march=native -std=c++17 -fopenmp ensmallen_spsa.cpp -larmadillo
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <ensmallen.hpp>

struct Quadratic {
  arma::vec a;
  explicit Quadratic(std::size_t n) : a(n) {
    for (std::size_t i = 0; i < n; ++i) a[i] = 1.0 + double(i % 7);
  }
  double Evaluate(const arma::mat& x) const { return 0.5 * arma::dot(a, arma::square(x.col(0))); }
};

int main() {
  const std::size_t n = 1'000'000, iterations = 20;
  double best = 1e9;
  for (int run = 0; run < 5; ++run) {
    Quadratic f(n);
    arma::mat x(n, 1, arma::fill::ones);
    ens::SPSA spsa(0.602, 0.101, 0.16, 0.3, iterations, 0.0);
    const auto start = std::chrono::steady_clock::now();
    spsa.Optimize(f, x);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::min(best, seconds.count() / double(iterations));
  }
  std::printf("%.5f\n", best);
}
