#include "lab_of.hpp"
#include "tenzo/models/didn.hpp"

namespace smug {

template <class Device>
std::unique_ptr<Lab> didn_lab(const Sizes& s) {
  return std::make_unique<LabOf<tenzo::Didn, Device>>(
      "didn", tenzo::didn_spec({.channels = 2, .width = s.channels, .blocks = 2}), s, true);
}

template std::unique_ptr<Lab> didn_lab<TENZO_DEVICE>(const Sizes&);

}  // namespace smug
