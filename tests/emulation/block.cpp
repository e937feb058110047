// How a block runs: its threads by turns, barriers, warps; and what is said when nobody can go on.

#include "block.hpp"

#include <algorithm>
#include <bit>
#include <exception>
#include <utility>

#include "linkage.hpp"
#include "tenzo/core/error.hpp"

namespace tenzo::emulation {

// ── a launch ─────────────────────────────────────────────────────────────────────────────────────────────────────────

TENZO_IN_LIBRARY void Block::run(const Launch& launch, Strands& strands) {
  const Hidden hidden;
  prepare(launch, strands);
  release(&tags_->begin);
  const std::uint64_t blocks = std::uint64_t(launch.blocks.x) * launch.blocks.y * launch.blocks.z;
  for (std::uint64_t i = 0; i < blocks && fault_.fault == Fault::none; ++i) run_block(turns_.block(i, blocks));
  acquire(&tags_->end);
  here = {};
  if (fault_.fault != Fault::none) LastError::instance().raise(fault_);
}

TENZO_IN_LIBRARY void Block::prepare(const Launch& launch, Strands& strands) {
  launch_ = &launch, strands_ = &strands;
  size_ = launch.block_size(), warps_ = (size_ + 31) / 32;
  turns_ = Turns(schedule(), running().dice());
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

TENZO_IN_LIBRARY void Block::run_block(std::uint64_t number) {
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
TENZO_IN_LIBRARY void Block::abandon() {
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
TENZO_NOT_SEEN_BY_TSAN TENZO_IN_LIBRARY void Block::work() {
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
TENZO_IN_LIBRARY Thread* Block::run_thread() {
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

TENZO_IN_LIBRARY void Block::call_kernel() {
  acquire(&tags_->begin);
  try {
    launch_->thread(launch_->arguments.get());
  } catch (const std::exception& e) {
    fail(Fault::exception, e.what());
  }
}

TENZO_IN_LIBRARY Thread* Block::leave() {
  const Hidden hidden;
  release(&tags_->end);
  stop(*current_, State::gone);
  ++gone_;
  return next();
}

TENZO_NOT_SEEN_BY_TSAN TENZO_IN_LIBRARY void Block::wait() {
  Thread& self = *current_;
  Thread* const to = next();
  if (to != &self) go_on(*self.stack, to);
}

/// Leaves a stack for a thread's, or for the host's.
TENZO_NOT_SEEN_BY_TSAN TENZO_IN_LIBRARY void Block::go_on(Stack& from, Thread* to) {
  if (!to) {
    strands_->stream.enter();
    return Stack::change(from, *host_);
  }
  if (!to->stack) to->stack = take_stack();
  begin_or_resume(*to);
  Stack::change(from, *to->stack);
}

TENZO_NOT_SEEN_BY_TSAN TENZO_IN_LIBRARY void Block::begin_or_resume(Thread& t) {
  current_ = &t;
  t.state = State::running;
  here.thread = t.index;
  t.strand.enter();
}

TENZO_IN_LIBRARY Stack* Block::take_stack() {
  if (free_stacks_.empty()) {
    stacks_.push_back(std::make_unique<Stack>(&work));
    return stacks_.back().get();
  }
  Stack* const s = free_stacks_.back();
  free_stacks_.pop_back();
  return s;
}

/// Who runs next; nobody when all have left.
TENZO_IN_LIBRARY Thread* Block::next() {
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

TENZO_IN_LIBRARY int Block::barrier(const char* operation, bool vote, Site where) {
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

TENZO_IN_LIBRARY void Block::open_barrier() {
  outcome_ = std::exchange(votes_, 0);
  waiting_ = 0;
  meeting_ = nullptr;
  for (int i = 0; i < size_; ++i) threads_[i].state = State::running, ready(threads_[i]);
}

// ── warps ────────────────────────────────────────────────────────────────────────────────────────────────────────────

TENZO_IN_LIBRARY std::uint64_t Block::meet(const char* operation, unsigned mask, Site where, std::uint64_t in,
                                           int source, Resolve resolve, bool orders_memory) {
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

TENZO_IN_LIBRARY bool Block::all_met(const Thread* lanes, const Thread& t) const {
  if ((in_warp_[t.number / 32] & t.mask) != t.mask) return false;
  for (unsigned m = t.mask; m; m &= m - 1)
    if (const Thread& o = lanes[std::countr_zero(m)]; o.mask != t.mask || !same_place(o, t)) return false;
  return true;
}

TENZO_IN_LIBRARY unsigned Block::lanes_left() const {
  unsigned left = 0;
  const int first = current_->number / 32 * 32;
  for (int l = 0; l < 32 && first + l < size_; ++l) left |= unsigned(threads_[first + l].state != State::gone) << l;
  return left;
}

// ── faults ───────────────────────────────────────────────────────────────────────────────────────────────────────────

TENZO_IN_LIBRARY void Block::fail(Fault fault, const std::string& text, Site site) {
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

TENZO_IN_LIBRARY void Block::check_shared(Site where) {
  const std::size_t arrays = shared_.static_bytes(), dynamic = launch_->shared_bytes;
  if (arrays > Launch::static_shared_limit || arrays + dynamic > launch_->shared_limit)
    fail(Fault::shared_memory,
         cat(arrays, " bytes of shared arrays and ", dynamic, " dynamic ones; at most ", Launch::static_shared_limit,
             " and ", launch_->shared_limit, " in all"),
         where);
}

/// Nobody can run, and no barrier may open: says who waits for what.
TENZO_IN_LIBRARY void Block::diagnose() {
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
