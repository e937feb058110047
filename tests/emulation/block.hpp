// A block of threads, run on one thread of the system.
//
// A CUDA thread runs until it must wait: for the block at a barrier, or for lanes of its warp. Then another runs. A
// stack belongs to a thread from its first instruction to its last; when the thread leaves, the stack goes on with the
// next one that has not begun. So threads that never wait cost a call each, on one stack.
//
// Nothing runs in parallel and nothing times out: when no thread can run, what each waits for is known, and either a
// barrier opens or the block is at fault.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fault.hpp"
#include "launch.hpp"
#include "sanitizers.hpp"
#include "schedule.hpp"
#include "shared.hpp"
#include "stack.hpp"
#include "tenzo/core/error.hpp"

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
  std::uint64_t launches_ = 0, ran_ = 0;  // ran: blocks of all launches
  int size_ = 0, warps_ = 0;              // threads and warps of a block
  Turns turns_{{}, 0};
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

// ── a launch ─────────────────────────────────────────────────────────────────────────────────────────────────────────

inline void Block::run(const Launch& launch, Strands& strands) {
  const Hidden hidden;
  prepare(launch, strands);
  release(&tags_->begin);
  const std::uint64_t blocks = std::uint64_t(launch.blocks.x) * launch.blocks.y * launch.blocks.z;
  for (std::uint64_t i = 0; i < blocks && fault_.fault == Fault::none; ++i) run_block(turns_.block(i, blocks));
  acquire(&tags_->end);
  here = {};
  if (fault_.fault != Fault::none) LastError::instance().raise(fault_);
}

inline void Block::prepare(const Launch& launch, Strands& strands) {
  launch_ = &launch, strands_ = &strands;
  size_ = launch.block_size(), warps_ = (size_ + 31) / 32;
  turns_ = Turns(schedule(), ++launches_);
  fault_ = {};
  tags_ = std::make_unique<Tags>();
  here = {{}, {}, launch.threads, launch.blocks};
  for (int i = 0; i < size_; ++i) {
    const unsigned n = unsigned(i), x = launch.threads.x, y = launch.threads.y;
    threads_[i].index = {n % x, n / x % y, n / (x * y)};
    threads_[i].number = i;
  }
  if constexpr (thread_sanitizer)
    for (auto& set : strands.threads)
      while (int(set.size()) < size_)
        set.push_back({Strand::make(cat("CUDA thread ", set.size())), std::make_unique<Stack>(&work)});
}

inline void Block::run_block(std::uint64_t number) {
  const std::uint64_t x = launch_->blocks.x, y = launch_->blocks.y;
  here.block = {unsigned(number % x), unsigned(number / x % y), unsigned(number / (x * y))};
  shared_.open(launch_->shared_bytes);
  gone_ = waiting_ = votes_ = 0;
  meeting_ = nullptr;
  [[maybe_unused]] const auto& set = strands_->threads[ran_++ % 2];
  for (int i = 0; i < size_; ++i) {
    Thread& t = threads_[i];
    t.state = State::fresh;
    t.stack = nullptr;
    if constexpr (thread_sanitizer) t.strand = set[std::size_t(i)].strand, t.stack = set[std::size_t(i)].stack.get();
  }
  for (int w = 0; w < warps_; ++w) ready_[w] = size_ - 32 * w >= 32 ? ~0u : ~(~0u << (size_ - 32 * w)), in_warp_[w] = 0;

  Stack host;
  host_ = &host;
  go_on(host, &threads_[turns_.next(ready_, warps_, -1)]);  // comes back when all have left, or one has failed
  if (fault_.fault != Fault::none) abandon();
  current_ = nullptr;
  shared_.close();
}

/// After a fault: the threads that did not come to their end.
inline void Block::abandon() {
  for (int i = 0; i < size_; ++i) {
    Thread& t = threads_[i];
    if (&t == current_ || t.state == State::fresh || t.state == State::gone) continue;  // current: whose fault it is
    t.stack->rewind();
    give_stack(t.stack);
    t.strand.enter();
    end_hiding();  // it stopped in wait
    release(&tags_->end);
    strands_->stream.enter();
  }
}

// ── running and waiting ──────────────────────────────────────────────────────────────────────────────────────────────
// What changes strands is not seen by the thread sanitizer: it must find the end of a function on the strand of its
// beginning.

/// What a stack does: one thread after another, from its first instruction to its last.
TENZO_NOT_SEEN_BY_TSAN inline void Block::work() {
  Block& block = instance();
  for (;;) {
    Stack& stack = *block.current_->stack;
    Thread* const to = block.run_thread();
    if (to && !to->stack) {
      to->stack = &stack;
      block.begin_or_resume(*to);
    } else {
      block.go_on(stack, to);
    }
  }
}

/// Runs the current thread to its end, and says who is next; nobody after a fault.
inline Thread* Block::run_thread() {
  Thread* next = nullptr;
  try {
    call_kernel();
    next = leave();
  } catch (const Failed&) {
    release(&tags_->end);
  }
  const Hidden hidden;
  if (!next || next->stack) give_stack(current_->stack);
  return next;
}

inline void Block::call_kernel() {
  acquire(&tags_->begin);
  try {
    launch_->thread(launch_->arguments.get());
  } catch (const std::exception& e) {
    fail(Fault::exception, e.what());
  }
}

inline Thread* Block::leave() {
  const Hidden hidden;
  release(&tags_->end);
  stop(*current_, State::gone);
  ++gone_;
  return next();
}

TENZO_NOT_SEEN_BY_TSAN inline void Block::wait() {
  Thread& self = *current_;
  Thread* const to = next();
  if (to != &self) go_on(*self.stack, to);
}

/// Leaves a stack for a thread's, or for the host's.
TENZO_NOT_SEEN_BY_TSAN inline void Block::go_on(Stack& from, Thread* to) {
  if (!to) {
    strands_->stream.enter();
    return Stack::change(from, *host_);
  }
  if (!to->stack) to->stack = take_stack();
  begin_or_resume(*to);
  Stack::change(from, *to->stack);
}

TENZO_NOT_SEEN_BY_TSAN inline void Block::begin_or_resume(Thread& t) {
  current_ = &t;
  t.state = State::running;
  here.thread = t.index;
  t.strand.enter();
}

inline Stack* Block::take_stack() {
  if (free_stacks_.empty()) {
    stacks_.push_back(std::make_unique<Stack>(&work));
    return stacks_.back().get();
  }
  Stack* const s = free_stacks_.back();
  free_stacks_.pop_back();
  return s;
}

/// Who runs next; nobody when all have left.
inline Thread* Block::next() {
  int i = turns_.next(ready_, warps_, current_->number);
  if (i < 0) {
    if (gone_ == size_) return nullptr;
    if (waiting_ < size_ || divergent_) diagnose();
    open_barrier();
    i = turns_.next(ready_, warps_, -1);
  }
  return &threads_[i];
}

// ── barriers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

inline int Block::barrier(const char* operation, bool vote, Site where) {
  const Hidden hidden;
  Thread& t = *current_;
  stop(t, State::at_barrier);
  t.operation = operation, t.site = where;
  if (waiting_++ == 0) first_ = &t, divergent_ = false;
  divergent_ |= !same_place(t, *first_);
  votes_ += vote;
  Meeting::come(meeting_);
  Meeting* const meeting = meeting_;
  wait();
  Meeting::leave(meeting);
  return outcome_;  // until this thread has come to the next barrier
}

inline void Block::open_barrier() {
  outcome_ = std::exchange(votes_, 0);
  waiting_ = 0;
  meeting_ = nullptr;
  for (int i = 0; i < size_; ++i) threads_[i].state = State::running, ready(threads_[i]);
}

// ── warps ────────────────────────────────────────────────────────────────────────────────────────────────────────────

inline std::uint64_t Block::meet(const char* operation, unsigned mask, Site where, std::uint64_t in, int source,
                                 Resolve resolve, bool orders_memory) {
  const Hidden hidden;
  Thread& t = *current_;
  const int warp = t.number / 32, lane = t.number % 32;
  Thread* const lanes = &threads_[32 * warp];
  if (!(mask >> lane & 1)) fail(Fault::warp, cat(operation, ": lane ", lane, " is not in its mask ", Hex{mask}), where);
  if (32 * warp + 31 - std::countl_zero(mask) >= size_)
    fail(Fault::warp, cat(operation, ": the mask ", Hex{mask}, " names lanes beyond the block of ", size_), where);

  stop(t, State::in_warp);
  t.operation = operation, t.site = where, t.mask = mask, t.in = in, t.source = source, t.meeting = nullptr;
  in_warp_[warp] |= 1u << lane;
  if (orders_memory) {
    for (unsigned others = in_warp_[warp] & mask & ~(1u << lane); others && !t.meeting; others &= others - 1)
      if (const Thread& o = lanes[std::countr_zero(others)]; same_place(o, t) && o.mask == mask) t.meeting = o.meeting;
    Meeting::come(t.meeting);
  }
  if (all_met(lanes, t)) {
    resolve(lanes, mask);
    in_warp_[warp] &= ~mask;
    for (unsigned m = mask; m; m &= m - 1) {
      Thread& o = lanes[std::countr_zero(m)];
      o.state = State::running, ready(o);
    }
  }
  wait();
  if (orders_memory) Meeting::leave(t.meeting);
  return t.out;
}

inline bool Block::all_met(const Thread* lanes, const Thread& t) const {
  if ((in_warp_[t.number / 32] & t.mask) != t.mask) return false;
  for (unsigned m = t.mask; m; m &= m - 1)
    if (const Thread& o = lanes[std::countr_zero(m)]; o.mask != t.mask || !same_place(o, t)) return false;
  return true;
}

inline unsigned Block::lanes_left() const {
  unsigned left = 0;
  const int first = current_->number / 32 * 32;
  for (int l = 0; l < 32 && first + l < size_; ++l) left |= unsigned(threads_[first + l].state != State::gone) << l;
  return left;
}

// ── faults ───────────────────────────────────────────────────────────────────────────────────────────────────────────

inline void Block::fail(Fault fault, const std::string& text, Site site) {
  const Hidden hidden;
  const cudaError_t code = fault == Fault::illegal_address ? cudaErrorIllegalAddress
                           : fault == Fault::misaligned    ? cudaErrorMisalignedAddress
                                                           : cudaErrorLaunchFailure;
  fault_ = {code, fault,
            cat(launch_->kernel, " <<<", launch_->blocks, ", ", launch_->threads, ">>>, block ", here.block,
                ", thread ", current_->index, site.line ? cat(" at ", site) : "", ": ", text),
            site};
  throw Failed();
}

inline void Block::check_shared(Site where) {
  const std::size_t arrays = shared_.static_bytes(), dynamic = launch_->shared_bytes;
  if (arrays > Launch::static_shared_limit || arrays + dynamic > launch_->shared_limit)
    fail(Fault::shared_memory,
         cat(arrays, " bytes of shared arrays and ", dynamic, " dynamic ones; at most ", Launch::static_shared_limit,
             " and ", launch_->shared_limit, " in all"),
         where);
}

/// Nobody can run, and no barrier may open: says who waits for what.
inline void Block::diagnose() {
  struct Place {
    const Thread* first;
    int count;
  };
  std::vector<Place> places;
  const Thread *waits = nullptr, *missed = nullptr;  // in a warp, and the lane that does not come
  bool warp = false;
  for (int i = 0; i < size_; ++i) {
    const Thread& t = threads_[i];
    if (t.state == State::gone) continue;
    const auto at = std::find_if(places.begin(), places.end(), [&](const Place& p) { return same_place(*p.first, t); });
    if (at == places.end()) places.push_back({&t, 1});
    else ++at->count;
    if (t.state != State::in_warp || warp) continue;
    for (unsigned m = t.mask; m && !warp; m &= m - 1) {
      const Thread& o = threads_[i / 32 * 32 + std::countr_zero(m)];
      if (o.state == State::in_warp && o.mask == t.mask && same_place(o, t)) continue;
      waits = &t, missed = &o;
      warp = o.state != State::at_barrier;
    }
  }
  std::string text;
  for (const Place& p : places)
    text += cat(text.empty() ? "" : "; ", p.count, p.count == 1 ? " thread waits in " : " threads wait in ",
                p.first->operation, " at ", p.first->site, ", thread ", p.first->index, " first");
  if (gone_ > 0) text += cat("; ", gone_, gone_ == 1 ? " thread has" : " threads have", " left the kernel");
  if (waits)
    text +=
        cat("; the mask ", Hex{waits->mask}, " of thread ", waits->index, " names thread ", missed->index, ", which ",
            missed->state == State::gone ? "has left the kernel" : "waits elsewhere or with another mask");
  const Fault fault = warp        ? Fault::warp
                      : waits     ? Fault::deadlock
                      : gone_ > 0 ? Fault::early_exit
                                  : Fault::divergent_barrier;
  constexpr const char* what[] = {"lanes of a mask do not meet", "deadlock", "a barrier after threads have left",
                                  "divergent barriers"};
  fail(fault,
       cat(what[fault == Fault::warp         ? 0
                : fault == Fault::deadlock   ? 1
                : fault == Fault::early_exit ? 2
                                             : 3],
           ": ", text),
       waits ? waits->site : places.front().first->site);
}

}  // namespace tenzo::emulation
