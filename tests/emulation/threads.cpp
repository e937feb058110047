#include "threads.hpp"

#include <bit>

#include "linkage.hpp"
#include "tenzo/core/error.hpp"

namespace tenzo::emulation {

TENZO_IN_LIBRARY std::uint64_t shuffle(const char* operation, unsigned mask, std::uint64_t v, int source, Site where) {
  return Block::instance().meet(operation, mask, where, v, source, [](Thread* lanes, unsigned m) {
    for_each_lane(lanes, m, [&](Thread& to) {
      if (!(m >> to.source & 1))
        Block::instance().fail(
            Fault::warp,
            cat(to.operation, ": thread ", to.index, " reads lane ", to.source, ", which is not in the mask ", Hex{m}),
            to.site);
      to.out = lanes[to.source].in;
    });
  });
}

TENZO_IN_LIBRARY Part::Part(const char* operation, int width, Site where) {
  if (width < 1 || width > 32 || !std::has_single_bit(unsigned(width)))
    Block::instance().fail(Fault::warp, cat(operation, ": a width of ", width), where);
  lane = Block::instance().current()->number % 32;
  first = lane & ~(width - 1);
  last = first + width - 1;
}

TENZO_IN_LIBRARY unsigned ballot(const char* operation, unsigned mask, int vote, Site where) {
  return unsigned(Block::instance().meet(operation, mask, where, vote != 0, 0, [](Thread* lanes, unsigned m) {
    unsigned votes = 0;
    for_each_lane(lanes, m, [&](Thread& t) { votes |= unsigned(t.in) << t.number % 32; });
    for_each_lane(lanes, m, [&](Thread& t) { t.out = votes; });
  }));
}

TENZO_IN_LIBRARY unsigned match(unsigned mask, std::uint64_t v, Site where) {
  return unsigned(Block::instance().meet("__match_any_sync", mask, where, v, 0, [](Thread* lanes, unsigned m) {
    for_each_lane(lanes, m, [&](Thread& t) {
      t.out = 0;
      for_each_lane(lanes, m, [&](const Thread& o) { t.out |= std::uint64_t(o.in == t.in) << o.number % 32; });
    });
  }));
}

}  // namespace tenzo::emulation
