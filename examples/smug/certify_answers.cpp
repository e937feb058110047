#include "certify_networks.hpp"

namespace smug::certify {

using namespace tenzo;

Answers answers(const Network& network, DeviceOption device) {
  return on_device(device, [&]<class D>(D) -> Answers {
    const auto there = to_device<D>(network);
    return [there](const Tensor<float>& x) { return there(x.to<D>()).template to<Cpu>(); };
  });
}

}  // namespace smug::certify
