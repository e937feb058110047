#include "lab_of.hpp"
#include "tenzo/models/didn.hpp"

namespace smug {

std::unique_ptr<Lab> didn_lab(const Sizes& s) {
  return std::make_unique<LabOf<tenzo::Didn>>(tenzo::didn_spec({.channels = 2, .width = s.channels, .blocks = 2}), s,
                                              true);
}

}  // namespace smug
