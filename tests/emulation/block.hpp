// A block of threads, run on one thread of the system.
//
// A CUDA thread runs until it must wait: for the block at a barrier, or for lanes of its warp. Then another runs. A
// stack belongs to a thread from its first instruction to its last; when the thread leaves, the stack goes on with the
// next one that has not begun. So threads that never wait cost a call each, on one stack.
//
// Nothing runs in parallel and nothing times out: when no thread can run, what each waits for is known, and either a
// barrier opens or the block is at fault.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "fault.hpp"
#include "launch.hpp"
#include "sanitizers.hpp"
#include "schedule.hpp"
#include "shared.hpp"
#include "stack.hpp"

namespace tenzo::emulation {

/// A CUDA thread, and as one of a warp a lane.
struct Thread {
  enum class State : std::uint8_t { fresh, running, at_barrier, in_warp, gone };

  uint3 index;
  int number;  // in the block
  State state;
  Stack* stack;
  Strand strand;
  Meeting* meeting;

  // Where it waits, or waited last.
  const char* operation;
  Site site;

  // An operation of the warp: the lanes that must meet, what this one brings and takes.
  unsigned mask;
  int source;
  std::uint64_t in, out;

  friend bool same_place(const Thread& a, const Thread& b) {
    return a.site == b.site && (a.operation == b.operation || std::strcmp(a.operation, b.operation) == 0);
  }
};

/// Writes a mask as CUDA programmers do.
struct Hex {
  unsigned value;
  friend std::ostream& operator<<(std::ostream& o, Hex h) { return o << "0x" << std::hex << h.value << std::dec; }
};

class Block {
 public:
  static constexpr int most_threads = 1024, most_warps = most_threads / 32;

  static Block& instance() {
    static auto* const block = new Block;
    return *block;
  }

  /// Runs all blocks of a launch, one after another. What goes wrong is raised as the last error.
  void run(const Launch& launch, Strands& strands);

  /// The running thread, its shared memory, and a tag for what fences order.
  Thread* current() const { return current_; }
  SharedMemory& shared() { return shared_; }
  /// Fails where the block's shared memory is more than the launch may have.
  void check_shared(Site where);
  const void* fence() const { return &tags_->fence; }

  /// __syncthreads and its kin: the number of threads whose vote is true.
  int barrier(const char* operation, bool vote, Site where);

  /// Waits until all lanes of `mask` have come with the same operation, mask and site. The last to come calls
  /// `resolve(lanes, mask)`, which makes the `out` of each lane from the `in` of all.
  using Resolve = void (*)(Thread* lanes, unsigned mask);
  std::uint64_t meet(const char* operation, unsigned mask, Site where, std::uint64_t in, int source, Resolve resolve,
                     bool orders_memory = false);

  /// The lanes of the running thread's warp that have not left the kernel.
  unsigned lanes_left() const;

  /// Ends the launch.
  [[noreturn]] void fail(Fault fault, const std::string& text, Site site = {});

 private:
  using State = Thread::State;
  struct Failed {};  // thrown through the kernel by who is at fault

  void prepare(const Launch& launch, Strands& strands);
  void run_block(std::uint64_t number);
  void abandon();

  static void work();
  Thread* run_thread();
  void call_kernel();
  Thread* leave();
  void wait();
  void go_on(Stack& from, Thread* to);
  void begin_or_resume(Thread& t);

  Thread* next();
  void open_barrier();
  bool all_met(const Thread* lanes, const Thread& t) const;
  [[noreturn]] void diagnose();

  void ready(const Thread& t) { ready_[t.number / 32] |= 1u << t.number % 32; }
  void stop(Thread& t, State s) {
    t.state = s;
    ready_[t.number / 32] &= ~(1u << t.number % 32);
  }
  Stack* take_stack();
  void give_stack(Stack* s) {
    if constexpr (!thread_sanitizer) free_stacks_.push_back(s);
  }

  // Of the launch. What the sanitizer's order starts from, leads to, and what fences order, is new for each: an edge
  // from an earlier launch would hide that an event is missing.
  struct Tags {
    char begin, end, fence;
  };
  const Launch* launch_ = nullptr;
  Strands* strands_ = nullptr;
  std::uint64_t ran_ = 0;     // blocks of all launches
  int size_ = 0, warps_ = 0;  // threads and warps of a block
  Turns turns_{{}, Dice()};
  Report fault_;
  std::unique_ptr<Tags> tags_;

  // Of the block.
  Thread* current_ = nullptr;
  int gone_ = 0;
  unsigned ready_[most_warps] = {}, in_warp_[most_warps] = {};  // lanes that can run, that wait for others of the warp
  SharedMemory shared_;

  // Of its barrier.
  int waiting_ = 0, votes_ = 0, outcome_ = 0;
  const Thread* first_ = nullptr;  // to come
  bool divergent_ = false;
  Meeting* meeting_ = nullptr;

  std::array<Thread, most_threads> threads_{};
  Stack* host_ = nullptr;
  std::vector<std::unique_ptr<Stack>> stacks_;
  std::vector<Stack*> free_stacks_;
};

}  // namespace tenzo::emulation
