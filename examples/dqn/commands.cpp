#include "commands.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <vector>

#include "tenzo/io/atomic_file.hpp"
#include "tenzo/io/outputs.hpp"
#include "tenzo/io/progress.hpp"
#include "tenzo/stats/interval.hpp"

namespace dqn {

using namespace tenzo;
namespace fs = std::filesystem;

namespace {

std::vector<std::int64_t> widths_of(const std::string& text) {
  std::vector<std::int64_t> out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    std::int64_t w = 0;
    const auto [last, error] = std::from_chars(text.data() + at, text.data() + end, w);
    require(error == std::errc() && last == text.data() + end, "--hidden ", printable(text),
            "; want widths with commas between them");
    out.push_back(w);
    at = end + 1;
  }
  return out;
}

}  // namespace

int convergence(const Fitted& o, const std::string& save) {
  check_outputs({}, {save});
  check_file(save);
  const auto runs = fitted_runs(o);
  std::printf("%-8s %10s %10s %8s %8s %10s %10s %10s %6s\n", "process", "residual", "gap", "rho", "bound", "largest",
              "uniform", "greedy", "rate");
  std::string lines = "process,iteration,epsilon,largest,uniform,greedy\n";
  for (std::size_t k = 0; k < runs.size(); ++k) {
    const FittedRun& r = runs[k];
    const std::size_t n = r.sup.size(), last = std::min<std::size_t>(5, n - 1);
    std::printf("%-8zu %10.2e %10.4f %8.4f %8.4f %10.2e %10.2e %10.2e %6.3f\n", k, r.residual, r.gap, r.rho, r.bound,
                r.sup.back(), r.uniform.back(), r.greedy.back(),
                std::pow(r.sup.back() / r.sup[n - 1 - last], 1 / double(last)));
    for (std::size_t t = 0; t < n; ++t)
      lines += cat(k, ',', t, ',', t < r.epsilon.size() ? cat(r.epsilon[t]) : "", ',', r.sup[t], ',', r.uniform[t], ',',
                   r.greedy[t], '\n');
  }
  if (!save.empty()) write_file(save, lines);
  return 0;
}

int control(const ControlCommand& o) {
  Control c = o.run;
  if (!o.hidden.empty()) c.hidden = widths_of(o.hidden);
  if (c.epsilon.empty()) c.epsilon = cat("linear:1:0.05:", std::max<std::int64_t>(1, c.steps / 2));
  check(c);
  std::vector<Control> runs;
  std::vector<std::string> files;
  for (int s = 0; s < o.seeds; ++s) {
    Control each = c;
    each.seed = c.seed + std::uint64_t(s);
    const std::string name = cat("seed", each.seed);
    const auto in = [&](const char* end) { return (fs::path(o.out) / (name + end)).string(); };
    each.weights = in(".safetensors"), each.log = in(".csv");
    if (!is_library(c.environment)) each.checkpoint = in(".run.safetensors");
    for (const char* end : {".safetensors", ".csv", ".run.safetensors"}) files.push_back(name + end);
    runs.push_back(each);
  }
  const auto begun = [](const Control& each) { return fs::exists(each.checkpoint); };
  if (c.resume && std::ranges::none_of(runs, begun))
    throw FileError(o.out, -1, "holds no checkpoint of these runs to go on from");
  check_folder(o.out, files);
  check_file(o.render);
  fs::create_directories(o.out);
  Progress bar(c.environment, c.steps * o.seeds);
  std::mutex mutex;
  std::int64_t done = 0;
  const auto courses = run_all(runs, [&](std::int64_t) {
                         const std::lock_guard lock(mutex);
                         bar.update(std::min(done += c.evaluate_every, c.steps * o.seeds));
                       }).runs;
  bar.finish();
  std::printf("%-6s %10s %10s %10s %12s %10s\n", "seed", "first", "last", "best", "last 100", "steps/s");
  std::vector<double> last;
  for (const Course& each : courses) {
    std::printf("%-6llu %10.2f %10.2f %10.2f %12.2f %10.0f\n", static_cast<unsigned long long>(each.seed), each.first,
                each.last, each.best, each.last_hundred, each.speed());
    last.push_back(each.last);
  }
  if (courses.size() > 1) {
    const Measured m = mean_interval(last);
    std::printf("greedy return in the end: %.2f (%.2f to %.2f)\n", m.value, m.low, m.high);
  }
  if (!o.render.empty())
    write_file(o.render, rendered(c.environment, runs.front().weights, runs.front().seed + 1, 300, c.side).png);
  for (const Control& each : runs) {
    std::error_code ignored;
    if (!each.checkpoint.empty()) fs::remove(each.checkpoint, ignored);
  }
  return 0;
}

}  // namespace dqn
