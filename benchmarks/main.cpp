// tenzo_bench: Google Benchmark's program with a device to choose.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

#include "tenzo/core/error.hpp"
#include "tenzo/io/device_option.hpp"
#include "workloads.hpp"

namespace {

using namespace tenzo;

/// Takes --device NAME or --device=NAME out of the arguments; "cpu" where there is none.
std::string take_device(int& argc, char** argv) {
  constexpr std::string_view flag = "--device";
  std::string device = "cpu";
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view a = argv[i];
    if (a.substr(0, flag.size() + 1) == "--device=") device = a.substr(flag.size() + 1);
    else if (a != flag) argv[kept++] = argv[i];
    else {
      require(i + 1 < argc, "--device: want cpu or cuda");
      device = argv[++i];
    }
  }
  argv[argc = kept] = nullptr;
  return device;
}

void add_workloads(const std::string& device) {
  on_device(device_named(device), [](auto d) {
    for (const auto add : bench::files<decltype(d)>()) add();
  });
}

int failed(const std::exception& e, int status) {
  std::fprintf(stderr, "tenzo_bench: %s\n", e.what());
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (std::any_of(argv + 1, argv + argc, [](std::string_view a) { return a == "--help"; }))
      std::puts("tenzo_bench [--device cpu|cuda]   the workloads on that device (cpu), with the options of");
    else add_workloads(take_device(argc, argv));
    benchmark::Initialize(&argc, argv);  // where --help ends
    require(argc == 1, "unknown argument ", printable(argc > 1 ? argv[1] : ""), "; --help tells which there are");
  } catch (const Error& e) {
    return failed(e, 2);
  }
  try {
    benchmark::RunSpecifiedBenchmarks();
  } catch (const Error& e) {
    return failed(e, 1);
  }
  benchmark::Shutdown();
}
