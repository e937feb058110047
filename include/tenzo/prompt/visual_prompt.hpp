// Visual prompts: a learnt perturbation of images, added before a network sees them.
//   Source  Jin et al. 2025, "Visual prompting upgrades neural network sparsification" (VPNs), section 3, and its code;
//           forms pad, fix and random: Bahng et al. 2022; of low rank: Jin et al. 2025, LoR-VP.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "tenzo/core/permutation.hpp"
#include "tenzo/data/resize.hpp"
#include "tenzo/models/spec.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/matmul.hpp"
#include "tenzo/ops/shape_ops.hpp"
#include "tenzo/ops/shapes/conv.hpp"
#include "tenzo/tree/tree.hpp"

namespace tenzo::prompt {

/// Where a prompt acts on images of O x O pixels, its region M, and what its parameters are.
///   pad        a frame of width p                      δ (channels, O, O), of which M counts
///   fix        the square of side s at the top left    δ (channels, s, s)
///   random     a square of side s that moves           δ (channels, s, s)
///   expansive  all around the centred input of i x i   δ (channels, O, O), of which M counts
///   lowrank    everywhere: B A of rank r               B (channels, O, r), A (channels, r, O)
///   affine     everywhere: a scale and a shift of each channel. No prompt of the paper, but a control: what free
///              parameters at the input do that know no place
enum class Form { pad, fix, random, expansive, lowrank, affine };

/// φ of the parameters. With the sigmoid a prompt begins as a grey patch of 1/2, with the identity as nothing.
enum class Activation { identity, sigmoid };

struct PromptConfig {
  Form form = Form::pad;
  std::int64_t size = 16;  // p, s or r
  std::int64_t channels = 3;
  std::int64_t image = 224, input = 224;  // O, which the network sees, and i, which the image is resized to
  Activation activation = Activation::identity;
  bool clip = true;  // to [0, 1]; false: the sum as it is
};

inline std::string_view name_of(Form form) {
  constexpr std::string_view names[] = {"pad", "fix", "random", "expansive", "lowrank", "affine"};
  return names[std::size_t(form)];
}

/// Throws ValueError for a prompt that can not be.
inline void check(const PromptConfig& c) {
  require(c.channels > 0 && c.image > 0, "prompt: images of ", c.channels, " x ", c.image, " x ", c.image);
  require(c.input > 0 && c.input <= c.image, "prompt: an input of ", c.input, " pixels in an image of ", c.image);
  require(c.form != Form::expansive || c.input < c.image, "prompt: expansive has no place around an input of ", c.input,
          " pixels in an image of ", c.image, "; want a smaller input");
  const std::int64_t most = c.form == Form::pad ? c.image / 2 : c.image;
  if (c.form == Form::expansive || c.form == Form::affine) return;
  require(c.size > 0 && c.size <= most, "prompt: ", name_of(c.form), " of ", c.size, " in an image of ", c.image,
          "; want 1 to ", most);
}

/// A prompt by its name: "pad:16", "fix:115", "random:115", "lowrank:4", "expansive", "affine"; behind it perhaps
/// ",sigmoid" or ",identity" (else pad, lowrank and affine have the identity, the others the sigmoid, as the authors'
/// code has them), and ",noclip".
///   Throws ValueError for what it does not know.
inline PromptConfig parse_prompt(std::string_view text, std::int64_t channels, std::int64_t image, std::int64_t input) {
  PromptConfig c{.channels = channels, .image = image, .input = input};
  const std::string_view whole = text;
  const auto fail = [&](const char* why) {
    require(false, "prompt ", printable(whole), ": ", why,
            "; want pad:P, fix:S, random:S, lowrank:R, expansive or affine, perhaps with ,identity ,sigmoid ,noclip");
  };
  const auto next = [&] {
    const std::size_t end = std::min(text.find(','), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return word;
  };
  const std::string_view first = next(), name = first.substr(0, first.find(':'));
  bool known = false;
  for (const Form f : {Form::pad, Form::fix, Form::random, Form::expansive, Form::lowrank, Form::affine})
    if (name == name_of(f)) c.form = f, known = true;
  if (!known) fail("unknown form");
  const bool sized = c.form != Form::expansive && c.form != Form::affine;
  if (sized != (name.size() < first.size())) fail(sized ? "a size is missing" : "this form has no size");
  if (sized) {
    const std::string_view digits = first.substr(name.size() + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), c.size);
    if (error != std::errc() || end != digits.data() + digits.size()) fail("the size is no number");
  }
  const bool patch = c.form == Form::fix || c.form == Form::random || c.form == Form::expansive;
  c.activation = patch ? Activation::sigmoid : Activation::identity;
  while (!text.empty()) {
    const std::string_view word = next();
    if (word == "identity") c.activation = Activation::identity;
    else if (word == "sigmoid") c.activation = Activation::sigmoid;
    else if (word == "noclip") c.clip = false;
    else fail("unknown word behind the form");
  }
  check(c);
  return c;
}

/// The name that gives this prompt again.
inline std::string text_of(const PromptConfig& c) {
  std::string text(name_of(c.form));
  if (c.form != Form::expansive && c.form != Form::affine) text += cat(':', c.size);
  text += c.activation == Activation::sigmoid ? ",sigmoid" : ",identity";
  return c.clip ? text : text + ",noclip";
}

/// How far the centred input is from the top and the left of the image: an odd pixel goes there.
inline std::int64_t margin_before(std::int64_t input, std::int64_t image) { return (image - input + 1) / 2; }

/// M, for each channel: (channels, O, O) of zeros and ones.
///   at   of a random prompt: where its square is
inline Tensor<std::uint8_t> prompt_region(const PromptConfig& c, Size2 at = {}) {
  const std::int64_t n = c.image, before = margin_before(c.input, n);
  const auto in_square = [](std::int64_t i, std::int64_t j, Size2 corner, std::int64_t side) {
    return corner.h <= i && i < corner.h + side && corner.w <= j && j < corner.w + side;
  };
  Tensor<std::uint8_t> m(Shape{c.channels, n, n});
  for (std::int64_t k = 0; k < c.channels; ++k)
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        bool inside = true;
        if (c.form == Form::pad) inside = !in_square(i, j, {c.size, c.size}, n - 2 * c.size);
        if (c.form == Form::expansive) inside = !in_square(i, j, {before, before}, c.input);
        if (c.form == Form::fix || c.form == Form::random) inside = in_square(i, j, at, c.size);
        m((k * n + i) * n + j) = inside;
      }
  return m;
}

/// How many numbers a prompt learns.
///   pad 4 p (O − p) a channel; fix and random s²; expansive O² − i²; lowrank 2 r O; affine 2
inline std::int64_t parameter_count(const PromptConfig& c) {
  const std::int64_t o = c.image, s = c.size;
  switch (c.form) {
    case Form::pad: return c.channels * 4 * s * (o - s);
    case Form::fix:
    case Form::random: return c.channels * s * s;
    case Form::expansive: return c.channels * (o * o - c.input * c.input);
    case Form::lowrank: return c.channels * 2 * s * o;
    case Form::affine: return c.channels * 2;
  }
  return 0;
}

/// A prompt with its parameters. A network has none where `delta` is undefined.
template <class V>
struct VisualPrompt {
  V delta;   // δ; of low rank B; of affine the shift (channels, 1, 1)
  V factor;  // of low rank A; of affine the scale (channels, 1, 1)
  PromptConfig config;
  Size2 at;  // of random: where the top left of the square is

  static void visit(auto&& f, auto&... self) {
    f("delta", self.delta...);
    f("factor", self.factor...);
    f("config", self.config...);
    f("at", self.at...);
  }

  bool present() const { return delta.defined(); }

  /// M ⊙ φ(δ), what is added: (channels, O, O); of affine the shift alone.
  V image() const {
    const PromptConfig& c = config;
    V d = c.form == Form::lowrank ? matmul(delta, factor) : delta;
    if (c.activation == Activation::sigmoid) d = sigmoid(d);
    if (c.form == Form::pad || c.form == Form::expansive)
      return dispatch(Where<Cpu>{prompt_region(c), d.shape(), d.shape()}, Values<V, 2>{d, V{}})[0];
    if (c.form == Form::fix || c.form == Form::random) {
      const std::int64_t rest_h = c.image - c.size - at.h, rest_w = c.image - c.size - at.w;
      return pad(d, {{1, at.h, rest_h}, {2, at.w, rest_w}});
    }
    return d;
  }

  /// u = x + M ⊙ φ(δ), before it is clipped.  x (n, channels, O, O), as `on_canvas` makes it, → the same
  template <Value X>
  auto sum_with(const X& x) const {
    using Y = promote_t<X, V>;
    expect(x.shape().rank() == 4 && x.shape()[1] == config.channels && x.shape()[2] == config.image &&
               x.shape()[3] == config.image,
           "prompt: images are ", x.shape(), "; want (n, ", config.channels, ", ", config.image, ", ", config.image,
           ")");
    if (config.form == Form::affine) return Y(add(mul(x, factor), delta));
    return Y(add(x, image()));
  }

  /// The images with the prompt: clip(u, 0, 1), or u. Where there is no prompt, the images.
  ///   Gradient  through the clipping where 0 <= u <= 1, the ends included: a prompt that begins at zero over black
  ///             pixels has u = 0 and must be able to rise.
  template <Value X>
  auto operator()(const X& x) const {
    using Y = promote_t<X, V>;
    if (!present()) return Y(lift<Y>(x));
    const Y u = sum_with(x);
    return config.clip ? clamp(u, 0, 1) : u;
  }
};

/// The shapes of a prompt's parameters.
inline VisualPrompt<Expected> prompt_spec(const PromptConfig& c) {
  check(c);
  VisualPrompt<Expected> p{.delta = {}, .factor = {}, .config = c, .at = {}};
  const std::int64_t o = c.image, s = c.size;
  switch (c.form) {
    case Form::pad:
    case Form::expansive: p.delta = Shape{c.channels, o, o}; break;
    case Form::fix:
    case Form::random: p.delta = Shape{c.channels, s, s}; break;
    case Form::lowrank: p.delta = Shape{c.channels, o, s}, p.factor = Shape{c.channels, s, o}; break;
    case Form::affine: p.delta = p.factor = Shape{c.channels, 1, 1}; break;
  }
  return p;
}

/// A prompt as it begins: zeros; of low rank B of zeros and A of N(0, 1 / r), so that only B moves first; of affine the
/// identity.
template <Real T>
VisualPrompt<Tensor<T>> begin_prompt(const PromptConfig& c, std::uint64_t seed = 1) {
  return map_tree<Tensor<T>>(prompt_spec(c), [&](const Path& at, const Expected& leaf) {
    if (at.name == "delta") return Tensor<T>::zeros(leaf.shape());
    if (c.form == Form::affine) return Tensor<T>::ones(leaf.shape());
    return random_normal<T>(leaf.shape(), initial_key(seed, std::string_view("prompt")), 1 / std::sqrt(double(c.size)));
  });
}

/// Where the square of a random prompt is in a step: uniform over all places, a function of seed and step.
inline Size2 random_place(const PromptConfig& c, std::uint64_t seed, std::int64_t step) {
  const Integers draw(NoiseKey{.seed = seed, .step = std::uint32_t(step), .query = 5}.of(Purpose::data_order));
  const std::int64_t places = c.image - c.size + 1;
  return {draw.below(places, 0), draw.below(places, 1)};
}

/// x (…, h, w) with zeros around it, (…, image, image); an odd pixel goes to the top and the left.
template <Value V>
V centred(const V& x, std::int64_t image) {
  const std::int64_t h = x.shape().dim(-2), w = x.shape().dim(-1);
  expect(h <= image && w <= image, "centred: images are ", x.shape(), "; want at most ", image, " x ", image);
  const std::int64_t top = margin_before(h, image), left = margin_before(w, image);
  return pad(x, {{-2, top, image - h - top}, {-1, left, image - w - left}});
}

/// rⁱ(x): images (n, channels, h, w) resized to i x i, with zeros around them up to O x O.
inline Tensor<float> on_canvas(const Tensor<float>& x, std::int64_t input, std::int64_t image) {
  const bool fits = x.dim(-2) == input && x.dim(-1) == input;
  return centred(fits ? x : resized(x, input, input), image);
}

/// How many of a prompt's pixels no image lets a gradient through to: u < 0 or u > 1 for all of them. Zero where
/// nothing is clipped.
///   Source  our own; a pad prompt over black borders dies where δ becomes negative.
template <Plain P, Real T>
double dead_share(const VisualPrompt<P>& p, const Tensor<T>& x) {
  const PromptConfig& c = p.config;
  if (!p.present() || !c.clip || x.shape()[0] == 0) return 0;
  const Tensor<T> u = p.sum_with(x.template to<device_t<P>>()).template to<Cpu>();
  const Tensor<std::uint8_t> counts = prompt_region(c, p.at);
  std::int64_t dead = 0, all = 0;
  const std::int64_t pixels = counts.size();
  for (std::int64_t k = 0; k < pixels; ++k) {
    if (!counts(k)) continue;
    ++all;
    bool alive = false;
    for (std::int64_t i = 0; i < x.shape()[0] && !alive; ++i) alive = u(i * pixels + k) >= 0 && u(i * pixels + k) <= 1;
    dead += !alive;
  }
  return all == 0 ? 0 : double(dead) / double(all);
}

}  // namespace tenzo::prompt
