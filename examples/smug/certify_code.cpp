#include <cmath>

#include "certify_denoise.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/ops/loss.hpp"

namespace smug::certify {

using namespace tenzo;
using namespace tenzo::smoothing;

namespace {

using F = Tensor<float>;

template <class V>
struct Autoencoder {
  ConvEncoder<V> encoder;
  ConvDecoder<V> decoder;

  static void visit(auto&& f, auto&... self) {
    f("encoder", self.encoder...);
    f("decoder", self.decoder...);
  }
  template <Value X>
  auto operator()(const X& x) const {  // (n, channels, h, w) -> the same
    return decoder(encoder(x));
  }
};

/// What is known of the defence: the images that it cleans, as codes.
template <class V>
struct WhitePart {
  DnCnn<V> denoiser;
  ConvEncoder<V> encoder;

  static void visit(auto&& f, auto&... self) {
    f("denoiser", self.denoiser...);
    f("encoder", self.encoder...);
  }
  template <Value X>
  auto operator()(const X& x, BatchStatistics<plain_t<X>>* training = nullptr) const {  // -> (n, code)
    return encoder(denoiser(x, training));
  }
  template <Plain P>
  void update_running_(const BatchStatistics<P>& s) {
    denoiser.update_running_(s);
  }
};

/// Begins with images of the mean grey. From one half, what is wrong with nearly all pixels of dark images drives the
/// sigmoids so far down, within some ten steps, that they have no gradient any more.
Autoencoder<F> autoencoder(const Setup& setup, const AutoencoderConfig& config, std::uint64_t seed) {
  Autoencoder<F> m = initialised<float>(Autoencoder<Expected>{encoder_spec(config), decoder_spec(config)}, seed + 31);
  const double grey = std::clamp(double(mean(setup.train.x).item()), 0.01, 0.99);
  m.decoder.stages.back().bias = F::full(Shape{config.channels}, float(std::log(grey / (1 - grey))));
  Adam::State<Autoencoder<F>> state;
  for_noisy_batches(setup, 0, seed, setup.sizes.autoencoder_steps, [&](const F& clean, const F&, std::uint32_t) {
    Adam{.lr = 2e-3}.step(state, m, grad([&](const auto& model) { return mse_loss(model(clean), clean); }, m));
  });
  return m;
}

}  // namespace

std::vector<DenoisedRun> denoised_by_code(const Setup& setup, const Network& network, const Denoiser& begin,
                                          std::uint64_t seed) {
  const AutoencoderConfig config = code_of(setup);
  const Autoencoder<F> halves = autoencoder(setup, config, seed);
  const auto answer = [&](const F& code) { return network(halves.decoder(code)); };
  const std::pair<std::string, CodeGradient> kinds[] = {{"ZO-AE-DS, RGE 20", {.queries = 20}},
                                                        {"ZO-AE-DS, RGE d", {.queries = int(config.code())}},
                                                        {"ZO-AE-DS, CGE", {.kind = CodeGradient::Kind::cge}}};
  std::vector<DenoisedRun> out;
  out.push_back(denoised_run(
      setup, "autoencoder alone", 0, [&](const F& x) { return network(halves(x)); }, seed));
  for (const auto& [name, how] : kinds) {
    std::int64_t queries = 0;
    const WhitePart<F> white =
        through_answers(setup, network, WhitePart<F>{begin, halves.encoder}, answer, how, seed, queries);
    out.push_back(denoised_run(
        setup, name, queries, [&](const F& x) { return answer(white(x)); }, seed));
  }
  return out;
}

}  // namespace smug::certify
