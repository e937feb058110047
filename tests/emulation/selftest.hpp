// What the self-test is made of: the build that it is, sources with marked faults, and child processes for faults that
// end the process.
#pragma once

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "device.hpp"

namespace tenzo::selftest {

using namespace cuda;
using emulation::address_sanitizer;
using emulation::Fault;
using emulation::for_all_schedules;
using emulation::last_report;
using emulation::Order;
using emulation::Schedule;
using emulation::thread_sanitizer;
using emulation::Under;

/// The lines of a file in faults/ that are marked `// fault: <mark>`.
inline std::vector<unsigned> fault_lines(const std::string& file, const std::string& mark) {
  std::ifstream in(std::string(TENZO_FAULTS_DIR "/") + file);
  REQUIRE(in);
  std::vector<unsigned> lines;
  std::string line;
  for (unsigned n = 1; std::getline(in, line); ++n)
    if (line.ends_with("// fault: " + mark)) lines.push_back(n);
  REQUIRE_MESSAGE(!lines.empty(), "no line of ", file, " is marked ", mark);
  return lines;
}

/// Runs f, and the work that it issued; it must end in a fault of this kind, at a line of this mark where one is given.
///   A fault is told once: then nothing is left that somebody should ask for.
inline void expect_fault(Fault kind, const std::function<void()>& f, const std::string& file = {},
                         const std::string& mark = {}) {
  const auto run = [&] {
    f();
    synchronize_device();
  };
  CHECK_THROWS_AS(run(), DeviceError);
  INFO(last_report().text);
  CHECK(int(last_report().fault) == int(kind));
  if (!file.empty()) {
    bool marked = false;
    for (const unsigned line : fault_lines(file, mark)) marked |= line == last_report().site.line;
    CHECK(marked);
    CHECK(std::string_view(last_report().site.file).ends_with(file));
  }
  CHECK(cudaPeekAtLastError() == cudaSuccess);
}

struct Output {
  int status;
  std::string text;
};

/// Runs the test case "child: <name>" of this program in a process of its own.
inline Output run_child(const std::string& name) {
  std::ifstream in("/proc/self/cmdline");
  std::string program;
  std::getline(in, program, '\0');
  const std::string call = "ASAN_OPTIONS=detect_leaks=0 TSAN_OPTIONS=halt_on_error=0:atexit_sleep_ms=0 '" + program +
                           "' --no-skip --test-case='child: " + name + "' 2>&1";
  FILE* const pipe = popen(call.c_str(), "r");
  REQUIRE(pipe);
  Output out;
  char part[4096];
  for (std::size_t n; (n = std::fread(part, 1, sizeof part, pipe)) > 0;) out.text.append(part, n);
  const int status = pclose(pipe);
  out.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return out;
}

/// The child must fail and say this, and name a line of this mark where one is given.
inline void expect_child_fault(const std::string& name, const std::string& says, const std::string& file = {},
                               const std::string& mark = {}) {
  const Output out = run_child(name);
  INFO(name, ":\n", out.text);
  CHECK(out.status != 0);
  CHECK(out.text.find(says) != std::string::npos);
  if (file.empty()) return;
  bool marked = false;
  for (const unsigned line : fault_lines(file, mark))
    marked |= out.text.find(file + ":" + std::to_string(line)) != std::string::npos;
  CHECK(marked);
}

/// A case that only run_child runs.
#define TENZO_CHILD(name) TEST_CASE("child: " name* doctest::skip())

inline std::vector<float> ramp(std::int64_t n, float step = 1) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = step * float(i % 17) - 3;
  return x;
}

}  // namespace tenzo::selftest
