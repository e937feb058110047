// Threads that stand by to help with parallel loops.
//
// A helper that does not come in time is not waited for: the thread that opened the loop does the work itself. So a
// loop costs little more than its work even where other programs hold the cores, and a process that has forked still
// finishes its loops.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace tenzo::detail {

/// Set on helpers, and on a thread that is running a parallel loop.
inline thread_local bool inside_parallel = false;

/// The first exception of several threads, to be thrown again by one of them.
class FirstError {
 public:
  template <class F>
  void guard(F&& f) noexcept {
    try {
      f();
    } catch (...) {
      std::scoped_lock lock(mutex_);
      if (!error_) error_ = std::current_exception();
    }
  }
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::mutex mutex_;
  std::exception_ptr error_;
};

inline void spin_pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

/// The helpers of this process. A job is a function that takes pieces of work until none is left.
class ThreadTeam {
 public:
  static ThreadTeam& instance() {
    static ThreadTeam team;
    return team;
  }

  ThreadTeam() = default;
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;
  ~ThreadTeam() {
    {
      std::scoped_lock lock(sleep_);
      stop_ = true;
    }
    wake_.notify_all();
    for (std::thread& helper : helpers_) helper.join();
  }

  /// Calls `work` on this thread, and on up to `helpers` others that come while it runs. Returns when all have
  /// returned; throws what the first of them threw. Two loops at a time: the second runs on its own thread only.
  template <class F>
  void run(int helpers, F&& work) {
    FirstError first;
    auto job = [&] { first.guard(work); };
    inside_parallel = true;
    if (std::unique_lock only(busy_, std::try_to_lock); only) {
      call_ = [](void* f) { (*static_cast<decltype(job)*>(f))(); };
      context_ = &job;
      open(helpers);
      job();
      close();
    } else {
      job();
    }
    inside_parallel = false;
    first.rethrow();
  }

 private:
  // state_: the number of the job (high 32 bits), the seats that are left (16 bits), the helpers inside (16 bits).
  static constexpr std::uint64_t one_job = std::uint64_t(1) << 32, one_seat = 1 << 16, seats = 0xffff0000,
                                 inside = 0xffff;

  void open(int helpers) {
    hire(helpers);
    const std::uint64_t job = (state_.load(std::memory_order_relaxed) | (one_job - 1)) + 1;
    state_.store(job + std::uint64_t(helpers_.size() < std::size_t(helpers) ? helpers_.size() : std::size_t(helpers)) *
                           one_seat);
    if (sleepers_.load() > 0) {
      { std::scoped_lock lock(sleep_); }  // nobody is between looking at state_ and falling asleep
      wake_.notify_all();
    }
  }

  void close() {
    state_.fetch_and(~seats, std::memory_order_acquire);
    for (int i = 1; (state_.load(std::memory_order_acquire) & inside) != 0; ++i)
      if (i % 64 == 0) std::this_thread::yield();
      else spin_pause();
  }

  void hire(int helpers) {
    while (helpers_.size() < std::size_t(helpers)) try {
        helpers_.emplace_back([this] { help(); });
      } catch (const std::system_error&) {
        return;  // the machine has no more threads to give: go on with those that are there
      }
  }

  void help() {
    inside_parallel = true;
    std::uint64_t done = 0;  // the job that was last helped with
    while (await(done)) {
      std::uint64_t s = state_.load(std::memory_order_relaxed);
      while (offers(s, done))
        if (state_.compare_exchange_weak(s, s + 1 - one_seat, std::memory_order_acquire)) {
          call_(context_);
          done = s / one_job;
          state_.fetch_sub(1, std::memory_order_release);
          break;
        }
    }
  }

  static bool offers(std::uint64_t state, std::uint64_t done) {
    return (state & seats) != 0 && state / one_job != done;
  }

  /// Waits for a job other than `done`: for a while awake, because loops often come in a row. False: time to end.
  bool await(std::uint64_t done) {
    using Clock = std::chrono::steady_clock;
    for (const auto end = Clock::now() + std::chrono::microseconds(100); Clock::now() < end;)
      for (int i = 0; i < 16; ++i) {
        if (offers(state_.load(std::memory_order_relaxed), done)) return true;
        spin_pause();
      }
    std::unique_lock lock(sleep_);
    ++sleepers_;
    wake_.wait(lock, [&] { return stop_ || offers(state_.load(), done); });
    --sleepers_;
    return !stop_;
  }

  std::atomic<std::uint64_t> state_{0};
  std::atomic<int> sleepers_{0};
  void (*call_)(void*) = nullptr;
  void* context_ = nullptr;
  std::mutex busy_;   // held by the thread whose job it is
  std::mutex sleep_;  // guards stop_ and the falling asleep
  std::condition_variable wake_;
  bool stop_ = false;
  std::vector<std::thread> helpers_;
};

}  // namespace tenzo::detail
