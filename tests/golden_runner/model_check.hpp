// One model against its expected values: outputs, loss, and the gradients of all parameters, in double and in float.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "case.hpp"
#include "tenzo/autodiff/grad.hpp"
#include "tenzo/io/safetensors.hpp"
#include "tenzo/models/spec.hpp"
#include "tenzo/nn/batch_norm.hpp"

namespace golden {

/// Largest difference relative to the largest magnitude expected, or to `least` where that is more.
template <class T, class D>
double relative_error(const tenzo::Tensor<T, D>& computed, const Double& want, double least = 0) {
  const tenzo::Tensor<T> got = computed.template to<tenzo::Cpu>();
  double top = least, worst = 0;
  for (std::int64_t i = 0; i < want.size(); ++i) {
    top = std::max(top, std::abs(want(i)));
    const double d = std::abs(double(got(i)) - want(i));
    worst = std::max(worst, std::isnan(d) ? INFINITY : d);
  }
  return top > 0 ? worst / top : worst;
}

/// A stored tensor as T on the device, exactly.
template <class T>
OnDevice<T> as_tensor(const tenzo::StoredTensor& s) {
  tenzo::Tensor<float> t(s.shape());
  s.decode(t.data());
  return t.template cast<T>().template to<Device>();
}

template <class T, template <class> class M, class Forward>
std::string check_model_in(const M<tenzo::StoredTensor>& stored, const Tensors& expect, const std::string& output,
                           const std::vector<std::int64_t>& places, double tolerance, const Forward& forward) {
  using namespace tenzo;
  const auto model = map_tree<OnDevice<T>>(stored, [](const StoredTensor& s) { return as_tensor<T>(s); });
  const auto too_far = [&](const std::string& what, double error) {
    return error <= tolerance ? std::string() : cat(what, " in ", dtype_name<T>(), ": relative error ", error);
  };
  const Double& whole = expect.real.at(output);
  const OnDevice<T> got = forward(model).first;
  const std::int64_t width = got.dim(-1);
  Double want(got.shape());
  for (std::size_t r = 0; r < places.size(); ++r)
    std::copy_n(whole.data() + places[r] * width, width, want.data() + std::int64_t(r) * width);
  if (const auto wrong = too_far(output, relative_error(got, want)); !wrong.empty()) return wrong;

  const auto [loss, gradient] = value_and_grad([&](const auto& m) { return forward(m).second; }, model,
                                               [](const Path& at) { return !is_running_statistic(at); });
  if (const auto wrong = too_far("loss", relative_error(loss, expect.real.at("output/loss"))); !wrong.empty())
    return wrong;
  // Some gradients are zero but for rounding (a bias on all keys moves no softmax): the others set the scale.
  double largest = 0;
  for (const auto& [name, t] : expect.real)
    if (name.starts_with("grad/"))
      for (const double x : t.values()) largest = std::max(largest, std::abs(x));
  std::string wrong;
  std::size_t checked = 0;
  for_each_leaf(
      [&](const Path& at, const OnDevice<T>& g) {
        ++checked;
        const Double& truth = expect.real.at("grad/" + at.str());
        if (!wrong.empty()) return;
        wrong = truth.shape() == g.shape() ? too_far("grad/" + at.str(), relative_error(g, truth, 1e-3 * largest))
                                           : cat("grad/", at.str(), " is ", g.shape(), "; want ", truth.shape());
      },
      gradient);
  std::size_t expected = 0;
  for (const auto& [name, t] : expect.real) expected += name.starts_with("grad/");
  if (wrong.empty() && checked != expected) wrong = cat(checked, " gradients; want ", expected);
  return wrong;
}

/// A folder's weights as its file holds them.
template <template <class> class M>
M<tenzo::StoredTensor> load_stored(const M<tenzo::Expected>& spec, const std::string& folder) {
  const auto file = tenzo::SafetensorsFile::open(folder);
  return tenzo::load_tree<M>(
      spec, [&](const std::string& name) { return file.tensors().find(name); }, folder);
}

/// Empty where all agrees, else what does not. `forward(model)` gives the output, rows as in `places`, and the loss.
///   Tolerances  relative 1e-9 in double, 1e-4 in float.
template <template <class> class M, class Forward, class Widest = Exact>
std::string check_model(const M<tenzo::Expected>& spec, const std::string& folder, const Tensors& expect,
                        const std::string& output, const std::vector<std::int64_t>& places, const Forward& forward) {
  const auto stored = load_stored(spec, folder);
  std::string wrong;
  if constexpr (std::is_same_v<Widest, double>)
    wrong = check_model_in<double>(stored, expect, output, places, 1e-9, forward);
  return wrong.empty() ? check_model_in<float>(stored, expect, output, places, 1e-4, forward) : wrong;
}

}  // namespace golden
