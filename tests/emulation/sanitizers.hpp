// What the sanitizers must be told: which stack runs, which CUDA thread it is, and what CUDA orders before what.
#pragma once

#include <string>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TENZO_ADDRESS_SANITIZER
#endif
#if __has_feature(thread_sanitizer)
#define TENZO_THREAD_SANITIZER
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define TENZO_ADDRESS_SANITIZER
#endif
#if defined(__SANITIZE_THREAD__)
#define TENZO_THREAD_SANITIZER
#endif

#ifdef TENZO_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#ifdef TENZO_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#if defined(__clang__)  // which would still mark the beginning and end of the function
#define TENZO_NOT_SEEN_BY_TSAN __attribute__((disable_sanitizer_instrumentation, noinline))
#else
#define TENZO_NOT_SEEN_BY_TSAN __attribute__((no_sanitize("thread")))
#endif
#else
#define TENZO_NOT_SEEN_BY_TSAN
#endif

namespace tenzo::emulation {

#ifdef TENZO_ADDRESS_SANITIZER
inline constexpr bool address_sanitizer = true;
#else
inline constexpr bool address_sanitizer = false;
#endif

#ifdef TENZO_THREAD_SANITIZER

inline constexpr bool thread_sanitizer = true;

inline void begin_hiding() {
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
}
inline void end_hiding() {
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}

/// What this strand did so far happens before what another does after it has acquired the same tag.
inline void release(const void* tag) { __tsan_release(const_cast<void*>(tag)); }
inline void acquire(const void* tag) { __tsan_acquire(const_cast<void*>(tag)); }

/// What the thread sanitizer takes for one thread, though one runs them all: the host, a stream, a CUDA thread.
///   Strands are never destroyed; g++ 12's sanitizer has room for 8000. Those of clang 14 and of later compilers tell
///   some 250 apart: they miss races in larger blocks.
class Strand {
 public:
  Strand() = default;
  /// A new one, which has seen nothing of what its maker did.
  static Strand make(const std::string& name) {
    static const Strand root(__tsan_create_fiber(0));
    const Strand maker = current();
    root.enter();
    const Strand made(__tsan_create_fiber(0));
    maker.enter();
    __tsan_set_fiber_name(made.fiber_, name.c_str());
    return made;
  }
  static Strand current() { return Strand(__tsan_get_current_fiber()); }
  /// From here on the running code is this strand. Orders nothing.
  TENZO_NOT_SEEN_BY_TSAN void enter() const { __tsan_switch_to_fiber(fiber_, __tsan_switch_to_fiber_no_sync); }

 private:
  explicit Strand(void* fiber) : fiber_(fiber) {}
  void* fiber_ = nullptr;
};

#else

inline constexpr bool thread_sanitizer = false;

inline void begin_hiding() {}
inline void end_hiding() {}
inline void release(const void*) {}
inline void acquire(const void*) {}

class Strand {
 public:
  static Strand make(const std::string&) { return {}; }
  static Strand current() { return {}; }
  void enter() const {}
};

#endif

/// While it lives, the emulator's own work is hidden from the thread sanitizer, on the strand that made it.
struct Hidden {
  Hidden() { begin_hiding(); }
  ~Hidden() { end_hiding(); }
  Hidden(const Hidden&) = delete;
  Hidden& operator=(const Hidden&) = delete;
};

/// Where CUDA threads meet: what each did before it came happens before what any does after it left.
///   One for each occasion. If there were one for all, who comes to the next barrier would be waited for by who still
///   leaves this one, and races between the two would not be seen.
class Meeting {
 public:
  /// Comes to the meeting, or opens one.
  static void come(Meeting*& meeting) {
    if constexpr (thread_sanitizer) {
      if (!meeting) meeting = new Meeting;
      ++meeting->present_;
      release(meeting);
    }
  }
  static void leave(Meeting* meeting) {
    if constexpr (thread_sanitizer) {
      acquire(meeting);
      if (--meeting->present_ == 0) delete meeting;
    }
  }

 private:
  int present_ = 0;
};

}  // namespace tenzo::emulation
