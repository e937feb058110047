#include "ops.hpp"
#include "tenzo/ops/conv.hpp"
#include "tenzo/ops/pool.hpp"
#include "tenzo/ops/resample.hpp"

namespace golden {

namespace {

tenzo::Size2 size2(const Case& c, const char* key, std::int64_t otherwise) {
  if (!c.attrs.contains(key)) return {otherwise, otherwise};
  const Json& v = c.attrs[key];
  if (v.is_number()) return {v.get<std::int64_t>(), v.get<std::int64_t>()};
  return {v.at(0).get<std::int64_t>(), v.at(1).get<std::int64_t>()};
}

tenzo::ConvSettings conv_settings(const Case& c) {
  return {size2(c, "stride", 1), size2(c, "padding", 0), size2(c, "dilation", 1),
          c.attrs.value("groups", std::int64_t(1))};
}

tenzo::PoolSettings pool_settings(const Case& c) {
  tenzo::PoolSettings s;
  s.kernel = size2(c, "kernel", 1);
  s.stride = c.attrs.contains("stride") ? size2(c, "stride", 1) : s.kernel;
  s.padding = size2(c, "padding", 0);
  s.dilation = size2(c, "dilation", 1);
  s.count_include_pad = c.attrs.value("count_include_pad", true);
  return s;
}

}  // namespace

template <class V>
std::optional<V> images(const Case& c, const std::vector<V>& x) {
  const std::string& op = c.op;
  const auto bias = [&] { return x.size() > 2 ? x[2] : V{}; };
  if (op == "conv2d") return tenzo::conv2d(x[0], x[1], bias(), conv_settings(c));
  if (op == "conv_transpose2d")
    return tenzo::conv_transpose2d(x[0], x[1], bias(), conv_settings(c), size2(c, "output_padding", 0));
  if (op == "max_pool2d") return tenzo::max_pool2d(x[0], pool_settings(c));
  if (op == "avg_pool2d") return tenzo::avg_pool2d(x[0], pool_settings(c));
  if (op == "adaptive_avg_pool2d") return tenzo::adaptive_avg_pool2d(x[0], size2(c, "output", 1));
  if (op == "upsample") {
    const tenzo::Shape& in = x[0].shape();
    const std::int64_t factor = c.attrs.at("scale").get<std::int64_t>();
    const auto how = c.attrs.value("mode", "nearest") == "nearest" ? tenzo::Interpolation::nearest
                     : c.attrs.value("align_corners", false)       ? tenzo::Interpolation::bilinear_aligned
                                                                   : tenzo::Interpolation::bilinear;
    return tenzo::resample2d(x[0], {factor * in.dim(-2), factor * in.dim(-1)}, how);
  }
  return std::nullopt;
}

#define GOLDEN_INSTANTIATE(V) template std::optional<V> images<V>(const Case&, const std::vector<V>&);
GOLDEN_FOR_EACH_VALUE(GOLDEN_INSTANTIATE)

}  // namespace golden
