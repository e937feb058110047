// Certification of one image by a thousand noisy copies: what peers/certify.py does with PyTorch.
#include "tenzo/models/lenet.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/smoothing/classifier.hpp"
#include "workloads.hpp"

namespace {

using namespace tenzo;

/// LeNet, 28 x 28 pixels, n0 = 100 and n = 1,000 copies in batches of 400.
void certify_lenet(benchmark::State& s) {
  using namespace tenzo::smoothing;
  const auto network = initialised<float>(lenet_spec(), 1);
  const SmoothedClassifier g([&](const Tensor<float>& x) { return network(x); }, AdditiveNoise{Family::gaussian, 0.5});
  const Tensor<float> x = random_uniform<float>({1, 28, 28}, initial_key(1, 0), 0, 1);
  const CertifyOptions o{.selection = 100, .samples = 1000, .batch = 400};
  std::int64_t image = 0;
  const double seconds = bench::repeat<Cpu>(s, [&] {
    const Certificate c = g.certify(x, image++, o);
    benchmark::DoNotOptimize(&c);
  });
  s.counters["copies/s"] = double(o.selection + o.samples) / seconds;
}

const bench::Workloads workloads([](auto device) {
  if constexpr (HostDevice<decltype(device)>) bench::add("certify/lenet/n1000", certify_lenet);
});

}  // namespace
