#include "tenzo/ops/cpu/norm.hpp"

#include "cpu_support.hpp"
#include "tenzo/ops/cpu/channel_norm.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

using Doubles = std::vector<double>;

template <class T>
constexpr double eps_of = std::numeric_limits<T>::epsilon();

// The definition for any grouping: element e belongs to group group(e) and to weight channel(e); no mean where rms.
template <class Group, class Channel>
Doubles normalised(const Doubles& x, const Doubles& weight, const Doubles& bias, double eps, std::size_t groups,
                   Group group, Channel channel, bool rms = false) {
  Doubles mean(groups), var(groups), count(groups), y(x.size());
  for (std::size_t e = 0; e < x.size(); ++e) mean[group(e)] += x[e], count[group(e)] += 1;
  for (std::size_t g = 0; g < groups; ++g) mean[g] = rms ? 0 : mean[g] / count[g];
  for (std::size_t e = 0; e < x.size(); ++e) var[group(e)] += std::pow(x[e] - mean[group(e)], 2) / count[group(e)];
  for (std::size_t e = 0; e < x.size(); ++e)
    y[e] = (x[e] - mean[group(e)]) / std::sqrt(var[group(e)] + eps) * weight[channel(e)] + bias[channel(e)];
  return y;
}

enum class Kind { layer, rms, group, batch };

struct Case {
  Kind kind;
  Channels s;               // rows and columns of layer and RMS norm are n and channels
  std::int64_t groups = 1;  // of a group norm
  double eps = 1e-5;

  std::size_t size() const { return std::size_t(s.numel()); }
  std::size_t statistics() const {
    return std::size_t(kind == Kind::batch ? s.channels : kind == Kind::group ? s.n * groups : s.n);
  }
  Doubles operator()(const Doubles& x, const Doubles& w, const Doubles& b) const {
    const auto channel = [&](std::size_t e) { return std::size_t(std::int64_t(e) / s.size % s.channels); };
    const auto group = [&](std::size_t e) {
      if (kind == Kind::batch) return channel(e);
      return std::size_t(std::int64_t(e) / (s.channels * s.size / (kind == Kind::group ? groups : 1)));
    };
    return normalised(x, w, b, eps, statistics(), group, channel, kind == Kind::rms);
  }
};

template <class T>
struct Results {
  std::vector<T> y, mean, rstd, gx, gw, gb;

  Results(const Case& c, const std::vector<T>& x, const std::vector<T>& w, const std::vector<T>& b,
          const std::vector<T>& gy)
      : y(x.size()), mean(c.statistics()), rstd(c.statistics()), gx(x.size()), gw(w.size()), gb(w.size()) {
    const auto [n, channels, size] = c.s;
    T *m = mean.data(), *r = rstd.data();
    switch (c.kind) {
      case Kind::layer:
        cpu::layer_norm(Cpu{}, n, channels, x.data(), w.data(), b.data(), c.eps, y.data(), m, r);
        cpu::layer_norm_backward(Cpu{}, n, channels, x.data(), w.data(), m, r, gy.data(), gx.data(), gw.data(),
                                 gb.data());
        break;
      case Kind::rms:
        cpu::rms_norm(Cpu{}, n, channels, x.data(), w.data(), c.eps, y.data(), r);
        cpu::rms_norm_backward(Cpu{}, n, channels, x.data(), w.data(), r, gy.data(), gx.data(), gw.data());
        break;
      case Kind::group:
        cpu::group_norm(Cpu{}, c.s, c.groups, x.data(), w.data(), b.data(), c.eps, y.data(), m, r);
        cpu::group_norm_backward(Cpu{}, c.s, c.groups, x.data(), w.data(), m, r, gy.data(), gx.data(), gw.data(),
                                 gb.data());
        break;
      case Kind::batch:
        cpu::batch_statistics(Cpu{}, c.s, x.data(), m, r);
        cpu::batch_norm(Cpu{}, c.s, x.data(), m, r, w.data(), b.data(), c.eps, y.data());
        cpu::batch_norm_backward(Cpu{}, c.s, x.data(), m, r, w.data(), c.eps, true, gy.data(), gx.data(), gw.data(),
                                 gb.data());
    }
  }
  std::vector<T> all() const {
    std::vector<T> v;
    for (const auto* part : {&y, &mean, &rstd, &gx, &gw, &gb}) v.insert(v.end(), part->begin(), part->end());
    return v;
  }
};

const Case cases[] = {
    {Kind::layer, {1, 1, 1}},     {Kind::layer, {5, 7, 1}},    {Kind::layer, {3, 16, 1}},
    {Kind::layer, {70, 33, 1}},   {Kind::layer, {2, 5000, 1}}, {Kind::rms, {1, 1, 1}},
    {Kind::rms, {5, 7, 1}},       {Kind::rms, {65, 48, 1}},    {Kind::rms, {2, 4097, 1}},
    {Kind::group, {2, 4, 6}, 2},  {Kind::group, {3, 6, 1}, 3}, {Kind::group, {1, 8, 49}, 4},
    {Kind::group, {2, 6, 33}, 1}, {Kind::batch, {4, 3, 1}},    {Kind::batch, {70, 19, 1}},
    {Kind::batch, {2, 3, 4}},     {Kind::batch, {3, 2, 49}},   {Kind::batch, {65, 5, 64}},
    {Kind::batch, {2, 2, 4100}},
};

}  // namespace

TEST_CASE_TEMPLATE("cpu norm: values at awkward sizes", T, float, double) {
  for (const Case& c : cases) {
    CAPTURE(int(c.kind));
    CAPTURE(c.s.n);
    CAPTURE(c.s.channels);
    CAPTURE(c.s.size);
    const auto x = numbers<T>(c.s.numel(), 1, 3), w = numbers<T>(c.s.channels, 2, 2);
    const auto b = c.kind == Kind::rms ? std::vector<T>(w.size()) : numbers<T>(c.s.channels, 3);
    const Results<T> y(c, x, w, b, x);
    // |h| is below 3 here, or √n in a group of n: half an ulp for each of five roundings, and those of mean and rstd.
    CHECK(distance(y.y, c(in_double(x), in_double(w), in_double(b))) <= 40 * eps_of<T>);
  }
}

TEST_CASE("cpu norm: gradients against difference quotients") {
  for (const Case& c : cases) {
    if (c.s.numel() > 300 || c.s.numel() == 1) continue;
    CAPTURE(int(c.kind));
    CAPTURE(c.s.channels);
    const auto x = numbers<double>(c.s.numel(), 4, 2), w = numbers<double>(c.s.channels, 5),
               g = numbers<double>(c.s.numel(), 6);
    const auto b = c.kind == Kind::rms ? Doubles(w.size()) : numbers<double>(c.s.channels, 7);
    const Results<double> y(c, x, w, b, g);
    CHECK(distance(y.gx, difference_quotients([&](const Doubles& t) { return dot(c(t, w, b), g); }, x)) < 1e-7);
    CHECK(distance(y.gw, difference_quotients([&](const Doubles& t) { return dot(c(x, t, b), g); }, w)) < 1e-8);
    if (c.kind == Kind::rms) continue;
    CHECK(distance(y.gb, difference_quotients([&](const Doubles& t) { return dot(c(x, w, t), g); }, b)) < 1e-8);
  }
}

TEST_CASE("cpu norm: gradients in float are those in double") {
  for (const Case& c : cases) {
    const auto x = numbers<float>(c.s.numel(), 4, 2), w = numbers<float>(c.s.channels, 5),
               g = numbers<float>(c.s.numel(), 6);
    const auto b = numbers<float>(c.s.channels, 7);
    const Results<float> y(c, x, w, b, g);
    const Results<double> want(c, in_double(x), in_double(w), in_double(b), in_double(g));
    const double terms = double(c.s.numel()) / double(c.s.channels);  // of the sums gw and gb
    CHECK(distance(y.gw, want.gw) <= 8 * std::sqrt(terms) * eps_of<float>);
    CHECK(distance(y.gb, want.gb) <= 8 * std::sqrt(terms) * eps_of<float>);
    if (c.s.numel() == 1) continue;
    double largest = 1;  // rstd of a pair of close numbers magnifies
    for (double v : want.rstd) largest = std::max(largest, c.kind == Kind::batch ? 1 / std::sqrt(v + c.eps) : v);
    CHECK(distance(y.gx, want.gx) <= 30 * largest * eps_of<float>);
  }
}

TEST_CASE("cpu norm: a large mean loses no digits") {
  std::vector<float> x, y(64), mean(1), rstd(1);
  for (int i = 0; i < 64; ++i) x.push_back(10000.f + float(i % 4));
  cpu::layer_norm<float>(Cpu{}, 1, 64, x.data(), nullptr, nullptr, 0, y.data(), mean.data(), rstd.data());
  CHECK(mean[0] == 10001.5f);
  CHECK(rstd[0] == doctest::Approx(1 / std::sqrt(1.25)).epsilon(1e-6));
  CHECK(y[0] == doctest::Approx(-1.5 / std::sqrt(1.25)).epsilon(1e-6));
}

TEST_CASE("cpu norm: constant statistics, missing weights, missing gradients") {
  const Channels s{2, 3, 5};
  const auto x = numbers<double>(30, 1), g = numbers<double>(30, 2);
  const Doubles mean{0.1, 0.2, -0.3}, var{0.5, 2, 1}, one(3, 1), zero(3);
  Doubles y(30), same(30), gx(30), gw(3), gb(3);
  cpu::batch_norm<double>(Cpu{}, s, x.data(), mean.data(), var.data(), nullptr, nullptr, 1e-5, y.data());
  cpu::batch_norm<double>(Cpu{}, s, x.data(), mean.data(), var.data(), one.data(), zero.data(), 1e-5, same.data());
  CHECK(same_bits(y, same));
  cpu::batch_norm_backward<double>(Cpu{}, s, x.data(), mean.data(), var.data(), nullptr, 1e-5, false, g.data(),
                                   gx.data(), gw.data(), gb.data());
  const auto f = [&](const Doubles& t) {
    Doubles out(30);
    cpu::batch_norm<double>(Cpu{}, s, t.data(), mean.data(), var.data(), nullptr, nullptr, 1e-5, out.data());
    return dot(out, g);
  };
  CHECK(distance(gx, difference_quotients(f, x)) < 1e-9);

  Doubles rstd(2), kept(2), layer(30), only(15);
  cpu::layer_norm<double>(Cpu{}, 2, 15, x.data(), nullptr, nullptr, 1e-5, layer.data(), kept.data(), rstd.data());
  cpu::layer_norm_backward<double>(Cpu{}, 2, 15, x.data(), nullptr, kept.data(), rstd.data(), g.data(), nullptr,
                                   only.data(), nullptr);
  Doubles gx2(30), gw2(15), gb2(15);
  cpu::layer_norm_backward<double>(Cpu{}, 2, 15, x.data(), nullptr, kept.data(), rstd.data(), g.data(), gx2.data(),
                                   gw2.data(), gb2.data());
  CHECK(same_bits(only, gw2));
  auto in_place = g;
  cpu::layer_norm_backward<double>(Cpu{}, 2, 15, x.data(), nullptr, kept.data(), rstd.data(), in_place.data(),
                                   in_place.data(), nullptr, nullptr);
  CHECK(same_bits(in_place, gx2));
}

TEST_CASE("cpu norm: the same bits on any number of threads and any machine") {
  std::uint64_t h = 0;
  for (const Case& c : cases) {
    const auto x = numbers<float>(c.s.numel(), 8, 2), w = numbers<float>(c.s.channels, 9),
               b = numbers<float>(c.s.channels, 10);
    const auto g = numbers<float>(c.s.numel(), 11);
    const auto one = on(1, [&] { return Results<float>(c, x, w, b, g).all(); });
    CHECK(same_bits(one, on(2, [&] { return Results<float>(c, x, w, b, g).all(); })));
    CHECK(same_bits(one, on(7, [&] { return Results<float>(c, x, w, b, g).all(); })));
    h = hash_of(one, h);
  }
  CHECK(h == 411592793076790754u);
}
