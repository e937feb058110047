// The replay log: a fine-tuning run as a file of slopes. The base model and the log give the tuned model, bit for bit.
//
//   bytes 0–7   "tenzozo1"
//   4 bytes     length n of the header text, little-endian as all numbers here
//   n bytes     header: what the run was, as lines "key value"
//   4 bytes     CRC-32 of all before
//   records of 16 bytes: step (4), slope (8, float64), CRC-32 of the step's position and these (4)
//
// A last record with step 2^32 − 1 says which step the run ended with: its slope is the number of steps to replay.
// The slopes of a step stand one after another, in the order of its queries. A step's records are written by one call,
// so a crash can only cut the end, or leave zeros there when the whole system stops; what is cut is dropped.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/error.hpp"

namespace tenzo::zo {

namespace detail {

inline std::uint32_t crc32(std::span<const std::uint8_t> bytes, std::uint32_t crc = 0) {
  static constexpr auto table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t c = i;
      for (int k = 0; k < 8; ++k) c = c & 1u ? 0xedb88320u ^ (c >> 1) : c >> 1;
      t[i] = c;
    }
    return t;
  }();
  crc = ~crc;
  for (const std::uint8_t b : bytes) crc = table[(crc ^ b) & 0xffu] ^ (crc >> 8);
  return ~crc;
}

inline std::span<const std::uint8_t> as_bytes(const std::string& s) {
  return {reinterpret_cast<const std::uint8_t*>(s.data()), s.size()};
}

template <class T>
void put(std::string& out, T x) {
  static_assert(std::endian::native == std::endian::little, "the log is little-endian");
  char raw[sizeof(T)];
  std::memcpy(raw, &x, sizeof(T));
  out.append(raw, sizeof(T));
}

template <class T>
T get(const std::string& in, std::size_t at) {
  T x;
  std::memcpy(&x, in.data() + at, sizeof(T));
  return x;
}

}  // namespace detail

/// What a run was: settings by name, kept in order of the names.
using LogHeader = std::map<std::string, std::string>;

/// The slopes of one step.
struct LogStep {
  std::uint32_t step = 0;
  std::vector<double> slopes;
};

/// A log as read: whole steps only.
struct Log {
  static constexpr std::size_t record_bytes = 16;

  LogHeader header;
  std::vector<LogStep> steps;
  std::size_t valid_bytes = 0;  // of the file, up to the end of the last whole step
  std::int64_t chosen = -1;     // steps to replay, as the run's end says; −1: it has not ended

  static constexpr std::uint32_t end_mark = 0xffffffffu;

  /// Reads a log.
  ///   A damaged last step or mark of the end is dropped, as is a cut one: such a run was interrupted there. Throws
  ///   FileError where the file is no log, its header is damaged, or anything follows damage.
  TENZO_COMPILED static Log read(const std::string& path);

  TENZO_COMPILED static Log parse(const std::string& bytes, const std::string& path);

  static std::string header_text(const LogHeader& header) {
    std::string text;
    for (const auto& [key, value] : header) text += key + ' ' + value + '\n';
    return text;
  }

  static std::uint32_t record_crc(std::size_t position, std::span<const std::uint8_t> payload) {
    std::string at;
    detail::put(at, std::uint64_t(position));
    return detail::crc32(payload, detail::crc32(detail::as_bytes(at)));
  }

  /// Number of slopes that each step has: the header's "slopes".
  static std::size_t slopes_per_step(const LogHeader& header, const std::string& path) {
    const auto it = header.find("slopes");
    std::size_t n = 0;
    if (it != header.end()) {
      const char* last = it->second.data() + it->second.size();
      if (std::from_chars(it->second.data(), last, n).ptr != last) n = 0;
    }
    if (n == 0 || n > (1u << 20)) throw FileError(path, 12, "the header does not say how many slopes a step has");
    return n;
  }

 private:
  static LogHeader parse_header(const std::string& text) {
    LogHeader header;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      const std::string line = text.substr(at, end - at);
      if (const std::size_t space = line.find(' '); space != std::string::npos)
        header[line.substr(0, space)] = line.substr(space + 1);
      at = end + 1;
    }
    return header;
  }
};

#if TENZO_DEFINES(files)
TENZO_COMPILED Log Log::parse(const std::string& bytes, const std::string& path) {
  if (bytes.size() < 16 || bytes.compare(0, 8, "tenzozo1") != 0) throw FileError(path, 0, "not a replay log");
  const auto length = detail::get<std::uint32_t>(bytes, 8);
  if (bytes.size() < 16 || length > bytes.size() - 16)
    throw FileError(path, 8, cat("a header of ", length, " bytes in a file of ", bytes.size()));
  const std::size_t start = 16 + std::size_t(length);
  const auto raw = detail::as_bytes(bytes);
  if (detail::crc32(raw.first(start - 4)) != detail::get<std::uint32_t>(bytes, start - 4))
    throw FileError(path, std::int64_t(start - 4), "the header's checksum is wrong");
  Log log;
  log.header = parse_header(bytes.substr(12, length));
  const std::size_t per_step = slopes_per_step(log.header, path);
  log.valid_bytes = start;
  const auto sound = [&](std::size_t r) {
    return r + record_bytes <= bytes.size() &&
           record_crc(r, raw.subspan(r, 12)) == detail::get<std::uint32_t>(bytes, r + 12);
  };
  for (std::size_t at = start; at < bytes.size(); at += per_step * record_bytes) {
    if (sound(at) && detail::get<std::uint32_t>(bytes, at) == end_mark) {
      const double n = detail::get<double>(bytes, at + 4);
      if (!(n >= 0 && n <= double(log.steps.size()) && n == std::floor(n)) || at + record_bytes != bytes.size())
        throw FileError(path, std::int64_t(at), "the last record does not fit the steps before it");
      log.chosen = std::int64_t(n);
      return log;
    }
    LogStep s;
    for (std::size_t q = 0; q < per_step; ++q) {
      const std::size_t r = at + q * record_bytes;
      if (!sound(r)) {
        const bool last = at + per_step * record_bytes >= bytes.size();
        if (!last && bytes.find_first_not_of('\0', r + record_bytes) != std::string::npos)
          throw FileError(path, std::int64_t(r), "a damaged record in the middle of the log");
        return log;
      }
      s.step = detail::get<std::uint32_t>(bytes, r);
      if (s.step != log.steps.size())
        throw FileError(path, std::int64_t(r), cat("step ", s.step, " where step ", log.steps.size(), " belongs"));
      s.slopes.push_back(detail::get<double>(bytes, r + 4));
    }
    log.steps.push_back(std::move(s));
    log.valid_bytes = at + per_step * record_bytes;
  }
  return log;
}

TENZO_COMPILED Log Log::read(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw FileError(path, -1, "can not be opened");
  std::string bytes;
  std::array<char, 1 << 16> part;
  ssize_t n;
  while ((n = ::read(fd, part.data(), part.size())) > 0 || (n < 0 && errno == EINTR))
    if (n > 0) bytes.append(part.data(), std::size_t(n));
  ::close(fd);
  if (n < 0) throw FileError(path, -1, "can not be read");
  return parse(bytes, path);
}
#endif

/// Appends steps to a log file.
class LogWriter {
 public:
  LogWriter() = default;
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;
  ~LogWriter() {
    if (fd_ >= 0) ::close(fd_);
  }

  /// A new log, which takes the name when its header is on the disk. Throws FileError where it can not be written,
  /// ValueError for a header that could not be read back.
  TENZO_COMPILED void create(const std::string& path, const LogHeader& header);

  /// Goes on with a log from its last whole step.
  TENZO_COMPILED void resume(const std::string& path, const Log& log);

  /// Adds a step; it is with the system when this returns, so that a killed process loses nothing.
  TENZO_COMPILED void append(const LogStep& s);

  /// Says which step the run ended with, and closes the log.
  TENZO_COMPILED void finish(std::uint32_t chosen);

  /// Brings what was written to the disk.
  void sync() {
    if (fd_ >= 0 && ::fsync(fd_) != 0) fail();
  }
  bool is_open() const { return fd_ >= 0; }

 private:
  void open(const std::string& path, int flags) {
    if (fd_ >= 0) ::close(fd_);
    path_ = path;
    fd_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | flags, 0644);
    if (fd_ < 0) fail();
  }
  void write(const std::string& bytes) {
    for (std::size_t done = 0; done < bytes.size();) {
      const auto n = ::write(fd_, bytes.data() + done, bytes.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) fail();
      done += std::size_t(n);
    }
    position_ += bytes.size();
  }
  [[noreturn]] void fail() const { throw FileError(path_, -1, std::strerror(errno)); }

  std::string path_;
  int fd_ = -1;
  std::size_t position_ = 0, slopes_ = 0;
};

#if TENZO_DEFINES(files)
TENZO_COMPILED void LogWriter::create(const std::string& path, const LogHeader& header) {
  for (const auto& [key, value] : header)
    require(!key.empty() && key.find_first_of(" \n") == std::string::npos && value.find('\n') == std::string::npos,
            "log: the setting ", printable(key), " is ", printable(value), "; want a word, and a value of one line");
  slopes_ = Log::slopes_per_step(header, path);
  const std::string text = Log::header_text(header);
  std::string bytes = "tenzozo1";
  detail::put(bytes, std::uint32_t(text.size()));
  bytes += text;
  detail::put(bytes, detail::crc32(detail::as_bytes(bytes)));
  open(path + ".new", O_CREAT | O_TRUNC);
  position_ = 0;
  write(bytes);
  sync();
  if (::rename(path_.c_str(), path.c_str()) != 0) fail();
  path_ = path;
}

TENZO_COMPILED void LogWriter::resume(const std::string& path, const Log& log) {
  open(path, 0);
  slopes_ = Log::slopes_per_step(log.header, path);
  if (::ftruncate(fd_, off_t(log.valid_bytes)) != 0 || ::lseek(fd_, 0, SEEK_END) < 0) fail();
  position_ = log.valid_bytes;
}

TENZO_COMPILED void LogWriter::append(const LogStep& s) {
  require(s.slopes.size() == slopes_, "log: step ", s.step, " has ", s.slopes.size(), " slopes; want ", slopes_);
  std::string bytes;
  for (const double slope : s.slopes) {
    const std::size_t at = position_ + bytes.size();
    detail::put(bytes, s.step);
    detail::put(bytes, slope);
    const auto raw = detail::as_bytes(bytes);
    detail::put(bytes, Log::record_crc(at, raw.last(12)));
  }
  write(bytes);
}

TENZO_COMPILED void LogWriter::finish(std::uint32_t chosen) {
  std::string bytes;
  detail::put(bytes, Log::end_mark);
  detail::put(bytes, double(chosen));
  detail::put(bytes, Log::record_crc(position_, detail::as_bytes(bytes)));
  write(bytes);
  sync();
  ::close(fd_);
  fd_ = -1;
}
#endif

}  // namespace tenzo::zo
