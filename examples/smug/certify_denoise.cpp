#include "certify_denoise.hpp"

#include "../shared/pictures.hpp"

namespace smug::certify {

using namespace tenzo;
using namespace tenzo::smoothing;

using F = Tensor<float>;

Denoiser white_box_denoiser(const Setup& setup, const Network& network, DenoiserLoss kind, Denoiser m, double sigma,
                            std::int64_t steps, std::uint64_t seed) {
  Adam::State<Denoiser> state;
  BatchStatistics<F> statistics;
  for_noisy_batches(setup, sigma, seed, steps, [&](const F& clean, const F& noisy, std::uint32_t) {
    const Indices targets = predictions(network(clean));
    const auto g = value_and_grad(
        [&](const auto& model) {
          statistics.clear();
          return denoiser_loss(kind, model, network, clean, noisy, targets, statistics);
        },
        m, [](const Path& at) { return is_trained(at); });
    Adam{.lr = 1e-3}.step(state, m, g.grad);
    m.update_running_(statistics);
  });
  return m;
}

std::vector<DenoisedRun> denoised(const Setup& setup, const Network& network, std::uint64_t seed) {
  std::vector<DenoisedRun> out;
  const auto behind = [&](const Denoiser& d) { return [&](const F& x) { return network(d(x)); }; };
  out.push_back(denoised_run(
      setup, "none", 0, [&](const F& x) { return network(x); }, seed));
  const DnCnnConfig config{.channels = setup.config.channels, .depth = denoiser_depth, .width = denoiser_width};
  const Denoiser begin = initial_dncnn<float>(config, seed);
  const std::int64_t steps = setup.sizes.denoiser_steps, half = steps / 2;
  const auto trained = [&](DenoiserLoss kind, const Denoiser& from, std::int64_t n, std::uint64_t noise) {
    return white_box_denoiser(setup, network, kind, from, base_sigma, n, noise);
  };
  const Denoiser mse = trained(DenoiserLoss::mse, begin, steps, seed);
  out.push_back(denoised_run(setup, "MSE", 0, behind(mse), seed));
  // of the same steps in all
  const Denoiser stab =
      trained(DenoiserLoss::stab, trained(DenoiserLoss::mse, begin, half, seed), steps - half, seed + 1);
  out.push_back(denoised_run(setup, "STAB + MSE", 0, behind(stab), seed));
  std::int64_t queries = 0;
  const auto answer = [&](const F& x) { return network(x); };
  const CodeGradient directions{.queries = int(code_of(setup).code())};
  const Denoiser box = through_answers(setup, network, begin, answer, directions, seed, queries);
  out.push_back(denoised_run(setup, "ZO-DS, RGE d", queries, behind(box), seed));
  for (const DenoisedRun& r : denoised_by_code(setup, network, begin, seed)) out.push_back(r);
  return out;
}

std::vector<std::string> digits(const Setup& setup, const Network& network, std::uint64_t seed) {
  const Shape& shape = setup.judged.x.shape();
  const std::int64_t columns = std::min<std::int64_t>(digit_columns, setup.judged.size());
  const F x = setup.judged.x.rows(0, columns);
  std::vector<std::string> out;
  const auto show = [&](const F& images) {
    for (std::int64_t i = 0; i < columns; ++i)
      out.push_back(
          program_pictures::picture(images.data() + i * shape.inner(0), shape[1] == 3 ? 3 : 1, shape[2], shape[3]));
    out.resize((out.size() + digit_columns - 1) / digit_columns * digit_columns);
  };
  show(x);
  const DnCnnConfig config{.channels = setup.config.channels, .depth = denoiser_depth, .width = picture_width};
  for (const double sigma : digit_sigmas) {
    const Denoiser d = white_box_denoiser(setup, network, DenoiserLoss::mse, initial_dncnn<float>(config, seed), sigma,
                                          setup.sizes.picture_steps, seed);
    const F eta = noise_for<float>({Family::gaussian, sigma}, x.shape(), {seed, 0, Phase::evaluation}, 0, 1);
    const F noisy = add(x, eta.reshaped(x.shape()));
    show(noisy), show(d(noisy));
  }
  return out;
}

}  // namespace smug::certify
