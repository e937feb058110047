// Visual prompts: regions and counts, gradients against differences, the clipping's convention, geometry, names, files.
#include "tenzo/prompt/visual_prompt.hpp"

#include <doctest/doctest.h>

#include <array>
#include <limits>
#include <string>

#include "../io/files.hpp"
#include "tenzo/autodiff/check.hpp"
#include "tenzo/ops/reduce.hpp"
#include "tenzo/prompt/prompt_file.hpp"

using namespace tenzo;
using namespace tenzo::prompt;

namespace {

using D = Tensor<double>;
using F = Tensor<float>;

constexpr Form all_forms[] = {Form::pad, Form::fix, Form::random, Form::expansive, Form::lowrank, Form::affine};

/// Small prompts of every form, over images of 2 x 7 x 7 of which 4 x 4 are the input.
PromptConfig small(Form form, Activation a = Activation::identity, bool clip = true) {
  return {.form = form, .size = 2, .channels = 2, .image = 7, .input = 4, .activation = a, .clip = clip};
}

/// Parameters at which no sum of `images` is near a kink of the clipping, and some are clipped.
VisualPrompt<D> moved(const PromptConfig& c) {
  auto p = begin_prompt<double>(c, 3);
  p.at = c.form == Form::random ? Size2{3, 1} : Size2{};
  p.delta = random_uniform<double>(p.delta.shape(), initial_key(2, 0), -0.9, 0.9);
  if (p.factor.defined()) p.factor = random_uniform<double>(p.factor.shape(), initial_key(2, 1), 0.4, 1.3);
  return p;
}
D images(std::int64_t n = 3) { return random_uniform<double>({n, 2, 7, 7}, initial_key(1, 0), 0.05, 0.95); }

std::int64_t ones(const Tensor<std::uint8_t>& m) {
  std::int64_t n = 0;
  for (const auto x : m.values()) n += x;
  return n;
}

}  // namespace

TEST_CASE("prompt: a pad's parameters, by width, are those of the paper's figures") {
  constexpr std::array<std::array<std::int64_t, 2>, 8> counts = {
      {{8, 6912}, {16, 13312}, {32, 24576}, {48, 33792}, {64, 40960}, {80, 46080}, {96, 49152}, {112, 50176}}};
  for (const auto& [p, n] : counts) {
    const PromptConfig c{.form = Form::pad, .size = p, .channels = 1};
    CHECK(parameter_count(c) == n);
    CHECK(ones(prompt_region(c)) == n);
  }
  CHECK(parameter_count({}) == 39936);  // three channels of p = 16
  // The squares of as many parameters.
  constexpr std::array<std::array<std::int64_t, 2>, 7> sides = {
      {{16, 115}, {32, 156}, {48, 183}, {64, 202}, {80, 214}, {96, 221}, {112, 224}}};
  for (const auto& [p, s] : sides) {
    const double pad = double(parameter_count({.form = Form::pad, .size = p, .channels = 1}));
    CHECK(s == std::int64_t(std::sqrt(pad)));
    CHECK(parameter_count({.form = Form::fix, .size = s, .channels = 1}) == s * s);
  }
}

TEST_CASE("prompt: the region of every form, and what lies outside of it does not move the image") {
  for (const Form form : all_forms) {
    CAPTURE(name_of(form));
    const PromptConfig c = small(form);
    const VisualPrompt<D> p = moved(c);
    const auto m = prompt_region(c, p.at);
    if (form != Form::lowrank && form != Form::affine) CHECK(ones(m) == parameter_count(c));
    else CHECK(ones(m) == m.size());
    const D x = images(), u = p.sum_with(x);
    for (std::int64_t i = 0; i < u.size(); ++i) CHECK((u(i) == x(i)) == (m(i % m.size()) == 0));
  }
  // expansive: the hole is where the input is; the odd pixel is above and to the left
  const auto m = prompt_region(small(Form::expansive));
  for (std::int64_t i = 0; i < 7; ++i)
    for (std::int64_t j = 0; j < 7; ++j) CHECK(m(i * 7 + j) == !(i >= 2 && i < 6 && j >= 2 && j < 6));
}

TEST_CASE("prompt: gradients are those of central differences in every form, and zero outside the region") {
  const D x = images(), up = random_normal<double>(x.shape(), initial_key(5, 0));
  for (const Form form : all_forms)
    for (const Activation a : {Activation::identity, Activation::sigmoid})
      for (const bool clip : {true, false}) {
        CAPTURE(name_of(form));
        CAPTURE(clip);
        const VisualPrompt<D> p = moved(small(form, a, clip));
        const auto loss = [&](const auto& q) { return sum(mul(q(x), up)); };
        const auto g = grad(loss, p);
        constexpr double h = 1e-6;
        const auto compare = [&](D VisualPrompt<D>::*leaf) {
          if (!(p.*leaf).defined()) return;
          for (std::int64_t i = 0; i < (p.*leaf).size(); ++i) {
            VisualPrompt<D> high = p, low = p;
            (high.*leaf) = (p.*leaf).clone(), (low.*leaf) = (p.*leaf).clone();
            (high.*leaf)(i) += h, (low.*leaf)(i) -= h;
            const double difference = (loss(high).item() - loss(low).item()) / (2 * h);
            CHECK((g.*leaf)(i) == doctest::Approx(difference).epsilon(1e-6));
          }
        };
        compare(&VisualPrompt<D>::delta);
        compare(&VisualPrompt<D>::factor);
        if (form == Form::pad || form == Form::expansive) {
          const auto m = prompt_region(p.config);
          for (std::int64_t i = 0; i < m.size(); ++i)
            if (!m(i)) CHECK(g.delta(i) == 0);
        }
      }
}

TEST_CASE("prompt: forward mode and second derivatives agree with reverse mode") {
  const D x = images(2), up = random_normal<double>(x.shape(), initial_key(5, 0));
  for (const Form form : all_forms) {
    CAPTURE(name_of(form));
    const VisualPrompt<D> p = moved(small(form, Activation::sigmoid));
    const auto loss = [&](const auto& q) { return sum(mul(square(q(x)), up)); };
    const VisualPrompt<D> d = map_tree<D>(
        p, [](const D& v) { return random_normal<double>(v.shape(), initial_key(6, std::uint32_t(v.size()))); });
    CHECK(jvp(loss, p, d).second.item() == doctest::Approx(inner(grad(loss, p), d)).epsilon(1e-12));
    const auto h = grad_and_hvp(loss, p, d);
    constexpr double e = 1e-5;
    VisualPrompt<D> high = clone(p), low = clone(p);
    axpy_(e, d, high), axpy_(-e, d, low);
    VisualPrompt<D> difference = grad(loss, high);
    axpy_(-1, grad(loss, low), difference);
    scale_(difference, 1 / (2 * e));
    axpy_(-1, h.hvp, difference);
    CHECK(norm(difference) < 1e-6 * (1 + norm(h.hvp)));
  }
}

TEST_CASE("prompt: over black borders a prompt of zeros can rise; one below zero is dead, unless nothing is clipped") {
  PromptConfig c{.form = Form::pad, .size = 1, .channels = 1, .image = 4, .input = 2};
  const D x = D::zeros({2, 1, 4, 4});
  for (const bool clip : {true, false})
    for (const double delta : {0., -0.1, 1., 1.1}) {
      c.clip = clip;
      auto p = begin_prompt<double>(c);
      p.delta = D::full(p.delta.shape(), delta);
      const bool alive = !clip || (delta >= 0 && delta <= 1);  // 1{0 <= u <= 1}, the ends included
      CHECK(dead_share(p, x) == (alive ? 0 : 1));
      const auto g = grad([&](const auto& q) { return sum(q(x)); }, p);
      for (std::int64_t i = 0; i < 16; ++i) CHECK(g.delta(i) == (alive && prompt_region(c)(i) ? 2 : 0));
    }
  // One living image is enough.
  auto p = begin_prompt<double>(c = {.form = Form::pad, .size = 1, .channels = 1, .image = 4, .input = 2});
  p.delta = D::full(p.delta.shape(), -0.1);
  D one = x.clone();
  one(0) = 0.5;
  CHECK(dead_share(p, one) == doctest::Approx(11. / 12));
}

TEST_CASE("prompt: where it begins; the sigmoid's patch of a half; a random square stays inside, everywhere in time") {
  const F x = F::full({1, 2, 7, 7}, 0.25f);
  for (const Form form : all_forms) {
    CAPTURE(name_of(form));
    const auto same = begin_prompt<float>(small(form))(x);
    for (const float v : same.values()) CHECK(v == 0.25f);
  }
  const auto p = begin_prompt<float>(small(Form::fix, Activation::sigmoid));
  const auto y = p(x);
  CHECK(y(0) == 0.75f);   // top left of the square
  CHECK(y(2) == 0.25f);   // beside it
  CHECK(y(14) == 0.25f);  // below it
  bool seen[6][6] = {};
  for (std::int64_t step = 0; step < 1000; ++step) {
    const Size2 at = random_place(small(Form::random), 1, step);
    REQUIRE((0 <= at.h && at.h <= 5 && 0 <= at.w && at.w <= 5));
    seen[at.h][at.w] = true;
  }
  for (const auto& row : seen)
    for (const bool b : row) CHECK(b);  // 36 places, each missed with probability (35/36)^1000 < 1e-12
  const PromptConfig whole{.form = Form::random, .size = 7, .channels = 1, .image = 7, .input = 7};
  CHECK(random_place(whole, 1, 0) == Size2{0, 0});  // as large as the image
}

TEST_CASE("prompt: an odd margin is wider above and to the left; an input of the image's size has none") {
  CHECK(margin_before(4, 7) == 2);
  CHECK(margin_before(7, 7) == 0);
  CHECK(margin_before(4, 8) == 2);
  const F x = F::ones({1, 1, 4, 4}), y = on_canvas(x, 4, 7);
  CHECK(y.shape() == Shape{1, 1, 7, 7});
  for (std::int64_t i = 0; i < 7; ++i)
    for (std::int64_t j = 0; j < 7; ++j) CHECK(y(i * 7 + j) == float(i >= 2 && i < 6 && j >= 2 && j < 6));
  const F same = on_canvas(x, 4, 4);
  CHECK(std::equal(same.values().begin(), same.values().end(), x.values().begin()));
  // Resized first: a picture of one colour stays so, at the input's size.
  const F grown = on_canvas(F::full({1, 1, 8, 8}, 0.5f), 5, 6);
  CHECK(grown(0) == 0);
  CHECK(grown(1 * 6 + 1) == doctest::Approx(0.5f));
  CHECK(grown(5 * 6 + 5) == doctest::Approx(0.5f));
}

TEST_CASE("prompt: names come back; unknown ones, and sizes that can not be, are a sentence") {
  for (const char* name : {"pad:16,identity", "fix:115,sigmoid", "random:3,sigmoid", "expansive,sigmoid",
                           "lowrank:4,identity,noclip", "affine,identity", "pad:112,sigmoid,noclip"})
    CHECK(text_of(parse_prompt(name, 3, 224, 192)) == name);
  CHECK(parse_prompt("pad:16", 3, 224, 224).activation == Activation::identity);
  CHECK(parse_prompt("fix:16", 3, 224, 224).activation == Activation::sigmoid);
  const auto says = [](const char* text, const char* part) {
    try {
      parse_prompt(text, 1, 32, 32);
    } catch (const ValueError& e) {
      return std::string(e.what()).find(part) != std::string::npos;
    }
    return false;
  };
  CHECK(says("border:4", "unknown form"));
  CHECK(says("pad", "a size is missing"));
  CHECK(says("affine:3", "has no size"));
  CHECK(says("pad:4x", "the size is no number"));
  CHECK(says("pad:99999999999999999999", "the size is no number"));
  CHECK(says("pad:4,relu", "unknown word"));
  CHECK(says("pad:17", "pad of 17 in an image of 32; want 1 to 16"));
  CHECK(says("fix:0", "want 1 to 32"));
  CHECK(says("", "unknown form"));
  CHECK(says("expansive", "no place around an input of 32 pixels in an image of 32"));
  CHECK_THROWS_WITH_AS(begin_prompt<float>(small(Form::pad))(F::ones({1, 2, 7, 6})),
                       "prompt: images are (1, 2, 7, 6); want (n, 2, 7, 7)", ShapeError);
}

TEST_CASE("prompt files: what is saved is loaded, to the bit; damage is a sentence") {
  const TestFolder folder;
  for (const Form form : all_forms) {
    CAPTURE(name_of(form));
    const PromptConfig c = small(form);
    auto p = map_tree<F>(moved(c), [](const D& v) { return v.cast<float>(); });
    save_prompt(folder / "prompt", p);
    const auto got = load_prompt(folder / "prompt");
    CHECK(text_of(got.config) == text_of(c));
    CHECK(got.at == p.at);
    CHECK(got.config.input == 4);
    CHECK(std::equal(got.delta.values().begin(), got.delta.values().end(), p.delta.values().begin()));
    CHECK(got.factor.defined() == p.factor.defined());
    save_prompt(folder / "again", got);
    CHECK(read_file(folder / "again") == read_file(folder / "prompt"));
  }
  auto p = begin_prompt<float>(small(Form::pad));
  save_prompt(folder / "prompt", p);
  const std::string bytes = read_file(folder / "prompt");
  const auto damaged = [&](std::string_view from, std::string_view to) {
    std::string other = bytes;
    const std::size_t at = other.find(from);
    REQUIRE(at != std::string::npos);
    REQUIRE(from.size() == to.size());
    put_file(folder / "damaged", other.replace(at, from.size(), to));
    try {
      load_prompt(folder / "damaged");
    } catch (const FileError& e) {
      return std::string(e.what());
    }
    return std::string("nothing thrown");
  };
  CHECK(damaged("tenzo.prompt.1", "tenzo.prompt.9").find("is no prompt") != std::string::npos);
  CHECK(damaged("pad:2,identity", "pad:9,identity").find("pad of 9 in an image of 7") != std::string::npos);
  CHECK(damaged("\"image\":\"7\"", "\"image\":\"8\"").find("its configuration says (2, 8, 8)") != std::string::npos);
  CHECK(damaged("\"channels\":\"2\"", "\"channels\":\"x\"").find("its channels is 'x'") != std::string::npos);
  CHECK(damaged("\"at\":\"0,0\"", "\"at\":\"0,2\"").find("its place is 0,2; that of pad is 0,0") != std::string::npos);
  CHECK(damaged("\"delta\"", "\"dilta\"").find("has no tensor for 'delta'") != std::string::npos);
  put_file(folder / "cut", std::string_view(bytes).substr(0, bytes.size() - 5));
  CHECK_THROWS_AS(load_prompt(folder / "cut"), FileError);
  p.delta(3) = std::numeric_limits<float>::quiet_NaN();
  save_prompt(folder / "nan", p);
  CHECK_THROWS_AS(load_prompt(folder / "nan"), FileError);
  CHECK_THROWS_AS(load_prompt(folder / "absent"), FileError);
}
