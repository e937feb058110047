// Single convolution layers, forward and both gradients, in GFLOP/s (two operations a multiplication, padding counted).
// Bound: the fused multiply-adds of the cores, or of the GPU, in use.
#include "tenzo/ops/cpu/conv.hpp"

#include "workloads.hpp"

namespace {

using namespace tenzo;

struct Layer {
  const char* name;
  std::int64_t batch, in, size, out, kernel, stride, padding, groups;
};

constexpr Layer layers[] = {
    {"mnist_1x28_32/b64", 64, 1, 28, 32, 3, 1, 0, 1},         {"mnist_32x26_64/b64", 64, 32, 26, 64, 3, 1, 0, 1},
    {"cifar_3x32_16/b64", 64, 3, 32, 16, 3, 1, 1, 1},         {"cifar_16x32_16/b64", 64, 16, 32, 16, 3, 1, 1, 1},
    {"cifar_16x32_32_s2/b64", 64, 16, 32, 32, 3, 2, 1, 1},    {"cifar_16x32_32_1x1_s2/b64", 64, 16, 32, 32, 1, 2, 0, 1},
    {"cifar_32x16_32/b64", 64, 32, 16, 32, 3, 1, 1, 1},       {"cifar_32x16_64_s2/b64", 64, 32, 16, 64, 3, 2, 1, 1},
    {"cifar_64x8_64/b64", 64, 64, 8, 64, 3, 1, 1, 1},         {"image_64x56_64/b4", 4, 64, 56, 64, 3, 1, 1, 1},
    {"image_256x14_256/b4", 4, 256, 14, 256, 3, 1, 1, 1},     {"image_512x7_512/b4", 4, 512, 7, 512, 3, 1, 1, 1},
    {"image_256x14_1x1_512/b4", 4, 256, 14, 512, 1, 1, 0, 1}, {"image_3x224_64_7x7_s2/b1", 1, 3, 224, 64, 7, 2, 3, 1},
    {"depthwise_64x32/b16", 16, 64, 32, 64, 3, 1, 1, 64},     {"mri_64x320_64/b1", 1, 64, 320, 64, 3, 1, 1, 1},
    {"mri_64x320_2/b1", 1, 64, 320, 2, 3, 1, 1, 1},
};

enum Pass { forward, input_gradient, weight_gradient };

template <class D>
void conv(benchmark::State& s, const Layer& l, Pass pass) {
  ConvSettings settings;
  settings.stride = {l.stride, l.stride}, settings.padding = {l.padding, l.padding}, settings.groups = l.groups;
  const ConvGeometry g =
      conv_geometry({l.batch, l.in, l.size, l.size}, {l.out, l.in / l.groups, l.kernel, l.kernel}, settings);
  auto x = bench::numbers<D>(g.batch * g.in * g.in_plane()), y = bench::numbers<D>(g.batch * g.out * g.out_plane()),
       w = bench::numbers<D>(g.out * g.group_in() * g.taps());
  bench::repeat<D>(s, [&] {
    if (pass == forward) conv2d<float>(D{}, g, x.data(), w.data(), nullptr, y.data());
    else if (pass == input_gradient) conv2d_input_gradient<float>(D{}, g, y.data(), w.data(), nullptr, x.data());
    else conv2d_weight_gradient<float>(D{}, g, x.data(), y.data(), w.data());
  });
  s.counters["GFLOP/s"] =
      benchmark::Counter(2e-9 * double(g.multiplications()), benchmark::Counter::kIsIterationInvariantRate);
}

const bench::Workloads workloads([](auto device) {
  const char* pass_name[] = {"forward", "input_gradient", "weight_gradient"};
  for (const Layer& l : layers)
    for (Pass p : {forward, input_gradient, weight_gradient})
      bench::add(cat("conv/", l.name, '/', pass_name[p]), conv<decltype(device)>, l, p);
});

}  // namespace
