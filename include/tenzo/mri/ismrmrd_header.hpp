// What a scan's ISMRMRD header, a text in XML, says of its k-space.
#pragma once

#include <charconv>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "tenzo/core/error.hpp"

namespace tenzo::mri {

/// Sizes of the encoded and the reconstructed image, and which columns of k-space the scanner measured: the others,
/// on both sides, are zeros that were filled in.
struct IsmrmrdHeader {
  std::int64_t encoded_x = 0, encoded_y = 0;        // readout, phase encoding
  std::int64_t recon_x = 0, recon_y = 0;            // likewise
  std::int64_t columns_begin = 0, columns_end = 0;  // measured columns, of encoded_y
};

namespace detail {

/// The text between the first <name …> and the </name> behind it; elements of this kind do not hold themselves.
inline std::string_view xml_element(std::string_view xml, std::string_view name, const std::string& path) {
  const std::string open = "<" + std::string(name), close = "</" + std::string(name) + ">";
  for (std::size_t at = xml.find(open); at != std::string_view::npos; at = xml.find(open, at + 1)) {
    const std::size_t behind = at + open.size();
    if (behind == xml.size() || std::string_view(" \t\r\n>").find(xml[behind]) == std::string_view::npos) continue;
    const std::size_t begin = xml.find('>', behind);
    if (begin == std::string_view::npos) break;
    const std::size_t end = xml.find(close, begin);
    if (end == std::string_view::npos) break;
    return xml.substr(begin + 1, end - begin - 1);
  }
  throw FileError(path, -1, cat("ismrmrd_header has no whole element <", name, '>'));
}

/// The whole number in nested elements, at most 65535.
inline std::int64_t xml_number(std::string_view xml, std::initializer_list<std::string_view> names,
                               const std::string& path) {
  std::string_view last;
  for (const std::string_view name : names) xml = xml_element(xml, last = name, path);
  while (!xml.empty() && std::string_view(" \t\r\n").find(xml.front()) != std::string_view::npos) xml.remove_prefix(1);
  while (!xml.empty() && std::string_view(" \t\r\n").find(xml.back()) != std::string_view::npos) xml.remove_suffix(1);
  std::int64_t n = -1;
  const auto [end, error] = std::from_chars(xml.data(), xml.data() + xml.size(), n);
  if (error != std::errc() || end != xml.data() + xml.size() || n < 0 || n > 65535)
    throw FileError(path, -1, cat("ismrmrd_header: <", last, "> is ", printable(xml), "; want 0 to 65535"));
  return n;
}

}  // namespace detail

/// The header of fastMRI's sets.   Throws  FileError where an element is missing or no such number, or where the
/// columns lie outside the encoded ones.
///   Source  the data loader of fastMRI: begin = encoded / 2 − centre, end = begin + maximum + 1, of
///           encodingLimits.kspace_encoding_step_1.
inline IsmrmrdHeader parse_ismrmrd_header(std::string_view xml, const std::string& path) {
  const auto number = [&](std::initializer_list<std::string_view> names) {
    return detail::xml_number(xml, names, path);
  };
  IsmrmrdHeader h;
  h.encoded_x = number({"encoding", "encodedSpace", "matrixSize", "x"});
  h.encoded_y = number({"encoding", "encodedSpace", "matrixSize", "y"});
  h.recon_x = number({"encoding", "reconSpace", "matrixSize", "x"});
  h.recon_y = number({"encoding", "reconSpace", "matrixSize", "y"});
  const std::int64_t centre = number({"encoding", "encodingLimits", "kspace_encoding_step_1", "center"});
  const std::int64_t most = number({"encoding", "encodingLimits", "kspace_encoding_step_1", "maximum"});
  h.columns_begin = h.encoded_y / 2 - centre;
  h.columns_end = h.columns_begin + most + 1;
  if (h.columns_begin < 0 || h.columns_end > h.encoded_y)
    throw FileError(path, -1,
                    cat("ismrmrd_header: columns ", h.columns_begin, " to ", h.columns_end, " of ", h.encoded_y));
  return h;
}

}  // namespace tenzo::mri
