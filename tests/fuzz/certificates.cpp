// Any text is a certification log, or a FileError; a log that is written again reads as the same, its radii rounded
// down.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "one_line.hpp"
#include "tenzo/smoothing/certificate_log.hpp"

using namespace tenzo;
using namespace tenzo::smoothing;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CertificateLog log;
  try {
    log = parse_certificates(text, "input");
  } catch (const FileError& e) {
    check_one_line(e);
    return 0;
  }
  if (log.size() > size) std::abort();
  const CertificateLog again = parse_certificates(write_certificates(log), "input");  // never throws
  if (again.size() != log.size()) std::abort();
  for (std::size_t i = 0; i < log.size(); ++i) {
    const CertifiedImage &a = log[i], &b = again[i];
    if (a.index != b.index || a.label != b.label || a.predicted != b.predicted || b.radius > a.radius) std::abort();
    if (!std::isfinite(a.radius) || !(a.seconds >= 0)) std::abort();
  }
  const double share = certified_accuracy(log, 0.5);
  if (!log.empty() && !(share >= 0 && share <= 1)) std::abort();
  return 0;
}
