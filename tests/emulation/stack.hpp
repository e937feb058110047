// Machine stacks, and the switch from one to another.
//
// The switch is a dozen instructions where we know the processor; elsewhere it is swapcontext, which costs two calls of
// the system. Floating-point modes are not switched: kernels do not change them.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <new>

#include "sanitizers.hpp"

#if !defined(TENZO_EMULATION_UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#define TENZO_EMULATION_UCONTEXT
#endif

#ifdef TENZO_EMULATION_UCONTEXT
#include <ucontext.h>
#else

// void tenzo_emulation_switch(void** from, void* to): what a call keeps goes onto the stack that is left, its pointer
// into *from; then the same backwards from `to`.
extern "C" void tenzo_emulation_switch(void** from, void* to);

#if defined(__x86_64__)
asm(R"(
  .text
  .weak tenzo_emulation_switch
  .type tenzo_emulation_switch, @function
tenzo_emulation_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size tenzo_emulation_switch, . - tenzo_emulation_switch
)");
#else
asm(R"(
  .text
  .weak tenzo_emulation_switch
  .type tenzo_emulation_switch, %function
tenzo_emulation_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
  .size tenzo_emulation_switch, . - tenzo_emulation_switch
)");
#endif
#endif

namespace tenzo::emulation {

/// A stack with a guard page below, on which a function runs that never returns; or the one that the system gave.
class Stack {
 public:
  static constexpr std::size_t bytes = std::size_t(256) << 10;  // a sanitizer writes its reports on it, too

  /// The stack that runs now.
  Stack() = default;
  /// A new one; the first change to it calls `start`.
  explicit Stack(void (*start)()) : start_(start), guard_(std::size_t(sysconf(_SC_PAGESIZE))) {
    void* const p = mmap(nullptr, guard_ + bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    memory_ = static_cast<std::byte*>(p) + guard_;
    if (mprotect(memory_, bytes, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
    bottom_ = memory_, size_ = bytes;
    rewind();
  }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  ~Stack() {
    if (memory_) munmap(memory_ - guard_, guard_ + bytes);
  }

  /// Forgets what it was running: the next change to it calls `start` again.
  void rewind() {
#ifdef TENZO_ADDRESS_SANITIZER
    __asan_unpoison_memory_region(memory_, bytes);  // what was running did not return
    fake_ = nullptr;
#endif
#ifdef TENZO_EMULATION_UCONTEXT
    getcontext(&context_);
    context_.uc_stack.ss_sp = memory_;
    context_.uc_stack.ss_size = bytes;
    makecontext(&context_, enter, 0);
#elif defined(__x86_64__)
    auto* const top = reinterpret_cast<void**>(memory_ + bytes);
    for (int i = 1; i <= 8; ++i) top[-i] = nullptr;
    top[-2] = reinterpret_cast<void*>(&enter);  // returned to with a stack pointer of 8 mod 16, as after a call
    top_ = top - 8;
#else
    auto* const top = reinterpret_cast<void**>(memory_ + bytes);
    for (int i = 1; i <= 20; ++i) top[-i] = nullptr;
    top[-9] = reinterpret_cast<void*>(&enter);  // x30
    top_ = top - 20;
#endif
  }

  /// Goes on where `to` stopped. Returns when somebody changes back.
  TENZO_NOT_SEEN_BY_TSAN static void change(Stack& from, Stack& to) {
    left_ = &from, reached_ = &to;
#ifdef TENZO_ADDRESS_SANITIZER
    __sanitizer_start_switch_fiber(&from.fake_, to.bottom_, to.size_);
#endif
#ifdef TENZO_EMULATION_UCONTEXT
    swapcontext(&from.context_, &to.context_);
#else
    tenzo_emulation_switch(&from.top_, to.top_);
#endif
    arrived();
  }

 private:
  TENZO_NOT_SEEN_BY_TSAN static void arrived() {
#ifdef TENZO_ADDRESS_SANITIZER
    __sanitizer_finish_switch_fiber(reached_->fake_, &left_->bottom_, &left_->size_);
#endif
  }
  TENZO_NOT_SEEN_BY_TSAN static void enter() {
    arrived();
    reached_->start_();
  }

  inline static Stack *left_ = nullptr, *reached_ = nullptr;  // by the last change

  void (*start_)() = nullptr;
  std::size_t guard_ = 0;
  std::byte* memory_ = nullptr;
  const void* bottom_ = nullptr;  // of the system's stack only the sanitizer knows it, and tells
  std::size_t size_ = 0;
  [[maybe_unused]] void* fake_ = nullptr;  // the sanitizer's own
#ifdef TENZO_EMULATION_UCONTEXT
  ucontext_t context_;
#else
  void* top_ = nullptr;  // the stack pointer where it stopped
#endif
};

}  // namespace tenzo::emulation
