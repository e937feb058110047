// How far a long run is: a bar for people, now and then a line for logs.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace tenzo {

/// `label  ████░░░░  120/300  1.8/s  1:40 left  note` on stderr. On a terminal it is redrawn in place, never faster
/// than the eye; elsewhere it is a line without the bar every half minute, so that short runs are silent.
class Progress {
 public:
  Progress(std::string label, std::int64_t total, std::int64_t done = 0)
      : label_(std::move(label)), total_(std::max<std::int64_t>(1, total)), begin_(done), terminal_(::isatty(2) == 1) {}
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(std::int64_t done, const std::string& note = {}) {
    const auto now = Clock::now();
    if (terminal_ ? done < total_ && now - drawn_ < std::chrono::milliseconds(100)
                  : now - std::max(drawn_, start_) < std::chrono::seconds(30))
      return;
    drawn_ = now;
    const double seconds = std::chrono::duration<double>(now - start_).count();
    const double rate = seconds > 0 ? double(done - begin_) / seconds : 0;
    const auto left = std::int64_t(rate > 0 ? double(total_ - done) / rate : 0);
    if (!terminal_) {
      std::fprintf(stderr, "%s  %lld/%lld  %lld:%02lld left  %s\n", label_.c_str(), static_cast<long long>(done),
                   static_cast<long long>(total_), static_cast<long long>(left / 60), static_cast<long long>(left % 60),
                   note.c_str());
      return;
    }
    constexpr int width = 24;
    const int filled = int(width * std::min(1.0, double(done) / double(total_)));
    std::string bar;
    for (int i = 0; i < width; ++i) bar += i < filled ? "█" : "░";
    std::fprintf(stderr, "\r\033[K%s  %s  %lld/%lld  %.3g/s  %lld:%02lld left  %s", label_.c_str(), bar.c_str(),
                 static_cast<long long>(done), static_cast<long long>(total_), rate, static_cast<long long>(left / 60),
                 static_cast<long long>(left % 60), note.c_str());
    std::fflush(stderr);
    dirty_ = true;
  }

  /// Leaves the terminal clean for the next line.
  void finish() {
    if (dirty_) std::fprintf(stderr, "\r\033[K");
    dirty_ = false;
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::string label_;
  std::int64_t total_, begin_;
  bool terminal_, dirty_ = false;
  Clock::time_point start_ = Clock::now(), drawn_{};
};

}  // namespace tenzo
