// Generation: greedy text is what recomputing everything gives; sampling follows its law and its seed.
#include "tenzo/models/generation.hpp"

#include <doctest/doctest.h>

#include "tiny_llama.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

using M = Llama<Tensor<float>>;

const auto identity = [](const Tensor<float>& y) { return y; };

std::vector<int> continued(const M& m, const std::vector<int>& prompt, std::int64_t most,
                           const SamplingOptions& o = {}) {
  std::vector<int> out;
  generate(m, prompt, most, o, identity, [&](int token) {
    out.push_back(token);
    return true;
  });
  return out;
}

/// Shares of the tokens in n draws, each at a step of its own.
std::vector<double> shares(const std::vector<float>& logits, const SamplingOptions& o, int n) {
  std::vector<double> p(logits.size());
  for (int i = 0; i < n; ++i) p[std::size_t(sample_token(logits, o, std::uint32_t(i)))] += 1.0 / n;
  return p;
}

void check_shares(const std::vector<double>& got, const std::vector<double>& want, int n) {
  for (std::size_t i = 0; i < want.size(); ++i) {
    CAPTURE(i);
    if (want[i] == 0) CHECK(got[i] == 0);
    else CHECK(std::abs(got[i] - want[i]) < 6 * std::sqrt(want[i] * (1 - want[i]) / n) + 1e-9);  // six standard errors
  }
}

}  // namespace

TEST_CASE("generate: greedy text with the cache is the text of full recomputation") {
  const M m = as_tensors<float>(random_llama(tiny_config()));
  std::vector<int> all{3, 17, 5}, want;
  for (int i = 0; i < 12; ++i) {
    const auto y = m.logits(m.batch(packed({all})));
    const auto last = rows_of(y, y.dim(0) - 1, y.dim(0));
    want.push_back(int(std::max_element(last.begin(), last.end()) - last.begin()));
    all.push_back(want.back());
  }
  CHECK(continued(m, {3, 17, 5}, 12) == want);
  CHECK(continued(m, {3, 17, 5}, 0).empty());
}

TEST_CASE("generate: ends at the context's end, when it is told to, and refuses an empty prompt") {
  const LlamaConfig c = tiny_config();
  const M m = as_tensors<float>(random_llama(c));
  // 60 positions are taken; a token may be placed at 60 … 63, and one more is guessed behind the last.
  CHECK(continued(m, std::vector<int>(60, 1), 100).size() == 5);
  CHECK(continued(m, std::vector<int>(65, 1), 100).empty());
  int seen = 0;
  generate(m, {1, 2}, 100, {}, identity, [&](int) { return ++seen < 3; });
  CHECK(seen == 3);
  CHECK_THROWS_WITH_AS(continued(m, {}, 1), "generation: an empty prompt", ValueError);
}

TEST_CASE("generate: a seed is a text") {
  const M m = as_tensors<float>(random_llama(tiny_config()));
  const SamplingOptions a{.temperature = 1.5, .seed = 1}, b{.temperature = 1.5, .seed = 2};
  CHECK(continued(m, {5}, 20, a) == continued(m, {5}, 20, a));
  CHECK(continued(m, {5}, 20, a) != continued(m, {5}, 20, b));
}

TEST_CASE("sampling: shares of tokens by temperature, top k and top p") {
  const std::vector<float> logits{0.f, std::log(4.f), std::log(2.f), -INFINITY};  // 1/7, 4/7, 2/7, 0
  constexpr int n = 4000;
  check_shares(shares(logits, {.temperature = 1}, n), {1 / 7.0, 4 / 7.0, 2 / 7.0, 0}, n);
  check_shares(shares(logits, {.temperature = 0.5}, n), {1 / 21.0, 16 / 21.0, 4 / 21.0, 0}, n);
  check_shares(shares(logits, {.temperature = 1, .top_k = 2}, n), {0, 4 / 6.0, 2 / 6.0, 0}, n);
  check_shares(shares(logits, {.temperature = 1, .top_p = 0.8}, n), {0, 4 / 6.0, 2 / 6.0, 0}, n);
  check_shares(shares(logits, {.temperature = 1, .top_p = 0.5}, n), {0, 1, 0, 0}, n);
  check_shares(shares(logits, {.temperature = 1, .top_k = 100}, n), {1 / 7.0, 4 / 7.0, 2 / 7.0, 0}, n);
  check_shares(shares(logits, {}, 10), {0, 1, 0, 0}, 10);
  CHECK(sample_token(std::vector<float>{2, 2, 2}, {}, 0) == 0);  // equal ones: the first
}

TEST_CASE("sampling: options that can not be are refused") {
  const std::vector<float> logits{0, 1};
  CHECK_THROWS_AS(sample_token(logits, {.temperature = -1}, 0), ValueError);
  CHECK_THROWS_AS(sample_token(logits, {.temperature = 1, .top_p = 0}, 0), ValueError);
  CHECK_THROWS_AS(sample_token(logits, {.temperature = 1, .top_p = 1.5}, 0), ValueError);
  CHECK_THROWS_AS(sample_token(logits, {.temperature = 1, .top_k = -1}, 0), ValueError);
}
