#include "tenzo/ops/cpu/attention.hpp"

#include "cpu_support.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

using Doubles = std::vector<double>;

struct Case {
  std::int64_t heads, kv_heads, dim;
  std::vector<std::pair<std::int64_t, std::int64_t>> lengths;  // queries and keys of each sequence
  bool causal = false;
  std::int64_t window = 0;
  bool bias = false;
  bool batched = false;  // (batch, heads, time, dim), equal lengths

  AttentionProblem problem() const {
    AttentionProblem p{.heads = heads,
                       .kv_heads = kv_heads,
                       .head_dim = dim,
                       .scale = 0.7 / std::sqrt(double(dim)),
                       .causal = causal,
                       .window = window};
    std::int64_t q = 0, kv = 0;
    for (auto [a, b] : lengths) {
      p.sequences.push_back({q, a, kv, b});
      q += batched ? heads * a : a;
      kv += batched ? kv_heads * b : b;
      p.bias_q = std::max(p.bias_q, a + 1);
      p.bias_kv = std::max(p.bias_kv, b + 2);
    }
    const std::int64_t time_q = lengths[0].first, time_kv = lengths[0].second;
    p.q = p.out = batched ? HeadStrides{dim, time_q * dim} : HeadStrides{heads * dim, dim};
    p.k = p.v = batched ? HeadStrides{dim, time_kv * dim} : HeadStrides{kv_heads * dim, dim};
    p.lse = batched ? HeadStrides{1, time_q} : HeadStrides{heads, 1};
    return p;
  }
  std::int64_t queries() const {
    std::int64_t n = 0;
    for (auto [a, b] : lengths) n += a;
    return n * heads;
  }
  std::int64_t keys() const {
    std::int64_t n = 0;
    for (auto [a, b] : lengths) n += b;
    return n * kv_heads;
  }
};

// The definition, in double.
struct Reference {
  Doubles out, lse;

  Reference(const AttentionProblem& p, const Doubles& q, const Doubles& k, const Doubles& v, const Doubles& bias)
      : out(q.size()), lse(q.size() / std::size_t(p.head_dim)) {
    for (const auto& s : p.sequences)
      for (std::int64_t h = 0; h < p.heads; ++h)
        for (std::int64_t i = 0; i < s.q_length; ++i) {
          const double* qi = &q[std::size_t((s.q_begin + i) * p.q.token + h * p.q.head)];
          const auto row = [&](const Doubles& x, const HeadStrides& t, std::int64_t j) {
            return &x[std::size_t((s.kv_begin + j) * t.token + h / (p.heads / p.kv_heads) * t.head)];
          };
          Doubles score;
          const std::int64_t at = i + s.kv_length - s.q_length;
          for (std::int64_t j = 0; j < s.kv_length; ++j) {
            double t = 0;
            for (std::int64_t d = 0; d < p.head_dim; ++d) t += qi[d] * row(k, p.k, j)[d];
            t *= p.scale;
            if (!bias.empty()) t += bias[std::size_t((h * p.bias_q + i) * p.bias_kv + j)];
            const bool seen = (!p.causal || j <= at) && (p.window == 0 || j > at - p.window);
            score.push_back(seen ? t : -INFINITY);
          }
          double m = -INFINITY, sum = 0;
          for (double t : score) m = std::max(m, t);
          double* to = &out[std::size_t((s.q_begin + i) * p.out.token + h * p.out.head)];
          double& l = lse[std::size_t((s.q_begin + i) * p.lse.token + h * p.lse.head)];
          l = -INFINITY;
          if (m == -INFINITY) continue;
          for (double t : score) sum += std::exp(t - m);
          l = m + std::log(sum);
          for (std::int64_t j = 0; j < s.kv_length; ++j)
            for (std::int64_t d = 0; d < p.head_dim; ++d)
              to[d] += std::exp(score[std::size_t(j)] - l) * row(v, p.v, j)[d];
        }
  }
};

template <class T>
struct Inputs {
  AttentionProblem p;
  std::vector<T> q, k, v, bias, g, g_lse;

  explicit Inputs(const Case& c, double size = 1)
      : p(c.problem()),
        q(numbers<T>(c.queries() * c.dim, 1, size)),
        k(numbers<T>(c.keys() * c.dim, 2, size)),
        v(numbers<T>(c.keys() * c.dim, 3)),
        bias(numbers<T>(c.bias ? c.heads * p.bias_q * p.bias_kv : 0, 4)),
        g(numbers<T>(c.queries() * c.dim, 5)),
        g_lse(numbers<T>(c.queries(), 6)) {}
};

template <class T>
struct Results {
  std::vector<T> out, lse, gq, gk, gv, g_bias;

  explicit Results(const Inputs<T>& x)
      : out(x.q.size()), lse(x.g_lse.size()), gq(x.q.size()), gk(x.k.size()), gv(x.v.size()), g_bias(x.bias.size()) {
    const T* bias = x.bias.empty() ? nullptr : x.bias.data();
    cpu::attention(Cpu{}, x.p, x.q.data(), x.k.data(), x.v.data(), bias, out.data(), lse.data());
    cpu::attention_backward(Cpu{}, x.p, x.q.data(), x.k.data(), x.v.data(), bias, out.data(), lse.data(), x.g.data(),
                            gq.data(), gk.data(), gv.data(), bias ? g_bias.data() : nullptr, x.g_lse.data());
  }
  std::vector<T> all() const {
    std::vector<T> v;
    for (const auto* part : {&out, &lse, &gq, &gk, &gv, &g_bias}) v.insert(v.end(), part->begin(), part->end());
    return v;
  }
};

const Case cases[] = {
    {1, 1, 4, {{1, 1}}},
    {2, 1, 4, {{3, 5}, {0, 2}, {4, 4}}, true},
    {2, 2, 5, {{7, 7}, {1, 9}}, true, 3},
    {3, 3, 16, {{33, 33}}, true},
    {9, 3, 64, {{32, 32}, {5, 5}, {17, 17}}, true},
    {4, 2, 64, {{70, 70}, {1, 200}, {130, 130}}, true},
    {2, 2, 64, {{40, 150}}, true, 20},
    {2, 1, 24, {{100, 65}}, true},  // queries that see no key
    {2, 2, 32, {{33, 65}, {10, 64}}},
    {4, 2, 8, {{20, 20}, {6, 6}}, true, 0, true},
    {2, 2, 36, {{9, 70}}, false, 0, true},
    {1, 1, 256, {{20, 20}}, true},
    {3, 3, 80, {{21, 21}, {21, 21}}, true, 0, false, true},
    {2, 2, 64, {{128, 128}, {128, 128}}, true, 0, false, true},
    {4, 2, 7, {{5, 8}, {5, 8}}, false, 0, true, true},
    {1, 1, 8, {{700, 700}}, true, 50},  // long: partial sums
    {2, 1, 16, {{300, 900}}},
};

template <class T>
constexpr double eps = std::numeric_limits<T>::epsilon();

}  // namespace

TEST_CASE_TEMPLATE("cpu attention: values at awkward sizes", T, float, double) {
  for (const Case& c : cases) {
    CAPTURE(c.heads);
    CAPTURE(c.dim);
    CAPTURE(c.lengths[0].first);
    const Inputs<T> x(c, 2);
    const Results<T> y(x);
    const Reference want(x.p, in_double(x.q), in_double(x.k), in_double(x.v), in_double(x.bias));
    // A score is a sum of dim products below 4, about √dim of them, scaled by 0.7/√dim: it errs by some dim · eps at
    // worst, a few eps on average; so does a probability relative to itself, and |v| < 1.
    const double bound = (16 + 0.5 * double(c.dim)) * eps<T>;
    CHECK(distance(y.out, want.out) <= bound);
    CHECK(distance(y.lse, want.lse) <= bound);
  }
}

TEST_CASE("cpu attention: gradients against difference quotients") {
  for (const Case& c : {Case{2, 1, 4, {{3, 5}, {0, 2}, {4, 4}}, true}, Case{2, 2, 5, {{7, 7}, {1, 9}}, true, 3},
                        Case{2, 1, 3, {{6, 4}}, true}, Case{4, 2, 3, {{5, 5}, {2, 3}}, true, 0, true},
                        Case{2, 2, 4, {{3, 4}, {3, 4}}, false, 0, true, true}}) {
    CAPTURE(c.heads);
    CAPTURE(c.dim);
    const Inputs<double> x(c);
    const Results<double> y(x);
    const auto f = [&](const Doubles& q, const Doubles& k, const Doubles& v, const Doubles& bias) {
      Reference r(x.p, q, k, v, bias);
      for (double& l : r.lse) l = std::isinf(l) ? 0 : l;
      return dot(r.out, x.g) + dot(r.lse, x.g_lse);
    };
    CHECK(distance(y.gq, difference_quotients([&](const auto& t) { return f(t, x.k, x.v, x.bias); }, x.q)) < 1e-8);
    CHECK(distance(y.gk, difference_quotients([&](const auto& t) { return f(x.q, t, x.v, x.bias); }, x.k)) < 1e-8);
    CHECK(distance(y.gv, difference_quotients([&](const auto& t) { return f(x.q, x.k, t, x.bias); }, x.v)) < 1e-8);
    CHECK(distance(y.g_bias, difference_quotients([&](const auto& t) { return f(x.q, x.k, x.v, t); }, x.bias)) < 1e-8);
  }
}

TEST_CASE("cpu attention: gradients in float are those in double, whole at any size") {
  for (const Case& c : cases) {
    CAPTURE(c.heads);
    CAPTURE(c.dim);
    CAPTURE(c.lengths[0].first);
    const Inputs<float> x(c);
    Inputs<double> xd(c);
    xd.q = in_double(x.q), xd.k = in_double(x.k), xd.v = in_double(x.v);
    xd.bias = in_double(x.bias), xd.g = in_double(x.g), xd.g_lse = in_double(x.g_lse);
    const Results<float> y(x);
    const Results<double> want(xd);
    // A row's dS sums to about one times |g v| of √dim; a key's gradient adds such terms over the rows that see it.
    const double bound = 30 * std::sqrt(double(c.dim)) * eps<float>;
    CHECK(distance(y.gq, want.gq) <= bound);
    CHECK(distance(y.gk, want.gk) <= 2 * bound);
    CHECK(distance(y.gv, want.gv) <= 2 * bound);
    CHECK(distance(y.g_bias, want.g_bias) <= bound);
  }
}

TEST_CASE("cpu attention: the same bits on any number of threads and any machine") {
  std::uint64_t h = 0;
  for (const Case& c : cases) {
    const Inputs<float> x(c, 2);
    const auto one = on(1, [&] { return Results<float>(x).all(); });
    CHECK(same_bits(one, on(2, [&] { return Results<float>(x).all(); })));
    CHECK(same_bits(one, on(5, [&] { return Results<float>(x).all(); })));
    h = hash_of(one, h);
  }
  CHECK(h == 8088446846395859482u);
}

TEST_CASE("cpu attention: a query gives the same bits alone, in any block, in any layout") {
  const Case c{6, 2, 64, {{150, 150}}, true, 100};
  const Inputs<float> x(c, 2);
  const Results<float> y(x);
  for (std::int64_t i : {0, 1, 15, 16, 63, 64, 99, 100, 149}) {
    AttentionProblem one = x.p;  // token i of the sequence, with the keys up to it
    one.sequences = {{i, 1, 0, i + 1}};
    std::vector<float> out(y.out.size()), lse(y.lse.size());
    cpu::attention<float>(Cpu{}, one, x.q.data(), x.k.data(), x.v.data(), nullptr, out.data(), lse.data());
    std::int64_t differ = 0;
    for (std::int64_t e = i * 6 * 64; e < (i + 1) * 6 * 64; ++e) differ += out[std::size_t(e)] != y.out[std::size_t(e)];
    for (std::int64_t e = i * 6; e < (i + 1) * 6; ++e) differ += lse[std::size_t(e)] != y.lse[std::size_t(e)];
    CHECK(differ == 0);
  }
}

TEST_CASE("cpu attention: a long sequence needs memory for its partial sums only, and its end is that of a short one") {
  const std::int64_t length = 65536, tail = 384, dim = 8;  // the tail begins where a run of keys does
  const Case whole{1, 1, dim, {{length, length}}, true, 100}, end{1, 1, dim, {{tail, tail}}, true, 100};
  const Inputs<float> x(whole);
  Inputs<float> last(end);
  const auto cut = [&](const std::vector<float>& v, std::int64_t width) {
    return std::vector<float>(v.end() - tail * width, v.end());
  };
  last.q = cut(x.q, dim), last.k = cut(x.k, dim), last.v = cut(x.v, dim), last.g = cut(x.g, dim);
  last.g_lse = cut(x.g_lse, 1);
  const Results<float> short_one(last);
  Pool::instance().reset_peak();
  const auto before = Pool::instance().statistics().in_use;
  const auto long_one = on(2, [&] { return Results<float>(x); });
  CHECK(Pool::instance().statistics().peak - before < std::size_t(3 * 2 * length * dim) * sizeof(float) + (1 << 20));
  const std::int64_t same = tail - 100;  // queries whose window lies in the tail
  const auto ends = [&](const std::vector<float>& v, std::int64_t width) {
    return std::vector<float>(v.end() - same * width, v.end());
  };
  CHECK(same_bits(ends(long_one.out, dim), ends(short_one.out, dim)));
  CHECK(same_bits(ends(long_one.lse, 1), ends(short_one.lse, 1)));
  CHECK(same_bits(ends(long_one.gq, dim), ends(short_one.gq, dim)));
}

TEST_CASE("cpu attention: huge scores, and keys that are not numbers") {
  Case c{1, 1, 16, {{40, 40}}, true};
  Inputs<float> x(c, 1000);
  const Results<float> y(x);
  for (float v : y.out) CHECK(std::abs(v) <= 1.0001f);
  x.k[std::size_t(39 * 16)] = std::numeric_limits<float>::quiet_NaN();  // only the last query sees it
  const Results<float> z(x);
  std::int64_t nans = 0;
  for (std::size_t i = 0; i < z.out.size(); ++i) nans += std::isnan(z.out[i]) != (i >= 39 * 16);
  CHECK(nans == 0);
}

TEST_CASE("cpu attention: what is wrong is said") {
  AttentionProblem p{.heads = 3, .kv_heads = 2, .head_dim = 4};
  const auto run = [&] { cpu::attention<float>(Cpu{}, p, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr); };
  CHECK_THROWS_WITH_AS(run(), "attention: 3 heads share 2 heads of keys; want a multiple", ShapeError);
  p.kv_heads = 3;
  CHECK_NOTHROW(run());  // no sequences
  p.sequences = {{0, 0, 4, 2}, {0, 0, 3, 2}};
  CHECK_NOTHROW(run());
  const auto back = [&] {
    cpu::attention_backward<float>(Cpu{}, p, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr,
                                   nullptr, nullptr);
  };
  CHECK_THROWS_WITH_AS(back(), "attention: two sequences share the keys from 4 on", ValueError);
  p.sequences = {{0, 2, 0, 0}, {1, 1, 0, 0}};
  CHECK_THROWS_WITH_AS(run(), "attention: two sequences share the queries from 1 on", ValueError);
  p.window = -1;
  CHECK_THROWS_AS(run(), ValueError);
}
