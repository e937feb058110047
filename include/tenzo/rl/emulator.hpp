// Environments of a shared library of the user's own (emulator.h), beside those that are built in.
#pragma once

#include <dlfcn.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/rl/draw.hpp"
#include "tenzo/rl/emulator.h"
#include "tenzo/rl/environment.hpp"

namespace tenzo::rl {

/// The functions of an emulator, and the library that they are in.
struct EmulatorLibrary {
  const tenzo_emulator* table = nullptr;
  std::shared_ptr<void> library{};

  /// Throws FileError where the file is no library, or exports no emulator of version 1.
  static EmulatorLibrary open(const std::string& path) {
    // A name without a slash is a file here, not one that the system's loader knows.
    const std::string file = path.find('/') == std::string::npos ? "./" + path : path;
    void* const handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle) throw FileError(path, -1, cat("can not be loaded: ", ::dlerror()));
    EmulatorLibrary e;
    e.library = std::shared_ptr<void>(handle, [](void* h) { ::dlclose(h); });
    const auto entry = reinterpret_cast<tenzo_emulator_entry>(::dlsym(handle, "tenzo_emulator_v1"));
    if (!entry) throw FileError(path, -1, "exports no function tenzo_emulator_v1");
    e.table = entry();
    if (const std::string why = e.fault(); !why.empty()) throw FileError(path, -1, why);
    return e;
  }

  /// What is wrong with the table; empty where nothing is.
  std::string fault() const {
    if (!table) return "gives no emulator";
    if (table->version != 1) return cat("is of version ", table->version, "; want 1");
    if (table->actions < 1 || table->observation_size < 1 || table->observation_size > std::int64_t(1) << 30)
      return cat("has ", table->actions, " actions and observations of ", table->observation_size, " numbers");
    if (!table->create || !table->destroy || !table->reset || !table->step) return "lacks a function";
    return {};
  }
};

/// n emulators that step together: an Environment. The seed of an episode is a function of the seed given to reset(),
/// the emulator's number and the steps so far.
class Emulators {
 public:
  /// Throws ValueError for a table that is none, and where an emulator can not be made.
  Emulators(EmulatorLibrary library, std::int64_t n, std::uint64_t seed = 1) : library_(std::move(library)) {
    require(library_.fault().empty(), "emulator: the library ", library_.fault());
    require(n >= 1 && n < std::int64_t(1) << 20, "emulator: ", n, " of them; want 1 to 2^20 - 1");
    for (std::int64_t i = 0; i < n; ++i) {
      selves_.emplace_back(library_.table->create(), library_.table->destroy);
      require(selves_.back() != nullptr, "emulator: number ", i, " can not be made");
    }
    const auto size = std::size_t(n * observation_size());
    next_.resize(size), observation_.resize(size);
    reward_.resize(std::size_t(n)), terminated_.resize(std::size_t(n)), truncated_.resize(std::size_t(n));
    reset(seed);
  }

  std::int64_t size() const { return std::int64_t(selves_.size()); }
  std::int32_t actions() const { return library_.table->actions; }
  std::int64_t observation_size() const { return library_.table->observation_size; }
  std::span<const float> observation() const { return observation_; }

  void reset(std::uint64_t seed) {
    seed_ = seed, steps_ = 0;
    for (std::int64_t i = 0; i < size(); ++i) begin(i);
  }

  /// Throws ShapeError unless there is an action for each, ValueError for one that does not exist, and where an
  /// emulator has failed.
  Transitions step(std::span<const std::int32_t> actions_now) {
    expect(std::int64_t(actions_now.size()) == size(), "emulator: ", actions_now.size(), " actions for ", size());
    for (const std::int32_t a : actions_now)
      require(a >= 0 && a < actions(), "emulator: action ", a, "; there are ", actions());
    ++steps_;
    parallel_for(size(), 1, [&](std::int64_t from, std::int64_t to) {
      for (std::int64_t i = from; i < to; ++i) {
        const auto k = std::size_t(i);
        float* const seen = next_.data() + i * observation_size();
        std::int32_t terminated = 0, truncated = 0;
        const std::int32_t failed =
            library_.table->step(selves_[k].get(), actions_now[k], seen, &reward_[k], &terminated, &truncated);
        require(failed == 0, "emulator: number ", i, " has failed with ", failed);
        terminated_[k] = terminated != 0, truncated_[k] = terminated == 0 && truncated != 0;
        std::copy_n(seen, observation_size(), observation_.data() + i * observation_size());
        if (terminated_[k] | truncated_[k]) begin(i);
      }
    });
    return {next_, observation_, reward_, terminated_, truncated_};
  }

 private:
  void begin(std::int64_t i) {
    const PhiloxBlock words = Draw{seed_, std::uint32_t(i), steps_, Use::reset}.block();
    library_.table->reset(selves_[std::size_t(i)].get(), words[0] | std::uint64_t(words[1]) << 32,
                          observation_.data() + i * observation_size());
  }

  EmulatorLibrary library_;
  std::vector<std::unique_ptr<void, void (*)(void*)>> selves_;  // gone before the library is
  std::uint64_t seed_ = 0;
  std::uint32_t steps_ = 0;
  std::vector<float> next_, observation_, reward_;
  std::vector<std::uint8_t> terminated_, truncated_;
};

}  // namespace tenzo::rl
