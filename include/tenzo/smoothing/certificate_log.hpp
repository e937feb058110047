// Logs of certification, as the field writes them: a line an image, six columns with tabs between them,
//     idx  label  predict  radius  correct  time
// predict is −1 for an abstention, correct 0 or 1, time h:mm:ss.ffffff.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/data/lines.hpp"
#include "tenzo/io/atomic_file.hpp"
#include "tenzo/io/mapped_file.hpp"
#include "tenzo/smoothing/classifier.hpp"

namespace tenzo::smoothing {

/// What is known of one image of a data set.
struct CertifiedImage {
  std::int64_t index = 0, label = 0;
  std::int64_t predicted = abstain;
  double radius = 0;
  double seconds = 0;

  bool right() const { return predicted == label && predicted != abstain; }
};
using CertificateLog = std::vector<CertifiedImage>;

namespace detail {

/// Three significant digits, never more than r: what a log claims is certified.
inline std::string radius_text(double r) {
  if (!(r > 1e-100)) return "0.0";
  r = std::min(r, 1e100);  // infinite where p is 1
  char text[40];
  std::snprintf(text, sizeof text, "%.3g", r);
  double back = 0;
  std::from_chars(text, text + std::string_view(text).size(), back);
  if (back > r) {
    const double unit = std::pow(10.0, std::floor(std::log10(r)) - 2);
    std::snprintf(text, sizeof text, "%.3g", back - unit);
  }
  return text;
}

inline constexpr double longest = 1e12;  // seconds that a line may tell of

inline std::string time_text(double seconds) {
  const auto all = std::int64_t(std::llround(std::clamp(seconds, 0.0, longest) * 1e6)), whole = all / 1000000;
  char text[60];
  std::snprintf(text, sizeof text, "%lld:%02lld:%02lld.%06lld", static_cast<long long>(whole / 3600),
                static_cast<long long>(whole / 60 % 60), static_cast<long long>(whole % 60),
                static_cast<long long>(all % 1000000));
  return text;
}

}  // namespace detail

/// The text of a log. Radii are rounded down.
inline std::string write_certificates(const CertificateLog& log) {
  std::string out = "idx\tlabel\tpredict\tradius\tcorrect\ttime\n";
  for (const CertifiedImage& c : log)
    out += cat(c.index, '\t', c.label, '\t', c.predicted, '\t', detail::radius_text(c.radius), '\t', int(c.right()),
               '\t', detail::time_text(c.seconds), '\n');
  return out;
}

/// A log's text, also where other programs wrote it: with a first line that names the columns, times with days before
/// them, or no times at all.
///   Throws  FileError with the offset of a line that says something else: numbers that are none, a negative radius, a
///           `correct` that label and prediction contradict.
inline CertificateLog parse_certificates(std::string_view text, const std::string& path) {
  CertificateLog log;
  bool first = true;
  tenzo::detail::for_each_line(text, [&](std::string_view line, std::int64_t at) {
    if (line.empty()) return;
    const auto columns = tenzo::detail::split_at(line, '\t');
    if (first) {
      first = false;
      if (columns.size() < 5 || columns[0] != "idx" || columns[1] != "label" || columns[2] != "predict" ||
          columns[3] != "radius" || columns[4] != "correct")
        throw FileError(path, at, "want the columns idx, label, predict, radius, correct, time");
      return;
    }
    const auto fail = [&] { throw FileError(path, at, cat("is no line of a certification log: ", printable(line))); };
    if (columns.size() != 5 && columns.size() != 6) fail();
    const auto number = [&](std::string_view word, auto& to) {
      const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), to);
      if (error != std::errc() || end != word.data() + word.size()) fail();
    };
    CertifiedImage c;
    std::int64_t correct = 0;
    number(columns[0], c.index);
    number(columns[1], c.label);
    number(columns[2], c.predicted);
    number(columns[3], c.radius);
    number(columns[4], correct);
    if (!(c.radius >= 0) || !std::isfinite(c.radius) || c.predicted < abstain || correct != std::int64_t(c.right()))
      fail();
    if (columns.size() == 6) {
      std::string_view clock = columns[5];
      double days = 0;
      if (const auto comma = clock.rfind(", "); comma != std::string_view::npos) {
        number(clock.substr(0, clock.find(' ')), days);
        clock.remove_prefix(comma + 2);
      }
      const auto parts = tenzo::detail::split_at(clock, ':');
      if (parts.size() != 3) fail();
      double h = 0, m = 0, s = 0;
      number(parts[0], h), number(parts[1], m), number(parts[2], s);
      c.seconds = ((days * 24 + h) * 60 + m) * 60 + s;
      if (!(c.seconds >= 0 && c.seconds <= detail::longest)) fail();
    }
    log.push_back(c);
  });
  if (first) throw FileError(path, 0, "is empty; want the columns idx, label, predict, radius, correct, time");
  return log;
}

/// A log's file.
inline CertificateLog load_certificates(const std::string& path) {
  const auto file = MappedFile::open(path);
  return parse_certificates({reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()}, path);
}
inline void save_certificates(const std::string& path, const CertificateLog& log) {
  write_file(path, write_certificates(log));
}

// ---- what a log says -----------------------------------------------------------------------------------------------

/// Share of images whose right class is certified at radius r: right, not abstained from, R ≥ r. NaN of none.
inline double certified_accuracy(const CertificateLog& log, double r) {
  std::int64_t n = 0;
  for (const CertifiedImage& c : log) n += c.right() && c.radius >= r;
  return double(n) / double(log.size());
}

/// Average certified radius, ACR: wrong classes and abstentions count 0. NaN of none.
///   Comparable at equal α and numbers of samples only, which cap each radius.
///   Source  Zhai et al. 2020, equation 7.
inline double average_certified_radius(const CertificateLog& log) {
  double sum = 0;
  for (const CertifiedImage& c : log) sum += c.right() ? c.radius : 0;
  return sum / double(log.size());
}

/// Share of images that nothing was said about. NaN of none.
inline double abstentions(const CertificateLog& log) {
  std::int64_t n = 0;
  for (const CertifiedImage& c : log) n += c.predicted == abstain;
  return double(n) / double(log.size());
}

/// The best certified accuracy of several logs at r: the upper envelope over noise levels.
inline double envelope(const std::vector<CertificateLog>& logs, double r) {
  double best = std::nan("");
  for (const CertificateLog& log : logs) best = std::fmax(best, certified_accuracy(log, r));
  return best;
}

/// The largest radius that n samples can certify at level α with Gaussian noise: σ Φ⁻¹(α^{1/n}).
inline double radius_cap(double sigma, std::int64_t n, double alpha) {
  return gaussian_radius(sigma, clopper_pearson_lower(n, n, alpha));
}

}  // namespace tenzo::smoothing
