#include "attention.cuh"

#include "both.hpp"
#include "tenzo/ops/cpu/attention.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

/// Largest differences in eps beside the largest value, or beside 1: where a query sees one key, gradients are
/// differences of equal numbers. A score is a chain of up to 256 terms on both sides, the sums over keys and rows are
/// of up to 150 terms in other orders: about √n eps of what is summed, and cancellation in gradients.
constexpr double forward_tolerance = 40, backward_tolerance = 80;

template <class T>
double error(const Both<T>& b) {
  double top = 0;
  for (const T x : b.want())
    if (std::isfinite(x)) top = std::max(top, std::abs(double(x)));
  return b.error() * (top > 0 ? std::min(1.0, top) : 1.0);
}

struct Lengths {
  std::int64_t q, kv;
};

/// A problem on packed tokens, with unused ones before, between and behind the sequences; or on a batch.
struct Attention {
  AttentionProblem p;
  std::int64_t queries = 0, keys = 0;
  bool biased = false;

  Attention(std::int64_t heads, std::int64_t kv_heads, std::int64_t dim, const std::vector<Lengths>& lengths,
            bool batch = false) {
    p.heads = heads, p.kv_heads = kv_heads, p.head_dim = dim, p.scale = 0.7 / std::sqrt(double(dim));
    const std::int64_t gap = batch ? 0 : 1, of_q = batch ? heads : 1, of_kv = batch ? kv_heads : 1;
    for (const Lengths& l : lengths) {
      queries += gap, keys += gap;
      p.sequences.push_back({queries, l.q, keys, l.kv});
      queries += l.q * of_q, keys += l.kv * of_kv;
      p.bias_q = std::max(p.bias_q, l.q + 2), p.bias_kv = std::max(p.bias_kv, l.kv + 1);
    }
    queries += gap, keys += gap;
    if (batch) {
      p.q = p.out = {dim, lengths[0].q * dim};
      p.k = p.v = {dim, lengths[0].kv * dim};
    } else {
      p.q = p.out = {heads * dim, dim};
      p.k = p.v = {kv_heads * dim, dim};
    }
    p.lse = {p.q.token / dim, p.q.head / dim};
    queries *= batch ? 1 : heads, keys *= batch ? 1 : kv_heads;  // rows of `dim` numbers
  }
  Attention& causal(bool on = true) { return p.causal = on, *this; }
  Attention& window(std::int64_t n) { return p.window = n, *this; }
  Attention& bias() { return biased = true, *this; }

  std::int64_t q_size() const { return queries * p.head_dim; }
  std::int64_t kv_size() const { return keys * p.head_dim; }
  std::int64_t bias_size() const { return biased ? p.heads * p.bias_q * p.bias_kv : 0; }
};

/// Both passes on both devices. The backward pass gets the CPU's outputs.
template <class T>
void check_once(const Attention& a, int shift) {
  const AttentionProblem& p = a.p;
  Both<T> q(normals<T>(a.q_size(), 1), shift), k(normals<T>(a.kv_size(), 2), shift),
      v(normals<T>(a.kv_size(), 3), shift);
  Both<T> bias(normals<T>(a.bias_size(), 4)), out(a.q_size(), shift), lse(a.queries);
  const auto of = [&](Both<T>& b, auto d) { return a.biased ? b.at(d) : nullptr; };
  on_both([&](auto d) { attention(d, p, q.at(d), k.at(d), v.at(d), of(bias, d), out.at(d), lse.at(d)); });
  CHECK(error(out) <= forward_tolerance);
  CHECK(error(lse) <= forward_tolerance);

  Both<T> y(out.want(), shift), l(lse.want()), gy(normals<T>(a.q_size(), 5), shift), gl(normals<T>(a.queries, 6));
  Both<T> gq(a.q_size(), shift), gk(a.kv_size(), shift), gv(a.kv_size(), shift), gb(a.bias_size());
  on_both([&](auto d) {
    attention_backward(d, p, q.at(d), k.at(d), v.at(d), of(bias, d), y.at(d), l.at(d), gy.at(d), gq.at(d), gk.at(d),
                       gv.at(d), of(gb, d), shift ? gl.at(d) : nullptr);
  });
  CHECK(error(gq) <= backward_tolerance);
  CHECK(error(gk) <= backward_tolerance);
  CHECK(error(gv) <= backward_tolerance);
  CHECK(error(gb) <= backward_tolerance);
}

template <class T>
void check_attention(const Attention& a, int shift = 0) {
  CAPTURE(a.p.heads);
  CAPTURE(a.p.kv_heads);
  CAPTURE(a.p.head_dim);
  CAPTURE(a.p.sequences[0].q_length);
  CAPTURE(a.p.sequences[0].kv_length);
  CAPTURE(a.p.sequences.size());
  CAPTURE(a.p.causal);
  CAPTURE(a.p.window);
  CAPTURE(a.biased);
  CAPTURE(shift);
  under_schedules([&] { check_once<T>(a, shift); });
}

}  // namespace

TEST_CASE_TEMPLATE("attention: any size of head", T, float, double) {
  for (const std::int64_t dim : sizes({1, 3, 4, 31, 32, 33, 63, 64, 65, 80, 127, 128, 129, 252, 256}, {33, 65}))
    for (const int shift : {0, 1}) {
      if (shift && (dim % 4 || dim > 128)) continue;
      check_attention<T>(Attention(2, 1, dim, {{5, 37}}).causal(), shift);
    }
  emulation::expect_clean();
}

TEST_CASE_TEMPLATE("attention: lengths around a tile, causal or not", T, float, double) {
  for (const std::int64_t q : sizes({1, 2, 31, 33, 64, 65}, {33}))
    for (const std::int64_t kv : sizes({1, 31, 32, 33, 64, 66}, {34}))
      for (const bool causal : {false, true}) check_attention<T>(Attention(1, 1, 8, {{q, kv}}).causal(causal));
  emulation::expect_clean();
}

TEST_CASE_TEMPLATE("attention: windows, groups of heads, bias", T, float, double) {
  for (const std::int64_t window : sizes({1, 5, 32, 40, 1000}, {40}))
    for (const bool causal : {false, true})
      check_attention<T>(Attention(6, 2, 16, {{40, 50}}).causal(causal).window(window).bias(), window == 40);
  check_attention<T>(Attention(3, 3, 20, {{70, 35}}).window(3).bias(), 1);
  emulation::expect_clean();
}

TEST_CASE_TEMPLATE("attention: packed sequences, also without queries or keys", T, float, double) {
  const std::vector<Lengths> lengths = {{3, 3}, {0, 4}, {17, 40}, {5, 0}, {1, 1}, {45, 33}};
  check_attention<T>(Attention(4, 2, 12, lengths).causal());
  check_attention<T>(Attention(4, 2, 12, lengths).causal().window(7).bias(), 1);
  check_attention<T>(Attention(2, 2, 8, {{9, 21}, {9, 21}, {9, 21}}, true).causal().bias());
  check_attention<T>(Attention(1, 1, 4, {{0, 0}}));
  check_attention<T>(Attention(2, 1, 4, std::vector<Lengths>(70, {2, 3})).causal());  // more than the arguments hold
  emulation::expect_clean();
}

TEST_CASE("attention: scores that are all −∞, and not finite ones") {
  Attention a(1, 1, 4, {{3, 5}});
  a.bias();
  std::vector<float> minus(std::size_t(a.bias_size()), -INFINITY);
  minus[1] = 0;                               // query 0 sees key 1; query 1 nothing
  minus[2 * std::size_t(a.p.bias_kv)] = NAN;  // query 2 has a score that is no number
  Both<float> x(normals<float>(a.q_size() + a.kv_size(), 1)), bias(minus), out(a.q_size()), lse(a.queries);
  on_both([&](auto d) {
    attention(d, a.p, x.at(d), x.at(d) + a.q_size(), x.at(d) + a.q_size(), bias.at(d), out.at(d), lse.at(d));
  });
  CHECK(error(out) <= forward_tolerance);
  CHECK(error(lse) <= forward_tolerance);
  CHECK(out.got()[4 * 2] == 0);
  CHECK(lse.got()[2] == -INFINITY);
  CHECK(std::isnan(out.got()[4 * 3]));
}

TEST_CASE("attention: a query alone has the bits that it has among others") {
  const std::int64_t dim = 40, n = 75;
  Attention all(2, 1, dim, {{n, n}}), last(2, 1, dim, {{1, n}});
  all.causal(), last.causal();
  const auto x = normals<float>(all.q_size() + 2 * all.kv_size(), 1);
  const cuda::DeviceArray<float> in{std::span<const float>(x)};
  const cuda::DeviceArray<float> y(all.q_size()), y1(last.q_size()), lse(all.queries), lse1(last.queries);
  const float *const k = in.data() + all.q_size(), *const v = k + all.kv_size();
  attention(Cuda{}, all.p, in.data(), k, v, static_cast<const float*>(nullptr), y.data(), lse.data());
  attention(Cuda{}, last.p, in.data() + (n - 1) * 2 * dim, k, v, static_cast<const float*>(nullptr), y1.data(),
            lse1.data());
  const auto of_all = y.to_host(), alone = y1.to_host();
  CHECK(std::equal(alone.begin() + 2 * dim, alone.begin() + 4 * dim, of_all.begin() + n * 2 * dim));
  CHECK(lse1.to_host()[2] == lse.to_host()[std::size_t(2 * n)]);
}

TEST_CASE("attention: captured in a graph") {
  const Attention a(2, 1, 8, {{5, 9}, {3, 3}});
  const auto host = normals<float>(a.q_size() + 2 * a.kv_size(), 1);
  under_schedules([&] {
    const cuda::DeviceArray<float> x{std::span<const float>(host)}, once(a.q_size()), again(a.q_size()), lse(a.queries);
    const float *const k = x.data() + a.q_size(), *const v = k + a.kv_size();
    const auto run = [&](float* y) {
      cuda::set_bytes(y, 0, std::size_t(a.q_size()) * sizeof(float));
      attention(Cuda{}, a.p, static_cast<const float*>(x.data()), k, v, static_cast<const float*>(nullptr), y,
                lse.data());
    };
    run(once.data());
    cuda::synchronize();
    const cuda::Graph graph = cuda::Graph::capture([&] { run(again.data()); });
    graph.launch();
    CHECK(again.to_host() == once.to_host());
  });
  emulation::expect_clean();
}

TEST_CASE("attention: a head that is too large is a sentence") {
  const Attention a(1, 1, 257, {{1, 1}});
  float* const none = nullptr;
  CHECK_THROWS_WITH_AS(attention(Cuda{}, a.p, none, none, none, static_cast<const float*>(nullptr), none, none),
                       "attention: a head of 257 numbers; at most 256 on a GPU", ShapeError);
}

// The maps of a tile: what this test shows on the host, the emulation can not see.
namespace {

/// Transactions of a warp's accesses of `bytes` at `offset(lane)`: the most different rows of 128 bytes that one bank
/// has to give, in groups of as many lanes as move 128 bytes.
template <class F>
int transactions(int bytes, F&& offset) {
  const int lanes = 128 / bytes;
  int all = 0;
  for (int first = 0; first < 32; first += lanes) {
    std::vector<std::vector<int>> rows(32);
    for (int lane = first; lane < first + lanes; ++lane)
      for (int word = offset(lane) / 4; word < (offset(lane) + bytes) / 4; ++word) {
        auto& of_bank = rows[std::size_t(word % 32)];
        if (std::find(of_bank.begin(), of_bank.end(), word / 32) == of_bank.end()) of_bank.push_back(word / 32);
      }
    std::size_t most = 0;
    for (const auto& r : rows) most = std::max(most, r.size());
    all += int(most);
  }
  return all;
}

template <class Tile>
void check_tile() {
  using T = typename Tile::T;
  constexpr int size = sizeof(T), of_keys = Tile::of_keys, of_rows = Tile::of_rows;
  using ByKey = cuda::detail::WeightsByKey<Tile>;
  using ByRow = cuda::detail::WeightsByRow<Tile>;
  CAPTURE(Tile::columns);
  CAPTURE(size);
  std::vector<int> by_key(Tile::weights_size), by_row(Tile::weights_size), columns(Tile::columns);
  for (int r = 0; r < Tile::rows; ++r)
    for (int k = 0; k < Tile::keys; ++k) ++by_key.at(ByKey::place(r, k)), ++by_row.at(ByRow::place(r, k));
  for (int x = 0; x < Tile::across; ++x)
    for (int i = 0; i < Tile::of_columns; ++i) ++columns.at(Tile::column(x, i));
  CHECK(by_key == std::vector<int>(Tile::weights_size, 1));
  CHECK(by_row == std::vector<int>(Tile::weights_size, 1));
  CHECK(columns == std::vector<int>(Tile::columns, 1));

  std::vector<int> rows(Tile::rows), keys(Tile::keys);
  for (int t = 0; t < Tile::threads; ++t)
    ++rows[Tile::template staged_row<Tile::rows>(t)], ++keys[Tile::template staged_row<Tile::keys>(t)];
  CHECK(rows == std::vector<int>(Tile::rows, Tile::threads / Tile::rows));
  CHECK(keys == std::vector<int>(Tile::keys, Tile::threads / Tile::keys));

  const auto y = [](int lane) { return lane / Tile::across; };
  const auto x = [](int lane) { return lane % Tile::across; };
  const auto row = [](int lane) { return lane / Tile::parts; };
  const auto part = [](int lane) { return lane % Tile::parts * Tile::of_keys; };
  // Transposition of staged operands: no conflicts.
  CHECK(transactions(size, [&](int l) {
          return size * (l % 2 * Tile::vector * Tile::stage_rows + Tile::template staged_row<Tile::rows>(l));
        }) == size / 4);
  // Weights: packs of rows, or of keys, of a thread; and the parts of a row. Twice the least where 16 parts share a
  // row.
  const int least = Tile::parts > 8 ? 2 : 1;
  CHECK(transactions(size * of_rows, [&](int l) { return size * ByKey::place(y(l) * of_rows, x(l) * of_keys); }) == 4);
  CHECK(transactions(size, [&](int l) { return size * ByKey::place(row(l), part(l)); }) <= least * size / 4);
  CHECK(transactions(size * of_keys, [&](int l) { return size * ByRow::place(y(l) * of_rows, x(l) * of_keys); }) <=
        std::max(1, size * of_keys / 4));
  CHECK(transactions(size * of_keys, [&](int l) { return size * ByRow::place(row(l), part(l)); }) <=
        std::max(1, size * of_keys / 4));
}

}  // namespace

TEST_CASE_TEMPLATE("attention: the maps of a tile are one to one and free of bank conflicts", T, float, double) {
  check_tile<cuda::detail::RowTile<T, 32>>();
  check_tile<cuda::detail::RowTile<T, 64>>();
  check_tile<cuda::detail::RowTile<T, 128>>();
  check_tile<cuda::detail::RowTile<T, 256>>();
  check_tile<cuda::detail::KeyTile<T, 32>>();
  check_tile<cuda::detail::KeyTile<T, 64>>();
  check_tile<cuda::detail::KeyTile<T, 128>>();
  check_tile<cuda::detail::KeyTile<T, 256>>();
}
